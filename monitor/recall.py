"""Asks the store what it remembers: incidents and runs, for the commands that list them.

What an incident is and when it opens is up to `detect`; printing is up to `report`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from monitor.errors import InputError
from monitor.event_time import microseconds

if TYPE_CHECKING:
    from monitor.detect import Suppression
    from monitor.report import Summary
    from monitor.store import Store


SHOWN = ("open", "waiting", "closed")
"""States that a list shows unless told otherwise."""
MOST_READ = 100_000
"""Incidents that are looked through for a list."""


def incidents(
    store: Store,
    *,
    run_id: str | None = None,
    severity: str | None = None,
    detector: str | None = None,
    host: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    states: Sequence[str] = SHOWN,
    suppressions: Sequence[Suppression] = (),
    limit: int = 100,
) -> list[dict[str, Any]]:
    """Incidents as they stand, the most severe first, then the latest; None: whatever the run, severity and so on.

    `host`: at either end. `since`, `until`: something of them was seen within. What one of the suppressions covers is
    in state `suppressed`, whatever it was when it was stored.
    """
    sql = (
        "SELECT * FROM current_incidents "
        "WHERE ({run:String} = '*' OR run_id = {run:String}) "
        "AND ({severity:String} = '' OR severity = {severity:String}) "
        "AND ({detector:String} = '' OR detector = {detector:String}) "
        "AND ({host:String} = '' OR host = {host:String} OR peer = {host:String}) "
        "AND toUnixTimestamp64Micro(last_seen) >= {since:Int64} AND toUnixTimestamp64Micro(first_seen) < {until:Int64} "
        "ORDER BY indexOf(['critical', 'high', 'medium', 'low'], severity), last_seen DESC, incident_id, run_id "
        "LIMIT {most:UInt32}"
    )
    asked = {
        "run": "*" if run_id is None else run_id,
        "severity": severity or "",
        "detector": detector or "",
        "host": host or "",
        "since": -(2**62) if since is None else microseconds(since),
        "until": 2**62 if until is None else microseconds(until),
        "most": MOST_READ,
    }
    rows = [as_it_stands(row, suppressions) for row in store.query(sql, asked).to_pylist()]
    return [row for row in rows if row["state"] in states][:limit]


def as_it_stands(row: dict[str, Any], suppressions: Sequence[Suppression]) -> dict[str, Any]:
    """A row of `current_incidents` by the suppressions of now: one that was ended hides no longer."""
    from monitor.detect import hidden_by

    hidden = hidden_by(row, suppressions)
    state = row["state"] or "open"
    if hidden:
        state = "suppressed"
    elif state == "suppressed":
        state = "closed" if row["event"] == "closed" else "open"
    return {**row, "state": state, "suppression": hidden}


def incident(store: Store, incident_id: str, suppressions: Sequence[Suppression] = ()) -> dict[str, Any]:
    """The incident whose id begins so, in its latest run. Raises InputError when there is none, or more than one."""
    sql = (
        "SELECT * FROM current_incidents WHERE startsWith(incident_id, {id:String}) "
        "ORDER BY recorded DESC LIMIT 1 BY incident_id LIMIT 2"
    )
    found: list[dict[str, Any]] = store.query(sql, {"id": incident_id}).to_pylist()
    if not found:
        raise InputError(f"the store {store} has no incident {incident_id}; see `monitor incidents list`")
    if len(found) > 1:
        raise InputError(f"more than one incident begins with {incident_id}; give more of its id")
    return as_it_stands(found[0], suppressions)


def story(store: Store, incident: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The incidents of the same run that share the incident's story, itself among them, in order of time."""
    if not incident["story"]:
        return [dict(incident)]
    sql = (
        "SELECT * FROM current_incidents WHERE run_id = {run:String} AND story = {story:String} "
        "ORDER BY first_seen, incident_id LIMIT 100"
    )
    rows: list[dict[str, Any]] = store.query(sql, {"run": incident["run_id"], "story": incident["story"]}).to_pylist()
    return rows


def flows_of(store: Store, incident: Mapping[str, Any], *, most: int = 10) -> list[dict[str, Any]]:
    """The flows that show an incident best, in order of time, at most so many."""
    sql = (
        "SELECT start, duration, src_ip, src_port, dst_ip, dst_port, proto, service, "
        "if(server_name != '', server_name, dns_query) AS name, src_bytes, dst_bytes, state, community_id "
        "FROM flows WHERE run_id = {run:String} AND community_id IN {ids:Array(String)} "
        "AND start BETWEEN fromUnixTimestamp64Micro({first:Int64}, 'UTC') "
        "AND fromUnixTimestamp64Micro({last:Int64}, 'UTC') "
        "ORDER BY start, flow_id, part LIMIT {most:UInt32}"
    )
    asked = {
        "run": incident["run_id"],
        "ids": list(incident["community_ids"]),
        "first": microseconds(incident["first_seen"]),
        "last": microseconds(incident["last_seen"]),
        "most": most,
    }
    from monitor.addresses import address_text

    rows = store.query(sql, asked).to_pylist()
    return [{**row, "src_ip": address_text(row["src_ip"]), "dst_ip": address_text(row["dst_ip"])} for row in rows]


def events(store: Store, incident: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What became of an incident, in order: `recorded`, `event`, `state`, `severity`, `flows`, `writer`."""
    sql = (
        "SELECT recorded, event, state, severity, flows, writer FROM incidents "
        "WHERE run_id = {run:String} AND incident_id = {id:String} ORDER BY recorded, ordinal"
    )
    asked = {"run": incident["run_id"], "id": incident["incident_id"]}
    rows: list[dict[str, Any]] = store.query(sql, asked).to_pylist()
    return rows


def verdicts(store: Store) -> dict[tuple[str, str], int]:
    """Incidents by detector and their latest verdict."""
    sql = (
        "SELECT detector, verdict, count() AS n FROM (SELECT argMax(detector, recorded) AS detector, "
        "argMax(verdict, recorded) AS verdict FROM verdicts GROUP BY run_id, incident_id) GROUP BY detector, verdict"
    )
    rows = store.query(sql).to_pylist()
    return {(row["detector"], row["verdict"]): row["n"] for row in rows}


def runs(store: Store, *, run_id: str | None = None, limit: int = 20) -> list[dict[str, Any]]:
    """The latest replays (None: any): `run_id`, `state`, `at`, `flows`, `sources`."""
    sql = (
        "SELECT run_id, argMax(state, recorded) AS state, max(recorded) AS at, argMax(flows, recorded) AS flows, "
        "argMax(sources, recorded) AS sources FROM runs WHERE {run:String} IN ('*', run_id) "
        "GROUP BY run_id ORDER BY at DESC LIMIT {limit:UInt32}"
    )
    asked = {"run": "*" if run_id is None else run_id, "limit": limit}
    rows: list[dict[str, Any]] = store.query(sql, asked).to_pylist()
    return rows


def summary(store: Store, run_id: str, *, most: int = 8, within: tuple[int, int] | None = None) -> Summary:
    """The services with most flows and the hosts with most bytes of a run, at most `most` of each.

    `within`: only of flows that began then, µs since 1970, both ends included.
    """
    from monitor.report import Summary

    asked: dict[str, Any] = {"run": run_id, "most": most}
    which = "run_id = {run:String}"
    if within is not None:
        asked |= {"since": within[0], "until": within[1]}
        which += " AND start >= fromUnixTimestamp64Micro({since:Int64}, 'UTC')"
        which += " AND start <= fromUnixTimestamp64Micro({until:Int64}, 'UTC')"
    services = store.query(
        f"SELECT service, count() AS flows, sum(src_bytes + dst_bytes) AS bytes FROM flows WHERE {which} "  # noqa: S608
        "GROUP BY service ORDER BY flows DESC, service LIMIT {most:UInt32}",
        asked,
    )
    hosts = store.query(
        "SELECT replaceRegexpOne(toString(ip), '^::ffff:([0-9]+[.])', '\\\\1') AS host, n AS flows, out AS sent, "  # noqa: S608
        "in AS received FROM (SELECT ip, count() AS n, sum(out) AS out, sum(in) AS in FROM ("
        f"SELECT src_ip AS ip, src_bytes AS out, dst_bytes AS in FROM flows WHERE {which} UNION ALL "
        f"SELECT dst_ip AS ip, dst_bytes AS out, src_bytes AS in FROM flows WHERE {which}"
        ") GROUP BY ip ORDER BY out + in DESC, ip LIMIT {most:UInt32})",
        asked,
    )
    return Summary(services.to_pylist(), hosts.to_pylist())


def status(store: Store, *, disk_budget: int = 0) -> dict[str, Any]:
    """Where the store is, how its schema stands to this program's, and, when it is current, what it holds and takes."""
    from monitor.store import disk_use

    schema = store.schema
    facts: dict[str, Any] = {
        "store": str(store),
        "schema": schema.version,
        "current schema": schema.current,
        "missing columns": list(schema.missing_columns),
        "ready": schema.ready,
    }
    if schema.ready:
        sql = (
            "SELECT (SELECT count() FROM flows) AS flows, (SELECT count() FROM flows WHERE run_id = '') AS live_flows, "
            "(SELECT uniqExact(run_id, incident_id) FROM incidents) AS incidents"
        )
        facts |= store.query(sql).to_pylist()[0]
        use = disk_use(store, disk_budget)
        facts |= {
            "bytes_on_disk": use.own,
            "bytes_of_clickhouse_logs": use.logs,
            "disk_budget": use.budget,
            "bytes_a_day": round(use.per_day),
            "days_left": "enough" if use.days_left == math.inf else round(use.days_left, 1),
        }
    return facts

"""Asks the store what it remembers: incidents and runs, for the commands that list them.

What an incident is and when it opens is up to `detect`; printing is up to `report`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from monitor.errors import InputError

if TYPE_CHECKING:
    from monitor.report import Summary
    from monitor.store import Store


def incidents(
    store: Store, *, run_id: str | None = None, severity: str | None = None, host: str | None = None, limit: int = 100
) -> list[dict[str, Any]]:
    """Incidents as they stand, the most severe first, then the latest; None: whatever the run, severity or host."""
    sql = (
        "SELECT * FROM current_incidents "
        "WHERE ({run:String} = '*' OR run_id = {run:String}) "
        "AND ({severity:String} = '' OR severity = {severity:String}) "
        "AND ({host:String} = '' OR host = {host:String} OR peer = {host:String}) "
        "ORDER BY indexOf(['critical', 'high', 'medium', 'low'], severity), last_seen DESC, incident_id, run_id "
        "LIMIT {limit:UInt32}"
    )
    asked = {"run": "*" if run_id is None else run_id, "severity": severity or "", "host": host or "", "limit": limit}
    rows: list[dict[str, Any]] = store.query(sql, asked).to_pylist()
    return rows


def incident(store: Store, incident_id: str) -> dict[str, Any]:
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
    return found[0]


def runs(store: Store, *, limit: int = 20) -> list[dict[str, Any]]:
    """The latest replays: `run_id`, `state`, `at`, `flows`, `sources`."""
    sql = (
        "SELECT run_id, argMax(state, recorded) AS state, max(recorded) AS at, argMax(flows, recorded) AS flows, "
        "argMax(sources, recorded) AS sources FROM runs GROUP BY run_id ORDER BY at DESC LIMIT {limit:UInt32}"
    )
    rows: list[dict[str, Any]] = store.query(sql, {"limit": limit}).to_pylist()
    return rows


def summary(store: Store, run_id: str, *, most: int = 8) -> Summary:
    """The services with most flows and the hosts with most bytes of a run, at most `most` of each."""
    from monitor.report import Summary

    asked = {"run": run_id, "most": most}
    services = store.query(
        "SELECT service, count() AS flows, sum(src_bytes + dst_bytes) AS bytes FROM flows WHERE run_id = {run:String} "
        "GROUP BY service ORDER BY flows DESC, service LIMIT {most:UInt32}",
        asked,
    )
    hosts = store.query(
        "SELECT replaceRegexpOne(toString(ip), '^::ffff:([0-9]+[.])', '\\\\1') AS host, n AS flows, out AS sent, "
        "in AS received FROM (SELECT ip, count() AS n, sum(out) AS out, sum(in) AS in FROM ("
        "SELECT src_ip AS ip, src_bytes AS out, dst_bytes AS in FROM flows WHERE run_id = {run:String} UNION ALL "
        "SELECT dst_ip AS ip, dst_bytes AS out, src_bytes AS in FROM flows WHERE run_id = {run:String}"
        ") GROUP BY ip ORDER BY out + in DESC, ip LIMIT {most:UInt32})",
        asked,
    )
    return Summary(services.to_pylist(), hosts.to_pylist())


def status(store: Store) -> dict[str, Any]:
    """Where the store is, how its schema stands to this program's, and, when it is current, how many rows it holds."""
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
    return facts

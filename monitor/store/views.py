"""Views: sums and first sightings fed by inserts of live flows, and the latest state of what is recorded as events.

A replay's rows reach `flows` as a whole partition, which feeds no view: `Store.publish_flows` runs the same SELECTs
over them. These run on every insert: they group by few keys of fixed width, the run is no key but a constant.
"""

from __future__ import annotations

from monitor.store.ddl import on
from monitor.store.records import INCIDENT_COLUMNS
from monitor.store.tables import table

_INSIDE = "if(direction = 'inbound', dst_ip, src_ip)"

_ASKED = "direction IN ('outbound', 'internal') AND dst_packets > 0"
_ADDRESS = (
    "if(bitShiftRight(toUInt128(what), 32) = 65535, IPv4NumToString(toUInt32(bitAnd(toUInt128(what), 4294967295))), "
    "toString(what))"
)
_NAME = "if(server_name = '', dns_query, server_name)"


def _first_seen(kind: str, by: str, value: str) -> str:
    """Who first had an answer from, or for, what the expression `by` says; `value` is its text."""
    return (
        f"SELECT run AS run_id, '{kind}' AS kind, host, {value} AS value, "  # noqa: S608  (our names)
        "earliest AS first, latest AS last, n AS flows FROM (\n"
        f"SELECT {{run}} AS run, src_ip AS host, {by} AS what, min(start) AS earliest, max(start) AS latest, "
        "count() AS n\n"
        f"FROM {{flows}} AS f WHERE {{which}} AND {_ASKED}\n"
        "GROUP BY run, host, what)\nWHERE value != ''"
    )


SUMMED: dict[str, tuple[str, ...]] = {
    "flows_by_minute": (
        "SELECT {run} AS run_id, toStartOfMinute(start) AS minute, sensor, service, direction, src_zone, dst_zone, "
        "count() AS flows, sum(f.src_packets) AS src_packets, sum(f.dst_packets) AS dst_packets, "
        "sum(f.src_bytes) AS src_bytes, sum(f.dst_bytes) AS dst_bytes, sum(f.missed_bytes) AS missed_bytes, "
        "countIf(f.dst_packets = 0) AS unanswered, min(p_value) AS least_p_value\n"
        "FROM {flows} AS f WHERE {which}\n"
        "GROUP BY {run}, minute, sensor, service, direction, src_zone, dst_zone",
    ),
    "hosts_by_hour": (
        f"SELECT {{run}} AS run_id, toStartOfHour(start) AS hour, {_INSIDE} AS host, service, direction, "
        "count() AS flows, sum(if(direction = 'inbound', dst_bytes, src_bytes)) AS sent, "
        "sum(if(direction = 'inbound', src_bytes, dst_bytes)) AS received, countIf(dst_packets = 0) AS unanswered\n"
        "FROM {flows} AS f WHERE {which}\n"
        "GROUP BY {run}, hour, host, service, direction",
    ),
    "first_seen": (
        _first_seen("peer", "dst_ip", _ADDRESS),
        _first_seen("name", _NAME, "what"),
        _first_seen("ja4", "ja4", "what"),
    ),
}
"""What fills each summed table: SELECTs over `{flows}`, for the rows that are `{which}`, as the sums of `{run}`.

The rows' own run is `f.run_id`: the bare name is that of the sums.
"""


def summing_views(cluster: str = "") -> dict[str, str]:
    """Materialized views, by name, that fill the summed tables from every insert of live flows."""
    made = {}
    for name, selects in SUMMED.items():
        for place, select in enumerate(selects):
            view = f"{name}_view{place or ''}"
            made[view] = (
                f"CREATE MATERIALIZED VIEW IF NOT EXISTS {view}{on(cluster)} TO {table(name).local(cluster)} AS\n"
                + select.format(flows=table("flows").local(cluster), which="f.run_id = ''", run="''")
            )
    return made


def sum_up(name: str, which: str, run: str) -> tuple[str, ...]:
    """INSERTs of the sums over those flows that are `which`, of the run `run`: SQL expressions."""
    return tuple(
        f"INSERT INTO {name}\n" + select.format(flows="flows", which=which, run=run) for select in SUMMED[name]
    )


def current_views(cluster: str = "") -> tuple[str, ...]:
    """The latest event of each incident, suppression and verdict."""
    latest = ", ".join(column.name for column in INCIDENT_COLUMNS if column.name not in ("run_id", "incident_id"))
    selects = {
        "current_incidents": f"SELECT run_id, incident_id, {latest} FROM incidents\n"  # noqa: S608  (our names)
        "ORDER BY recorded DESC, ordinal DESC LIMIT 1 BY run_id, incident_id",
        "current_suppressions": "SELECT * FROM suppressions ORDER BY recorded DESC LIMIT 1 BY suppression_id",
        "current_verdicts": "SELECT * FROM verdicts ORDER BY recorded DESC LIMIT 1 BY run_id, incident_id",
    }
    return tuple(f"CREATE OR REPLACE VIEW {name}{on(cluster)} AS\n{select}" for name, select in selects.items())

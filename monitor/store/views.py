"""Views: sums and first sightings fed by inserts of live flows, and the latest state of what is recorded as events.

A replay's rows reach `flows` as a whole partition, which feeds no view: `Store.publish_flows` runs the same SELECTs
over them. Each SELECT groups by the raw columns first and makes words of them afterwards: it runs on every insert.
"""

from __future__ import annotations

from monitor.store.ddl import on
from monitor.store.records import INCIDENT_COLUMNS
from monitor.store.tables import table

_INSIDE = "if(direction = 'inbound', dst_ip, src_ip)"

SUMMED: dict[str, str] = {
    "flows_by_minute": (
        "SELECT run_id, toStartOfMinute(start) AS minute, sensor, service, direction, src_zone, dst_zone, "
        "count() AS flows, sum(f.src_packets) AS src_packets, sum(f.dst_packets) AS dst_packets, "
        "sum(f.src_bytes) AS src_bytes, sum(f.dst_bytes) AS dst_bytes, sum(f.missed_bytes) AS missed_bytes, "
        "countIf(f.dst_packets = 0) AS unanswered, min(p_value) AS least_p_value\n"
        "FROM {flows} AS f WHERE {which}\n"
        "GROUP BY run_id, minute, sensor, service, direction, src_zone, dst_zone"
    ),
    "hosts_by_hour": (
        f"SELECT run_id, toStartOfHour(start) AS hour, {_INSIDE} AS host, service, direction, count() AS flows, "
        "sum(if(direction = 'inbound', dst_bytes, src_bytes)) AS sent, "
        "sum(if(direction = 'inbound', src_bytes, dst_bytes)) AS received, countIf(dst_packets = 0) AS unanswered\n"
        "FROM {flows} WHERE {which}\n"
        "GROUP BY run_id, hour, host, service, direction"
    ),
    "first_seen": (
        "SELECT run_id, kind, host, value, min(f) AS first, max(l) AS last, sum(n) AS flows FROM (\n"
        "SELECT run_id, src_ip AS host, dst_ip, server_name, dns_query, ja4, "
        "min(start) AS f, max(start) AS l, count() AS n\n"
        "FROM {flows} WHERE {which} AND direction IN ('outbound', 'internal') AND dst_packets > 0\n"
        "GROUP BY run_id, host, dst_ip, server_name, dns_query, ja4)\n"
        "ARRAY JOIN ['peer', 'name', 'ja4'] AS kind, [if(startsWith(toString(dst_ip), '::ffff:') "
        "AND position(toString(dst_ip), '.') > 0, substring(toString(dst_ip), 8), toString(dst_ip)), "
        "if(server_name = '', dns_query, server_name), ja4] AS value\n"
        "WHERE value != ''\n"
        "GROUP BY run_id, kind, host, value"
    ),
}
"""What fills each summed table: a SELECT over `{flows}` for the rows that are `{which}`."""


def summing_views(cluster: str = "") -> tuple[str, ...]:
    """Materialized views that fill the summed tables from every insert of live flows."""
    flows = table("flows").local(cluster)
    return tuple(
        f"CREATE MATERIALIZED VIEW IF NOT EXISTS {name}_view{on(cluster)} TO {table(name).local(cluster)} AS\n"
        + select.format(flows=flows, which="run_id = ''")
        for name, select in SUMMED.items()
    )


def sum_up(name: str, which: str) -> str:
    """INSERT of the sums over those flows that are `which`, an SQL condition."""
    return f"INSERT INTO {name}\n" + SUMMED[name].format(flows="flows", which=which)


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

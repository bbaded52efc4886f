"""Pieces of SQL that several dashboards share."""

from __future__ import annotations

from dashboards.queries import RUN

HOST = "toIPv6OrDefault(${host:sqlstring})"
"""The address of the variable `host`; `::` when it is none."""
BY_SENSOR = "$__conditionalAll(sensor IN (${sensor:sqlstring}), $sensor)"
BY_ZONE = "$__conditionalAll((src_zone IN (${zone:sqlstring}) OR dst_zone IN (${zone:sqlstring})), $zone)"
_WRITTEN = "incident_id IN (SELECT incident_id FROM incidents WHERE writer IN (${sensor:sqlstring}))"
BY_WRITER = f"$__conditionalAll({_WRITTEN}, $sensor)"
"""Incidents that a sensor wrote; an operator's events of them are others' work."""
BY_SEVERITY = "$__conditionalAll(severity IN (${severity:sqlstring}), $severity)"
BY_STATE = "$__conditionalAll(if(state = '', 'open', state) IN (${state:sqlstring}), $state)"
BY_DETECTOR = "$__conditionalAll(detector IN (${detector:sqlstring}), $detector)"
BY_HOST = "$__conditionalAll((host = ${host:sqlstring} OR peer = ${host:sqlstring}), $host)"
SEVERITY_RANK = "indexOf(['low', 'medium', 'high', 'critical'], severity)"
SHOWN = "state NOT IN ('suppressed', 'closed')"


def address(column: str) -> str:
    """An address as people write it: IPv4 without the prefix of mapped addresses."""
    return f"replaceOne(toString({column}), '::ffff:', '')"


def incidents(where: str, *, limit: int = 200) -> str:
    """The latest state of incidents, the gravest first. Times are event time."""
    return f"""
        SELECT incident_id AS incident, severity, detector, host, peer, service, reasons[1] AS why, first_seen,
        last_seen, flows, score, p_value, state, arrayStringConcat(attack, ' ') AS attack
        FROM current_incidents WHERE {RUN} AND {where}
        ORDER BY {SEVERITY_RANK} DESC, last_seen DESC LIMIT {limit}"""


def flow_list(where: str, *, order: str = "start DESC", limit: int = 200) -> str:
    """Flow records as an analyst reads them.

    First the few that are shown are found by narrow columns, then the wide ones of these are read by the primary key.
    """
    name = "toValidUTF8(if(server_name != '', server_name, dns_query))"
    key = "start, src_ip, flow_id, part"
    return f"""
        SELECT start, {address("src_ip")} AS host, src_port, {address("dst_ip")} AS peer, dst_port, service,
        {name} AS name, state, duration, src_bytes AS sent, dst_bytes AS received, score, p_value,
        arrayStringConcat(reasons, ' ') AS why, community_id
        FROM flows WHERE {RUN} AND ({key}) IN (
        SELECT {key} FROM flows WHERE {RUN} AND {where} ORDER BY {order} LIMIT {limit}
        ) ORDER BY {order} LIMIT {limit}"""


FLOW_UNITS = {"duration": "s", "sent": "bytes", "received": "bytes", "score": "none", "p_value": "sci"}

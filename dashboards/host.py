"""Host: what one host does, with whom, since when, and what of it is unusual."""

from __future__ import annotations

from typing import Any

from dashboards.page import HOST_LINK, HUNT_LINK, INCIDENT_LINK, page
from dashboards.panels import rows, series
from dashboards.phrases import BY_SENSOR, BY_WRITER, FLOW_UNITS, HOST, address, flow_list, incidents
from dashboards.queries import RUN, SERIES, sql

_OURS = f"(src_ip = {HOST} OR dst_ip = {HOST})"


def build() -> Any:
    """The dashboard monitor-host."""
    return page(
        "host",
        ("Host", "端末"),
        "One host: traffic, services, peers, first sightings, incidents and its strangest flows.",
        ("sensor", "host", "run"),
        [
            (8, [(12, _bytes()), (12, _flows_by_service())]),
            (9, [(12, _peers()), (12, _first_seen())]),
            (8, [(24, _incidents())]),
            (10, [(24, _flows())]),
        ],
    )


def _bytes() -> Any:
    text = f"""
        SELECT $__timeInterval(hour) AS time, 8 * sum(h.sent) / $__interval_s AS sent,
        8 * sum(h.received) / $__interval_s AS received
        FROM hosts_by_hour AS h WHERE {RUN} AND $__timeFilter(hour) AND host = {HOST}
        GROUP BY time ORDER BY time"""
    return series(
        ("Sent and received", "送受信量"),
        "IP bits a second that the host sent and received, by the hour, at all sensors.",
        "bps",
        sql(text, SERIES),
    ).interval("1h")


def _flows_by_service() -> Any:
    text = f"""
        SELECT $__timeInterval(hour) AS time, service, sum(h.flows) AS flows
        FROM hosts_by_hour AS h WHERE {RUN} AND $__timeFilter(hour) AND host = {HOST}
        GROUP BY time, service ORDER BY time"""
    return series(
        ("Flows by service", "サービス別のフロー"),
        "Flows of the host in each hour, by service, at all sensors.",
        "none",
        sql(text, SERIES),
        stacked=True,
        bars=True,
    ).interval("1h")


def _peers() -> Any:
    text = f"""
        SELECT {address("other")} AS peer, toValidUTF8(max(server_name)) AS name,
        arrayStringConcat(groupUniqArray(5)(service), ' ') AS services, count() AS flows,
        sum(if(src_ip = {HOST}, src_bytes, dst_bytes)) AS sent,
        sum(if(src_ip = {HOST}, dst_bytes, src_bytes)) AS received, countIf(dst_packets = 0) / count() AS unanswered,
        min(start) AS first, max(start) AS last, min(p_value) AS p_value
        FROM (SELECT *, if(src_ip = {HOST}, dst_ip, src_ip) AS other FROM flows
        WHERE {RUN} AND $__timeFilter(start) AND {_OURS} AND {BY_SENSOR})
        GROUP BY other ORDER BY sent + received DESC LIMIT 100"""
    return rows(
        ("Peers", "通信相手"),
        "With whom the host talks, by bytes.",
        sql(text),
        links={"peer": HOST_LINK},
        units={"sent": "bytes", "received": "bytes", "unanswered": "percentunit", "p_value": "sci"},
    )


def _first_seen() -> Any:
    text = f"""
        SELECT kind, toValidUTF8(s.value) AS value, min(s.first) AS first, max(s.last) AS last, sum(s.flows) AS flows
        FROM first_seen AS s WHERE {RUN} AND host = {HOST}
        GROUP BY kind, s.value ORDER BY first DESC LIMIT 100"""
    return rows(
        ("Newest acquaintances", "新しい通信先"),
        "Peers, names and TLS fingerprints by when this host was first seen with them, the newest first.",
        sql(text),
    )


def _incidents() -> Any:
    return rows(
        ("Incidents", "インシデント"),
        "Incidents in which the host is host or peer.",
        sql(incidents(f"(host = ${{host:sqlstring}} OR peer = ${{host:sqlstring}}) AND {BY_WRITER}", limit=50)),
        links={"incident": INCIDENT_LINK, "detector": HUNT_LINK},
        units={"p_value": "sci"},
    )


def _flows() -> Any:
    return rows(
        ("Strangest flows", "異常度の高いフロー"),
        "Flows of the host, the lowest p-value first.",
        sql(flow_list(f"$__timeFilter(start) AND {_OURS} AND {BY_SENSOR}", order="p_value, start DESC")),
        links={"host": HOST_LINK, "peer": HOST_LINK},
        units=FLOW_UNITS,
    )

"""Incident: one incident's story, reasons, flows, timeline, and the command that cuts out its packets."""

from __future__ import annotations

from typing import Any

from dashboards.page import HOST_LINK, HUNT_LINK, INCIDENT_LINK, page
from dashboards.panels import rows, series
from dashboards.phrases import FLOW_UNITS, flow_list, incidents
from dashboards.queries import RUN, SERIES, sql

_THIS = f"{RUN} AND incident_id = ${{incident:sqlstring}}"
_ROW = f"(SELECT * FROM current_incidents WHERE {_THIS})"
_OURS = f"community_id IN (SELECT arrayJoin(community_ids) FROM current_incidents WHERE {_THIS})"
_SPAN = f"start >= (SELECT min(first_seen) FROM {_ROW}) AND start <= (SELECT max(last_seen) FROM {_ROW})"
_HOST = f"(SELECT toIPv6OrDefault(max(host)) FROM {_ROW})"


def build() -> Any:
    """The dashboard monitor-incident."""
    return page(
        "incident",
        ("Incident", "インシデント"),
        "One incident: what happened, why it is told, its flows, and how to get at its packets.",
        ("sensor", "incident", "run"),
        [
            (5, [(24, _facts())]),
            (8, [(12, _reasons()), (12, _life())]),
            (8, [(12, _timeline()), (12, _commands())]),
            (10, [(24, _flows())]),
            (8, [(24, _beside())]),
        ],
    )


def _facts() -> Any:
    text = f"""
        SELECT severity, detector, host, peer, service, first_seen, last_seen,
        dateDiff('second', first_seen, last_seen) AS lasting, flows, score, p_value, state, story, stage,
        arrayStringConcat(attack, ' ') AS attack, arrayStringConcat(names, ' ') AS names,
        arrayStringConcat(arrayMap(port -> toString(port), ports), ' ') AS ports
        FROM current_incidents WHERE {_THIS}"""
    return rows(
        ("What", "内容"),
        "The incident as it is now.",
        sql(text),
        links={"host": HOST_LINK, "peer": HOST_LINK, "detector": HUNT_LINK},
        units={"lasting": "s", "p_value": "sci"},
    )


def _reasons() -> Any:
    text = f"SELECT number, reason FROM {_ROW} ARRAY JOIN reasons AS reason, arrayEnumerate(reasons) AS number"
    return rows(
        ("Why", "理由"),
        "The reasons, the strongest first, with the value and what is usual.",
        sql(text),
    )


def _life() -> Any:
    text = f"""
        SELECT recorded, event, state, severity, last_seen, flows, writer, suppression
        FROM incidents WHERE {_THIS} ORDER BY recorded, ordinal"""
    return rows(
        ("Life", "経過"),
        "Every event of the incident: opened, updated, closed, suppressed; by wall clock.",
        sql(text),
    )


def _timeline() -> Any:
    text = f"""
        SELECT toStartOfInterval(start, INTERVAL 10 SECOND) AS time, 8 * sum(src_bytes) / 10 AS sent,
        8 * sum(dst_bytes) / 10 AS received
        FROM flows WHERE {RUN} AND {_SPAN} AND (src_ip = {_HOST} OR dst_ip = {_HOST})
        GROUP BY time ORDER BY time"""
    return series(
        ("Timeline", "時系列"),
        "All traffic of the host between the first and the last evidence, by the begin of its flows.",
        "bps",
        sql(text, SERIES),
    )


def _commands() -> Any:
    text = f"""
        SELECT line.1 AS purpose, line.2 AS command FROM {_ROW} ARRAY JOIN [
        ('packets', concat('monitor carve CAPTURES --incident ', incident_id, ' -o ', incident_id, '.pcapng')),
        ('dissection', concat('monitor inspect CAPTURES --incident ', incident_id)),
        ('story', concat('monitor incidents show ', incident_id)),
        ('verdict', concat('monitor incidents verdict ', incident_id, ' true'))] AS line"""
    return rows(
        ("Commands", "コマンド"),
        "What to type: cut out the packets, look into them, give the verdict. CAPTURES are files, folders or the "
        "evidence ring.",
        sql(text),
    )


def _flows() -> Any:
    return rows(
        ("Flows", "フロー"),
        "Flows that show it best, by their Community IDs.",
        sql(flow_list(f"{_SPAN} AND {_OURS}", order="start")),
        links={"host": HOST_LINK, "peer": HOST_LINK},
        units=FLOW_UNITS,
    )


def _beside() -> Any:
    same = f"host IN (SELECT host FROM current_incidents WHERE {_THIS})"
    story = f"(story != '' AND story IN (SELECT story FROM current_incidents WHERE {_THIS}))"
    where = f"({same} OR {story})"
    return rows(
        ("Of the same host or story", "同じ端末・経緯のインシデント"),
        "All incidents of this host, and those that the product counts to the same story.",
        sql(incidents(where, limit=50)),
        links={"incident": INCIDENT_LINK},
        units={"p_value": "sci"},
    )

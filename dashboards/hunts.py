"""Hunt results: what each hunt found, when it last did, and whether the hunts run at all."""

from __future__ import annotations

from typing import Any

from dashboards.page import HOST_LINK, INCIDENT_LINK, page
from dashboards.panels import WARN, number, rows, series
from dashboards.phrases import BY_DETECTOR, BY_HOST, BY_WRITER, SEVERITY_RANK, incidents
from dashboards.queries import RUN, SERIES, prom, sql

_CHOSEN = f"detector != 'anomaly' AND {BY_HOST} AND {BY_WRITER} AND {BY_DETECTOR}"


def build() -> Any:
    """The dashboard monitor-hunts."""
    return page(
        "hunts",
        ("Hunt results", "ハント結果"),
        "What each hunt found, and whether the hunts run.",
        ("sensor", "detector", "host", "run"),
        [(4, _state()), (9, [(12, _each()), (12, _over_time())]), (11, [(24, _found())])],
    )


def _state() -> list[tuple[int, Any]]:
    return [
        (
            8,
            number(
                ("Since the last round", "前回の実行からの経過"),
                "Time since the hunts last ended.",
                "s",
                prom('time() - max(monitor_last_hunt_timestamp_seconds{sensor=~"$sensor"})', instant=True),
                steps=[(900, WARN), (1800, "#D55E00")],
                decimals=0,
            ),
        ),
        (
            8,
            number(
                ("Time spent on hunts", "ハントの所要時間"),
                "Seconds that the hunts took in the time range.",
                "s",
                prom('sum(increase(monitor_hunt_seconds_total{sensor=~"$sensor"}[$__range]))', instant=True),
                decimals=1,
            ),
        ),
        (
            8,
            number(
                ("Hidden by suppressions", "抑止された件数"),
                "Incidents that a suppression hid in the time range.",
                "none",
                prom('sum(increase(monitor_incidents_suppressed_total{sensor=~"$sensor"}[$__range]))', instant=True),
                decimals=0,
            ),
        ),
    ]


def _each() -> Any:
    text = f"""
        SELECT detector, count() AS incidents, uniqExact(host) AS hosts, argMax(severity, {SEVERITY_RANK}) AS severity,
        max(last_seen) AS last, sum(c.flows) AS flows
        FROM (SELECT * FROM current_incidents WHERE {RUN} AND $__timeFilter(last_seen) AND {_CHOSEN}) AS c
        GROUP BY detector ORDER BY incidents DESC"""
    return rows(
        ("Each hunt", "ハント別"),
        "Incidents of each hunt in the time range, its gravest severity, and when it last found something.",
        sql(text),
    )


def _over_time() -> Any:
    text = f"""
        SELECT $__timeInterval(first_seen) AS time, detector, count() AS incidents
        FROM current_incidents WHERE {RUN} AND $__timeFilter(first_seen) AND {_CHOSEN}
        GROUP BY time, detector ORDER BY time"""
    return series(
        ("Found over time", "検知数の推移"),
        "Incidents by the time of their first evidence, by hunt.",
        "none",
        sql(text, SERIES),
        stacked=True,
        bars=True,
    ).interval("10m")


def _found() -> Any:
    return rows(
        ("Results", "結果"),
        "What the hunts found, the gravest first.",
        sql(incidents(f"$__timeFilter(last_seen) AND {_CHOSEN}")),
        links={"incident": INCIDENT_LINK, "host": HOST_LINK},
        units={"p_value": "sci"},
    )

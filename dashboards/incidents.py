"""Incidents: the triage table, how many there are, and of which detectors they come."""

from __future__ import annotations

from typing import Any

from dashboards.page import HOST_LINK, HUNT_LINK, INCIDENT_LINK, page
from dashboards.panels import BAD, NOTICE, SEVERITIES, WARN, YELLOW, number, rows, series
from dashboards.phrases import BY_DETECTOR, BY_HOST, BY_SEVERITY, BY_STATE, BY_WRITER, SHOWN, incidents
from dashboards.queries import RUN, SERIES, prom, sql

_SHADES = {"low": NOTICE, "medium": YELLOW, "high": WARN, "critical": BAD}
_JAPANESE = {"low": "低", "medium": "中", "high": "高", "critical": "緊急"}


_CHOSEN = f"{BY_HOST} AND {BY_WRITER} AND {BY_SEVERITY} AND {BY_DETECTOR}"


def build() -> Any:
    """The dashboard monitor-incidents."""
    return page(
        "incidents",
        ("Incidents", "インシデント一覧"),
        "What to look at first, and how it is spread.",
        ("sensor", "severity", "detector", "state", "host", "run"),
        [(4, _counts()), (12, [(24, _triage())]), (9, [(12, _over_time()), (12, _by_detector())])],
    )


def _counts() -> list[tuple[int, Any]]:
    found = [
        (
            4,
            number(
                (f"Open, {word}", f"未終了（{_JAPANESE[word]}）"),
                f"Open incidents of severity {word}.",
                "none",
                prom(f'sum(monitor_incidents_open{{sensor=~"$sensor", severity="{word}"}})', instant=True),
                steps=[(1, _SHADES[word])],
            ),
        )
        for word in reversed(SEVERITIES)
    ]
    budget = 'sum(sensor:monitor_incidents_budgeted:increase1d{sensor=~"$sensor"}) / '
    budget += 'sum(monitor_alert_budget{sensor=~"$sensor"})'
    share = number(
        ("Of the daily budget", "1 日の想定件数に対する割合"),
        "Incidents of the last 24 hours over the alert budget; zone breaches are outside it.",
        "percentunit",
        prom(budget, instant=True),
        steps=[(1, WARN), (2, BAD)],
    )
    hidden = number(
        ("Not told one by one", "個別に通知されない件数"),
        "Open incidents beyond the cap of metrics.active_incidents: stored, but no message tells of them.",
        "none",
        prom('sum(monitor_incidents_not_shown{sensor=~"$sensor"})', instant=True),
        steps=[(1, BAD)],
    )
    return [*found, (4, share), (4, hidden)]


def _triage() -> Any:
    return rows(
        ("Triage", "トリアージ"),
        "Incidents whose last evidence lies in the time range, the gravest first; those that are chosen above.",
        sql(incidents(f"$__timeFilter(last_seen) AND {_CHOSEN} AND {BY_STATE}")),
        links={"incident": INCIDENT_LINK, "host": HOST_LINK, "detector": HUNT_LINK},
        units={"p_value": "sci"},
    )


def _over_time() -> Any:
    text = f"""
        SELECT $__timeInterval(first_seen) AS time, severity, count() AS incidents
        FROM current_incidents WHERE {RUN} AND $__timeFilter(first_seen) AND {SHOWN} AND {_CHOSEN}
        GROUP BY time, severity ORDER BY time"""
    return series(
        ("Begun", "発生件数"),
        "Incidents by the time of their first evidence and by severity.",
        "none",
        sql(text, SERIES),
        stacked=True,
        bars=True,
    ).interval("10m")


def _by_detector() -> Any:
    text = f"""
        SELECT c.detector AS detector, count() AS incidents, countIf(state NOT IN ('suppressed', 'closed')) AS open,
        countIf(state = 'suppressed') AS suppressed, uniqExact(host) AS hosts,
        countIf(v.verdict = 'true') AS true, countIf(v.verdict = 'false') AS false,
        countIf(v.verdict = 'benign') AS benign
        FROM (SELECT * FROM current_incidents WHERE {RUN} AND $__timeFilter(last_seen) AND {_CHOSEN}) AS c
        LEFT JOIN (SELECT incident_id, verdict FROM current_verdicts WHERE {RUN}) AS v USING (incident_id)
        GROUP BY detector ORDER BY incidents DESC"""
    return rows(
        ("By detector", "検知器別"),
        "Incidents of each detector, and the verdicts that analysts gave.",
        sql(text),
    )

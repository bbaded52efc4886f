"""A dashboard: its panels laid out in full rows of 24 columns, its variables, and the links to the others.

A row that is not full, or whose panels differ in height, is an error of the builder: no gaps, no overlaps.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from grafana_foundation_sdk.builders import dashboard as parts
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from dashboards.queries import CLICKHOUSE, PROMETHEUS

WIDTH = 24
TAG = "monitor"

HOST_LINK = "/d/monitor-host?var-host=${__value.raw}&var-run=${run:percentencode}&${__url_time_range}"
HUNT_LINK = (
    "/d/monitor-hunts?var-host=${__data.fields.host}&var-detector=${__value.raw}&var-run=${run:percentencode}"
    "&${__url_time_range}"
)
INCIDENT_LINK = "/d/monitor-incident?var-incident=${__value.raw}&var-run=${run:percentencode}&${__url_time_range}"


_ALL = model.VariableOption(text="All", value="$__all", selected=True)


def _found(name: str, label: str, source: model.DataSourceRef, query: str) -> parts.QueryVariable:
    """A choice of what the query gives now."""
    return (
        parts.QueryVariable(name)
        .label(label)
        .datasource(source)
        .query(query)
        .include_all(True)
        .multi(True)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .current(_ALL)
    )


def _sensor() -> parts.QueryVariable:
    return _found("sensor", "Sensor · センサー", PROMETHEUS, "label_values(monitor_packets_total, sensor)")


def _zone() -> parts.QueryVariable:
    text = (
        "SELECT DISTINCT arrayJoin([src_zone, dst_zone]) AS zone FROM flows_by_minute\n"
        "WHERE run_id = ${run:sqlstring} AND $__timeFilter(minute) ORDER BY zone"
    )
    return _found("zone", "Zone · ゾーン", CLICKHOUSE, text)


def _detector() -> parts.QueryVariable:
    text = "SELECT DISTINCT detector FROM incidents WHERE run_id = ${run:sqlstring} ORDER BY detector"
    return _found("detector", "Detector · 検知器", CLICKHOUSE, text)


def _listed(name: str, label: str, words: Iterable[str]) -> parts.CustomVariable:
    return parts.CustomVariable(name).label(label).values(",".join(words)).include_all(True).multi(True).current(_ALL)


def _typed(name: str, label: str, description: str) -> parts.TextBoxVariable:
    return parts.TextBoxVariable(name).label(label).description(description).default_value("")


_VARIABLES = {
    "sensor": _sensor,
    "zone": _zone,
    "severity": lambda: _listed("severity", "Severity · 重大度", ("critical", "high", "medium", "low")),
    "state": lambda: _listed("state", "State · 状態", ("open", "waiting", "suppressed", "closed")),
    "detector": _detector,
    "host": lambda: _typed("host", "Host · 端末", "Address of a host."),
    "incident": lambda: _typed("incident", "Incident · インシデント", "Id of an incident."),
    "run": lambda: _typed("run", "Run · リプレイ", "Empty: live traffic; else the run id of a replay."),
}


def page(
    uid: str,
    titles: tuple[str, str],
    description: str,
    variables: Iterable[str],
    layout: Sequence[tuple[int, Sequence[tuple[int, Any]]]],
) -> model.Dashboard:
    """The dashboard `monitor-<uid>`. `layout`: rows from the top, each its height and its (width, panel)s.

    Raises ValueError when a row is not 24 columns wide.
    """
    board = (
        parts.Dashboard(" · ".join(titles))
        .uid(f"monitor-{uid}")
        .description(description)
        .tags([TAG])
        .timezone("Asia/Tokyo")
        .time("now-24h", "now")
        .refresh("1m")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .link(
            parts.DashboardLink("Monitor")
            .type(model.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(True)
            .keep_time(True)
            .include_vars(True)
        )
    )
    top, number = 0, 0
    for height, panels in layout:
        left = 0
        for width, panel in panels:
            number += 1
            board = board.with_panel(panel.id(number).grid_pos(model.GridPos(h=height, w=width, x=left, y=top)))
            left += width
        if left != WIDTH:
            raise ValueError(f"monitor-{uid}: the row at {top} is {left} columns wide, not {WIDTH}")
        top += height
    shown = json.dumps(board.build().panels, cls=JSONEncoder)
    for name in variables:
        variable = _VARIABLES[name]()
        if not re.search(rf"\$\{{?{name}\b", shown):  # nothing here depends on it: it is only handed on by the links
            variable = variable.hide(model.VariableHide.HIDE_VARIABLE)
        board = board.with_variable(variable)
    return board.build()

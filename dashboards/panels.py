"""The kinds of panel that dashboards are made of, each with title in two languages, unit, description and thresholds.

Colours are Okabe and Ito's (2008), told apart by the colour-blind; the same colour means the same on every dashboard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grafana_foundation_sdk.builders import common, heatmap, stat, table, timeseries
from grafana_foundation_sdk.builders import dashboard as parts
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphDrawStyle,
    GraphTresholdsStyleMode,
    StackingMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode

from dashboards.queries import CLICKHOUSE, PROMETHEUS, ClickHouseQuery, Query

GOOD, NOTICE, WARN, BAD = "#009E73", "#56B4E9", "#E69F00", "#D55E00"
YELLOW, BLUE, PINK, GREY = "#F0E442", "#0072B2", "#CC79A7", "#999999"

COLOURS = {
    "low": NOTICE,
    "medium": YELLOW,
    "high": WARN,
    "critical": BAD,
    "outbound": BLUE,
    "inbound": WARN,
    "internal": GOOD,
    "external": GREY,
    "written": GOOD,
    "spooled": WARN,
    "dropped": BAD,
    "sent": BLUE,
    "received": NOTICE,
    "dns": NOTICE,
    "tls": BLUE,
    "http": GOOD,
    "quic": PINK,
    "ssh": WARN,
    "smtp": YELLOW,
    "unknown": GREY,
    "other": GREY,
}
"""Colour of a series by its name, whichever panel it is on."""

Steps = Sequence[tuple[float, str]]
"""Thresholds: from this value on this colour; below the first one all is well."""


def _thresholds(steps: Steps, below: str = GOOD) -> parts.ThresholdsConfig:
    made = [model.Threshold(value=None, color=below)]
    made += [model.Threshold(value=value, color=colour) for value, colour in steps]
    return parts.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(made)


def _common(panel: Any, titles: tuple[str, str], description: str, unit: str, queries: Sequence[Query]) -> Any:
    """What every panel has."""
    source = CLICKHOUSE if isinstance(queries[0].build(), ClickHouseQuery) else PROMETHEUS
    panel = panel.title(" · ".join(titles)).description(description).unit(unit).datasource(source)
    for query in queries:
        panel = panel.with_target(query)
    return panel


def number(
    titles: tuple[str, str],
    description: str,
    unit: str,
    query: Query,
    *,
    steps: Steps = (),
    below: str = GOOD,
    decimals: int | None = None,
) -> stat.Panel:
    """One number, coloured by its thresholds."""
    panel = _common(stat.Panel(), titles, description, unit, [query]).thresholds(_thresholds(steps, below))
    if decimals is not None:
        panel = panel.decimals(decimals)
    latest = common.ReduceDataOptions().calcs(["lastNotNull"])
    return panel.graph_mode(BigValueGraphMode.NONE).color_mode(BigValueColorMode.VALUE).reduce_options(latest)


def series(
    titles: tuple[str, str],
    description: str,
    unit: str,
    *queries: Query,
    steps: Steps = (),
    stacked: bool = False,
    bars: bool = False,
    least: float | None = 0,
) -> timeseries.Panel:
    """Lines (or bars) over time; thresholds are drawn as dashed lines."""
    panel = _common(timeseries.Panel(), titles, description, unit, queries).thresholds(_thresholds(steps))
    panel = panel.fill_opacity(40 if stacked or bars else 8).line_width(1).show_points(VisibilityMode.NEVER)
    if bars:
        panel = panel.draw_style(GraphDrawStyle.BARS)
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
    if steps:
        panel = panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphTresholdsStyleMode.DASHED))
    if least is not None:
        panel = panel.min(least)
    for name, colour in COLOURS.items():
        fixed = model.FieldColor(mode=model.FieldColorModeId.FIXED, fixed_color=colour)
        panel = panel.override_by_name(name, [model.DynamicConfigValue("color", fixed)])
    return panel


def rows(
    titles: tuple[str, str],
    description: str,
    query: Query,
    *,
    units: Mapping[str, str] | None = None,
    links: Mapping[str, str] | None = None,
) -> table.Panel:
    """A table; `units` and `links` are by column. A severity is coloured as everywhere."""
    panel = _common(table.Panel(), titles, description, "none", [query]).show_header(True)
    for column, unit in (units or {}).items():
        panel = panel.override_by_name(column, [model.DynamicConfigValue("unit", unit)])
    for column, url in (links or {}).items():
        link = {"title": column, "url": url, "targetBlank": False}
        panel = panel.override_by_name(column, [model.DynamicConfigValue("links", [link])])
    shades = {word: {"color": COLOURS[word], "index": place} for place, word in enumerate(SEVERITIES)}
    mapping = {"type": "value", "options": shades}
    cell = {"type": "color-text"}
    coloured = [model.DynamicConfigValue("mappings", [mapping]), model.DynamicConfigValue("custom.cellOptions", cell)]
    return panel.override_by_name("severity", coloured)


SEVERITIES = ("low", "medium", "high", "critical")


def spread(titles: tuple[str, str], description: str, unit: str, query: Query) -> heatmap.Panel:
    """A histogram over time; Cividis reads the same for every eye."""
    colour = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Cividis").steps(64)
    panel = _common(heatmap.Panel(), titles, description, unit, [query]).calculate(False).color(colour)
    return panel.y_axis(heatmap.YAxisConfig().unit(unit))

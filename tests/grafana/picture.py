"""Draws docs/dashboard.png and docs/report.png anew, from a replay of the sample: `python tests/grafana/picture.py`.

The dashboard is what its panels' queries give, at the places where Grafana puts them; Grafana is not needed for it. The
report is the top of the one that `--report` writes. Wants Debian's chromium and fonts-ipafont-gothic.
"""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from dashboards.asking import BOARDS, Span, expanded
from monitor.store import Store, open_store

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = "tests/lab/town.pcapng.xz"
BOARD = "monitor-incident"
WIDTH, ROW = 1280, 34
SEVERITIES = ("low", "medium", "high", "critical")
COLOURS = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7")
STYLE = """
body { margin: 0; background: #111217; color: #ccccdc; font: 12px "DejaVu Sans", IPAGothic, sans-serif; }
h1 { font-size: 16px; margin: 0; padding: 12px 12px 8px; font-weight: 500 }
section { position: absolute; box-sizing: border-box; background: #181b1f; border: 1px solid #2c3036; overflow: hidden }
h2 { font-size: 12px; margin: 0; padding: 7px 8px; font-weight: 500 }
table { border-collapse: collapse; white-space: nowrap; width: 100% }
th { text-align: left; color: #6e9fff; font-weight: 500 } th, td { padding: 3px 8px; border-bottom: 1px solid #2c3036 }
td { max-width: 30em; overflow: hidden; text-overflow: ellipsis }
.critical { color: #D55E00 } .high { color: #E69F00 } .medium { color: #F0E442 } .low { color: #56B4E9 }
"""
UNITS = {"bytes": (1024, ("B", "KiB", "MiB", "GiB")), "bps": (1000, ("b/s", "kb/s", "Mb/s", "Gb/s"))}


def shown(value: Any, unit: str) -> str:
    """A value in its unit, as Grafana words it."""
    if isinstance(value, datetime.datetime):
        return f"{value:%m-%d %H:%M:%S}"
    if not isinstance(value, int | float):
        return str(value)
    if unit in UNITS:
        base, names = UNITS[unit]
        step = 0
        while abs(value) >= base and step < len(names) - 1:
            value, step = value / base, step + 1
        return f"{value:.3g} {names[step]}"
    if unit == "sci":
        return f"{value:.1e}"
    return f"{value:.3g} s" if unit == "s" else f"{value:.4g}" if isinstance(value, float) else str(value)


def clock(seconds: int) -> str:
    """Time of day of an axis."""
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%H:%M:%S}"


def table(rows: Sequence[dict[str, Any]], panel: dict[str, Any]) -> str:
    """A table panel."""
    units = {
        override["matcher"]["options"]: item["value"]
        for override in panel["fieldConfig"]["overrides"]
        for item in override["properties"]
        if item["id"] == "unit"
    }
    wanted = [name for name in rows[0] if any(row[name] not in ("", None) for row in rows)]
    lines = ["".join(f"<th>{escape(name)}</th>" for name in wanted)]
    for row in rows:
        cells = (escape(shown(row[name], units.get(name, ""))) for name in wanted)
        lines.append("".join(f'<td class="{cell if cell in SEVERITIES else ""}">{cell}</td>' for cell in cells))
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def curves(rows: Sequence[dict[str, Any]], panel: dict[str, Any], width: int, height: int) -> str:
    """A time series panel."""
    times = [int(row["time"]) for row in rows]
    names = [name for name in rows[0] if name != "time"]
    top = max(float(row[name]) for row in rows for name in names) or 1.0
    unit = panel["fieldConfig"]["defaults"]["unit"]
    left, right, bottom, above = 70, width - 12, height - 76, 8
    wide = max(times[-1] - times[0], 1)
    parts = [
        f'<text x="4" y="{above + 6}">{shown(top, unit)}</text><text x="4" y="{bottom}">0</text>'
        f'<path d="M{left} {above}H{right}M{left} {bottom}H{right}" stroke="#2c3036"/>'
    ]
    for place, name in enumerate(names):
        across = [left + (at - times[0]) / wide * (right - left) for at in times]
        down = [bottom - float(row[name]) / top * (bottom - above) for row in rows]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, down, strict=True))
        colour = COLOURS[place % len(COLOURS)]
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts.append(f'<text x="{left + place * 90}" y="{bottom + 34}" fill="{colour}">— {escape(name)}</text>')
    for at, anchor in ((0, "start"), (-1, "end")):
        x = left if at == 0 else right
        parts.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="{anchor}">{clock(times[at])}</text>')
    return f'<svg width="{width}" height="{height - 28}" fill="#ccccdc" font-size="11">{"".join(parts)}</svg>'


def page(store: Store, incident: dict[str, Any]) -> tuple[str, int]:
    """The dashboard as HTML, and its height."""
    values = {"run": "sample", "incident": incident["incident_id"], "host": incident["host"], "sensor": "$__all"}
    parts, end = [], 0
    for panel in BOARDS[BOARD]["panels"]:
        x, y, w, h = (panel["gridPos"][name] for name in "xywh")
        rows = store.query(expanded(panel["targets"][0]["rawSql"], Span(0, 1 << 32), values)).to_pylist()
        wide, high = w * (WIDTH - 16) // 24 - 8, h * ROW - 8
        inside = curves(rows, panel, wide, high) if panel["type"] == "timeseries" else table(rows, panel)
        at = f"left:{x * (WIDTH - 16) // 24 + 12}px;top:{y * ROW + 40}px;width:{wide}px;height:{high}px"
        parts.append(f'<section style="{at}"><h2>{escape(panel["title"])}</h2>{inside}</section>')
        end = max(end, y * ROW + 40 + high)
    return f"<!doctype html><style>{STYLE}</style><h1>{escape(BOARDS[BOARD]['title'])}</h1>{''.join(parts)}", end + 12


def main() -> None:
    """Replay the sample and write both pictures."""
    with tempfile.TemporaryDirectory() as folder:
        place, report, drawn = f"chdb://{folder}/store", Path(folder, "report.html"), Path(folder, "board.html")
        command = [sys.executable, "-m", "monitor", "replay", SAMPLE, "--store", place, "--run-id", "sample"]
        command += ["--format", "json", "--report", report]
        done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True, check=True)
        incident = json.loads(done.stdout.splitlines()[0])
        with open_store(place, create=False) as store:
            text, height = page(store, incident)
        drawn.write_text(text, "utf-8")
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            for source, name, high in ((drawn, "dashboard", height), (report, "report", 1100)):
                tab = chromium.new_page(viewport={"width": WIDTH, "height": high})
                tab.goto(source.as_uri())
                tab.screenshot(path=ROOT / "docs" / f"{name}.png")
            chromium.close()


if __name__ == "__main__":
    main()

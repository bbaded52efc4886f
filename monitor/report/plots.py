"""Plots as inline SVG: traffic over time, beats of a beacon, the matrix of a scan, a value against its usual range.

Only numbers and texts of ours come in here; what is from the wire is escaped all the same. Colours are classes of the
page's style, so that they follow the reader's light or dark scheme.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median

from markupsafe import Markup, escape

from monitor.report.facts import Evidence, Series
from monitor.report.terminal import byte_count

WIDE, WIDTH, LEFT, RIGHT = 860, 420, 56, 8
"""Units of a plot over the whole page, of one within an incident, and of their margins."""
_SEVERITIES = ("critical", "high", "medium", "low")
_MOST_CELLS = 64


def _svg(height: int, title: str, parts: Sequence[Markup], width: int = WIDTH) -> Markup:
    return Markup('<svg viewBox="0 0 {} {}" role="{}" aria-label="{}">{}</svg>').format(
        width, height, "group" if width == WIDE else "img", title, Markup("").join(parts)
    )


def _text(x: float, y: float, what: object, anchor: str = "start") -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(x, y, anchor, escape(what))


def _bars(values: Sequence[float], top: float, base: float, most: float, kind: str, wide: int = WIDTH) -> Markup:
    """Bars over the width as one path, by the root of the value; they stand on `base`, the most comes to `top`."""
    width = (wide - LEFT - RIGHT) / max(len(values), 1)
    path = "".join(
        f"M{LEFT + n * width:.1f} {base:.1f}v{(top - base) * math.sqrt(value / most):.1f}"
        f"h{max(width - 0.8, 0.4):.1f}V{base:.1f}z"
        for n, value in enumerate(values)
        if value > 0
    )
    return Markup('<path class="{}" d="{}"/>').format(kind, path)


def _clock(micros: float, step: float) -> str:
    moment = datetime.fromtimestamp(micros / 1e6, UTC)
    return moment.strftime("%m-%d %H:%M" if step * 120 > 86_400e6 else "%H:%M:%S" if step < 5e6 else "%H:%M")


def _time_axis(series: Series, y: float, wide: int = WIDTH, parts: int = 2) -> list[Markup]:
    span = series.step * max(len(series.sent), 1)
    ends = {0: "start", parts: "end"}
    return [
        _text(
            LEFT + (wide - LEFT - RIGHT) * part / parts,
            y,
            _clock(series.start + span * part / parts, series.step),
            ends.get(part, "middle"),
        )
        for part in range(parts + 1)
    ]


def timeline(series: Series, evidence: Sequence[Evidence], words: dict[str, str]) -> Markup:
    """Traffic out (up) and in (down) with a bar for each incident below, in rows that do not overlap."""
    most = max((*series.sent, *series.received, 1.0))
    parts = [
        _bars(series.sent, 12, 82, most, "sent", WIDE),
        _bars(series.received, 152, 82, most, "received", WIDE),
        Markup('<path class="axis" d="M{} 82H{}"/>').format(LEFT, WIDE - RIGHT),
        _text(LEFT - 6, 20, byte_count(most), "end"), _text(LEFT - 6, 86, "0", "end"),
        _text(LEFT - 6, 150, byte_count(most), "end"),
        _text(LEFT + 4, 10, words["sent"]), _text(LEFT + 4, 162, words["received"]),
    ]  # fmt: skip
    span = series.step * max(len(series.sent), 1)
    rows: list[float] = []
    for number, one in enumerate(evidence, 1):
        begin, end = (
            _place(_micros(one.incident[name]), series.start, span, WIDE) for name in ("first_seen", "last_seen")
        )
        end = max(end, begin + 4)
        row = next((row for row, used in enumerate(rows) if used < begin - 22), len(rows))
        if row == len(rows):
            rows.append(0.0)
        rows[row] = end
        y = 172 + row * 13
        parts.append(
            Markup(
                '<a href="#i{}"><rect class="{}" x="{:.1f}" y="{}" width="{:.1f}" height="9" rx="2">'
                "<title>{}</title></rect>"
                '<text x="{:.1f}" y="{}" text-anchor="end">{}</text></a>'
            ).format(
                one.incident["incident_id"], one.incident["severity"], begin, y, end - begin,
                f"{number} {one.title} {one.incident['host']}", begin - 3, y + 8, number,
            )
        )  # fmt: skip
    height = 172 + len(rows) * 13
    return _svg(height + 16, words["timeline"], [*parts, *_time_axis(series, height + 12, WIDE, 4)], WIDE)


def _place(micros: float, start: float, span: float, wide: int = WIDTH) -> float:
    share = min(max((micros - start) / span, 0.0), 1.0) if span else 0.0
    return LEFT + (wide - LEFT - RIGHT) * share


def _micros(time: datetime) -> float:
    return time.timestamp() * 1e6


def upload(one: Evidence, words: dict[str, str]) -> Markup:
    """What the host sent in all the time of the report; the incident's own time is shaded."""
    series = one.upload
    if series is None or not any(series.sent):
        return Markup("")
    most, span = max(series.sent), series.step * len(series.sent)
    begin, end = (_place(_micros(one.incident[name]), series.start, span) for name in ("first_seen", "last_seen"))
    parts = [
        Markup('<rect class="shade" x="{:.1f}" y="6" width="{:.1f}" height="58"/>').format(begin, max(end - begin, 2)),
        _bars(series.sent, 8, 64, most, "sent"),
        Markup('<path class="axis" d="M{} 64H{}"/>').format(LEFT, WIDTH - RIGHT),
        _text(LEFT - 6, 16, byte_count(most), "end"), _text(LEFT - 6, 67, "0", "end"), *_time_axis(series, 78),
    ]  # fmt: skip
    return _svg(82, words["upload"], parts)


def _dots(points: Sequence[tuple[float, float]], most: float, unit: str, title: str) -> Markup:
    """Points of (share of the width, value), from zero up to `most`, with a line at the median."""
    middle = median(value for _, value in points)
    line = 64 - 54 * middle / most
    parts = [Markup('<path class="axis" d="M{} 64H{}"/>').format(LEFT, WIDTH - RIGHT)]
    parts.append(Markup('<path class="middle" d="M{} {:.1f}H{}"/>').format(LEFT, line, WIDTH - RIGHT))
    width = WIDTH - LEFT - RIGHT - 8
    path = "".join(f"M{LEFT + 4 + share * width:.1f} {64 - 54 * value / most:.1f}h0" for share, value in points)
    parts.append(Markup('<path class="dots" d="{}"/>').format(path))
    said = byte_count(middle) if unit == "B" else f"{middle:,.3g} {unit}"
    top = byte_count(most) if unit == "B" else f"{most:,.3g} {unit}"
    parts += [_text(LEFT - 6, 14, top, "end"), _text(LEFT - 6, 67, "0", "end")]
    if 20 < line < 58:
        parts.append(_text(LEFT - 6, line + 3, said, "end"))
    return _svg(70, title, parts)


def intervals(one: Evidence, words: dict[str, str]) -> Markup:
    """Time between successive calls: a beacon's lie on one line."""
    times = [at for at, _ in one.calls]
    gaps = [(after - before) / 1e6 for before, after in pairwise(times)]
    if len(gaps) < 4 or max(gaps) <= 0:
        return Markup("")
    span = max(times[-1] - times[0], 1)
    most = min(max(gaps), 4 * median(gaps) or max(gaps))
    points = [((at - times[0]) / span, min(gap, most)) for at, gap in zip(times[1:], gaps, strict=True)]
    return _dots(points, most, "s", words["intervals"])


def sizes(one: Evidence, words: dict[str, str]) -> Markup:
    """Bytes sent in each call."""
    if len(one.calls) < 5 or not any(size for _, size in one.calls):
        return Markup("")
    first, last = one.calls[0][0], one.calls[-1][0]
    span = max(last - first, 1)
    points = [((at - first) / span, size) for at, size in one.calls]
    return _dots(points, max(size for _, size in points), "B", words["sizes"])


def matrix(one: Evidence, words: dict[str, str]) -> Markup:
    """Targets by ports of a scan: a cell a pair that was tried, full where it answered; many are drawn together."""
    if not one.attempts:
        return Markup("")
    targets = sorted({target for target, _, _ in one.attempts}, key=lambda text: (len(text), text))
    ports = sorted({port for _, port, _ in one.attempts})
    across = len(ports) >= len(targets)
    wide, tall = (ports, targets) if across else (targets, ports)
    columns, rows = min(len(wide), _MOST_CELLS), min(len(tall), 24)
    column = {value: n * columns // len(wide) for n, value in enumerate(wide)}
    row = {value: n * rows // len(tall) for n, value in enumerate(tall)}
    tried: dict[tuple[int, int], bool] = {}
    for target, port, answered in one.attempts:
        x, y = (column[port], row[target]) if across else (column[target], row[port])
        tried[x, y] = tried.get((x, y), False) or answered
    width = (WIDTH - LEFT - RIGHT) / columns
    high = max(min(width, 12.0), 6.0)
    wide_cell = max(width - 1, 0.8)
    paths = {
        answered: "".join(
            f"M{LEFT + x * width:.1f} {6 + y * high:.1f}h{wide_cell:.1f}v{high - 1:.1f}h{-wide_cell:.1f}z"
            for (x, y), one_answered in sorted(tried.items())
            if one_answered is answered
        )
        for answered in (False, True)
    }
    base = 6 + rows * high
    ends = [str(wide[0]), str(wide[-1])] if len(wide) > 1 else [str(wide[0]), ""]
    parts = [
        Markup('<path class="tried" d="{}"/><path class="answered" d="{}"/>').format(paths[False], paths[True]),
        _text(LEFT, base + 13, ends[0]), _text(WIDTH - RIGHT, base + 13, ends[1], "end"),
        _text(WIDTH / 2, base + 13, words["ports" if across else "targets"], "middle"),
        _text(LEFT - 6, 14, f"{len(tall):,}", "end"),
        _text(LEFT - 6, 26, words["targets" if across else "ports"], "end"),
    ]  # fmt: skip
    return _svg(round(base + 18), words["matrix"], parts)


_AMOUNT = r"(?P<{0}>[\d.,]+)\s?(?P<{0}_unit>[a-zA-Zµ%][\w/%µ]*)?"
_RANGE = re.compile(
    rf"^\D*?{_AMOUNT.format('value')}[^;]*; usual for [^;]*? is {_AMOUNT.format('low')}"
    rf"(?:–{_AMOUNT.format('high')})?$"
)
_SCALES = {
    "B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0,
    "d": 86_400.0,
}  # fmt: skip


def gauge(reason: str) -> Markup:
    """A reason's value against the usual range, on a logarithmic scale; nothing where the sentence has no range."""
    found = _RANGE.match(reason)
    if not found:
        return Markup("")
    last = "high" if found["high"] else "low"
    value, high = (_amount(found[name], found[f"{name}_unit"]) for name in ("value", last))
    low = _amount(found["low"], found["low_unit"] or found[f"{last}_unit"])
    ends = [_log(amount) for amount in (value, low, high)]
    start, stop = min(ends), max(max(ends), min(ends) + 0.1)
    reach = (stop - start) * 0.08
    x = [8 + 184 * (end - start + reach) / (stop - start + 2 * reach) for end in ends]
    return Markup(
        '<svg class="gauge" viewBox="0 0 200 16" aria-hidden="true"><path class="axis" d="M4 8H196"/>'
        '<rect class="range" x="{:.1f}" y="4" width="{:.1f}" height="8" rx="3"/>'
        '<circle class="value" cx="{:.1f}" cy="8" r="5"/></svg>'
    ).format(x[1] - 2, max(x[2] - x[1] + 4, 4), x[0])


def _amount(number: str, unit: str | None) -> float:
    word = (unit or "").removesuffix("/s")
    return float(number.replace(",", "").rstrip(".") or 0) * _SCALES.get(word, 1.0)


def _log(value: float) -> float:
    return math.log10(1 + value * 1000)

"""Numbers as people read them: 48 MB, 0.4–210 kB, 3.2 min, 93 %, never answered.

Knows units only; which feature has which unit, and in which sentence it stands, is in `features`.
"""

from __future__ import annotations

from typing import Literal

Unit = Literal[
    "byte", "byte/s", "s", "packet", "packet/s", "share", "bit/byte", "count", "outcome", "port", "fit", "transport"
]
"""What a number counts; the last four number the words of `WORDS`."""

OUTCOMES: dict[str, tuple[int, str]] = {
    "SF": (0, "closed normally"),
    "S1": (1, "still open"),
    "OTH": (2, "seen from the middle"),
    "S2": (3, "closed by one side"),
    "S3": (3, "closed by one side"),
    "RSTO": (4, "reset by the initiator"),
    "RSTR": (5, "reset by the responder"),
    "SH": (6, "half seen"),
    "SHR": (6, "half seen"),
    "RSTOS0": (7, "reset before an answer"),
    "RSTRH": (7, "reset before an answer"),
    "REJ": (8, "refused"),
    "S0": (9, "never answered"),
}
"""Zeek's connection states in order of oddness; states of one rank read alike."""

WORDS: dict[str, tuple[str, ...]] = {
    "outcome": tuple(dict(OUTCOMES.values())[rank] for rank in range(10)),
    "port": ("well-known port (below 1024)", "registered port (1024–49151)", "dynamic port (49152 and up)"),
    "fit": ("its own port", "the port of another service"),
    "transport": ("TCP", "UDP", "ICMP", "another transport"),
}
"""Words for the ranks of an ordered category."""

_BYTES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))
_SECONDS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))

_LADDERS: dict[str, tuple[tuple[float, str], ...]] = {
    "byte": _BYTES,
    "byte/s": tuple((scale, f"{name}/s") for scale, name in _BYTES),
    "s": _SECONDS,
    "packet": ((1.0, "packets"),),
    "packet/s": ((1.0, "packets/s"),),
    "share": ((0.01, "%"),),
    "bit/byte": ((1.0, "bit/byte"),),
    "count": ((1.0, ""),),
}


def quantity(value: float, unit: Unit) -> str:
    """One number with the unit that suits its size, three significant digits: `quantity(48e6, "byte")` is "48 MB"."""
    if unit in WORDS:
        return _word(value, unit)
    scale, name = _step(value, unit)
    if unit == "packet" and _digits(value / scale) == "1":
        name = "packet"
    return f"{_digits(value / scale)} {name}".rstrip()


def usual(low: float, high: float, unit: Unit) -> str:
    """A range in one unit where both ends stay readable in it: "0.4–210 kB", else "12 B–3 MB"; equal ends: one."""
    if unit in WORDS:
        first, last = _word(low, unit), _word(high, unit)
        return first if first == last else f"{first} to {last}"
    scale, name = _step(high, unit)
    ends = _digits(low / scale), _digits(high / scale)
    if quantity(low, unit) == quantity(high, unit):
        return quantity(high, unit)
    if low > 0 and low / scale < 0.01:
        return f"{quantity(low, unit)}–{quantity(high, unit)}"
    return f"{ends[0]}–{ends[1]} {name}".rstrip()


def _step(value: float, unit: Unit) -> tuple[float, str]:
    """The largest step of the unit's ladder that leaves at least 1 before it; zero takes seconds or the smallest."""
    ladder = _LADDERS[unit]
    if value <= 0 and unit == "s":
        return 1.0, "s"
    for scale, name in ladder:
        if value >= scale * 0.9995:
            return scale, name
    return ladder[-1]


def _digits(value: float) -> str:
    """Three significant digits without trailing zeros; whole numbers with thousands separators from 1,000 on."""
    if abs(value) >= 999.5:
        return f"{value:,.0f}"
    text = f"{value:.3g}"
    return f"{float(text):.6f}".rstrip("0").rstrip(".") if "e" in text else text


def _word(value: float, unit: Unit) -> str:
    words = WORDS[unit]
    return words[min(max(round(value), 0), len(words) - 1)]

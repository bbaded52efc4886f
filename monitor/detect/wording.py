"""Turns a hunt's reason templates and a row's values into sentences: "tried 1,000 ports of 10.0.0.9 in 23 s", and back.

Templates are written in the hunts; a field is `{name:kind}`, kinds are the keys of `KINDS`; `{name:count host}` counts
hosts and minds the plural. No locale, no wall clock: the same row gives the same bytes everywhere.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from monitor.addresses import address_text

_DURATIONS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"))
_SIZES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))


def _scaled(value: float, units: tuple[tuple[float, str], ...]) -> str:
    """Three significant digits in the largest unit that leaves at least one before the point."""
    size, unit = next((entry for entry in units if abs(value) >= entry[0]), units[-1])
    scaled = value / size
    digits = 0 if scaled >= 99.95 or unit == "B" else 1
    text = f"{scaled:.{digits}f}"
    return f"{text.removesuffix('.0')} {unit}"


def _percent(value: float) -> str:
    """Whole percent, but nothing short of all is called 100 %, and nothing above none 0 %."""
    digits = 1 if 0.994 < value < 1 or 0 < value < 0.006 else 0
    text = f"{100 * value:.{digits}f} %"
    return {"100.0 %": "> 99.9 %", "0.0 %": "< 0.1 %"}.get(text, text)


def _words(value: Any) -> str:
    return ", ".join(str(entry) for entry in value)


KINDS: dict[str, Callable[[Any], str]] = {
    "": str,
    "count": lambda value: f"{value:,}",
    "percent": _percent,
    "duration": lambda value: _scaled(float(value), _DURATIONS),
    "bytes": lambda value: _scaled(float(value), _SIZES),
    "address": lambda value: address_text(value) if isinstance(value, bytes) else str(value),
    "words": _words,
    "ratio": lambda value: f"{value:.2f}",
}
"""How a value is written, by the word after the colon."""

_WRITTEN = {
    "count": r"-?[\d,.]+",
    "percent": r"(?:[<>] )?-?[\d.]+ %",
    "duration": rf"-?[\d.]+ (?:{'|'.join(unit for _, unit in _DURATIONS)})",
    "bytes": rf"-?[\d.]+ (?:{'|'.join(unit for _, unit in _SIZES)})",
    "address": r"\S+",
    "ratio": r"-?[\d.]+",
}
"""What the values of a kind look like; of the others, any text."""
_ADDRESSES = ("host", "peer")


def fields_of(template: str) -> Iterator[tuple[str, str]]:
    """Name and kind of each field. Raises ValueError on a broken template or an unknown kind."""
    for _, name, kind, conversion in string.Formatter().parse(template):
        if name is None:
            continue
        if conversion or not name.isidentifier():
            raise ValueError(f"field {{{name}}} is not {{column:kind}}")
        if (kind or "").partition(" ")[0] not in KINDS:
            known = ", ".join(sorted(filter(None, KINDS)))
            raise ValueError(f"field {{{name}:{kind}}} has an unknown kind; known: {known}")
        yield name, kind or ""


def sentence(template: str, row: Mapping[str, Any]) -> str:
    """The template with the row's values in place. Raises KeyError when the row lacks one."""
    out = []
    for literal, name, kind, _ in string.Formatter().parse(template):
        out.append(literal)
        if name is not None:
            out.append(_written(row[name], kind or ""))
    return "".join(out)


def _written(value: Any, kind: str) -> str:
    """The value in its kind's form, with the noun that it counts."""
    form, _, noun = kind.partition(" ")
    text = KINDS[form](value)
    return f"{text} {noun}{'' if value == 1 else 's'}" if noun else text


def sentences_of(template: str) -> re.Pattern[str]:
    """What fully matches every sentence of the template, and none of another wording; a group a field."""
    out: list[str] = []
    known: set[str] = set()
    for literal, name, kind, _ in string.Formatter().parse(template):
        out.append(re.escape(literal))
        if name in known:
            out.append(f"(?P={name})")
        elif name is not None:
            known.add(name)
            form, _, noun = (kind or "").partition(" ")
            text = _WRITTEN.get("address" if name in _ADDRESSES else form, ".*")
            out.append(f"(?P<{name}>{text})" + (f" {re.escape(noun)}s?" if noun else ""))
    return re.compile("".join(out), re.DOTALL)


def literal_of(template: str) -> int:
    """Characters of a template that are no value: of two that fit a sentence, the one with more says more of it."""
    return sum(len(literal) for literal, *_ in string.Formatter().parse(template))


def with_kinds(japanese: str, template: str) -> str:
    """The Japanese sentence with each field's kind in the template."""
    kinds = dict(fields_of(template))
    return "".join(
        literal + (f"{{{name}:{kinds[name]}}}" if name is not None else "")
        for literal, name, _, _ in string.Formatter().parse(japanese)
    )

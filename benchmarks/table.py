"""A row of benchmarks/RESULTS.md, and how rows are shown on the terminal and written as Markdown."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement: a line of the table."""

    what: str
    measured: str
    bar: str = ""
    """What the issue asks for; empty: reported only."""
    met: bool | None = None
    command: str = ""


def against(
    what: str, value: float, bar: float, unit: str, *, command: str = "", most: bool = False, detail: str = ""
) -> Row:
    """A row of a number that must be at least `bar` (`most`: below it)."""
    met = operator.lt(value, bar) if most else operator.ge(value, bar)
    sign = "<" if most else "≥"
    measured = f"{_short(value)} {unit}" + (f" ({detail})" if detail else "")
    return Row(what, measured, f"{sign} {_short(bar)} {unit}", met, command)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def markdown(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| what | measured | to reach | met | command |", "|---|---|---|---|---|"]
    for row in rows:
        met = {None: "", True: "yes", False: "**no**"}[row.met]
        command = f"`{row.command}`" if row.command else ""
        cells = (row.what, row.measured, row.bar, met, command)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def show(rows: Iterable[Row]) -> None:
    """Print the rows for a reader at a terminal."""
    for row in rows:
        met = {None: "", True: "  met", False: "  NOT MET"}[row.met]
        print(f"{row.what}: {row.measured}" + (f"   [{row.bar}]{met}" if row.bar else ""))

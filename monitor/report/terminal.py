"""Tables for a terminal or a pipe: rows, facts, and what was seen in all. Incidents are drawn in `incident_list`.

Text goes through `printable` and never through markup; what is worth a row is decided by the caller.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import IO, Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from monitor.report.escape import printable
from monitor.report.summary import Summary

_NUMBER = re.compile(r"[\d,.]*(e[+-]\d+)?( ([kMGTP]?B|%))?|–|")
_BLANK_END = re.compile(r" +((?:\x1b\[[\d;]*m)*)$")
"""Blanks that end a line, before the codes that end its colour."""
WIDE = 100_000
"""Columns of what is no terminal and is not told how wide it is: lines are not broken, so that grep finds them."""


def show(file: IO[str] | None, *parts: RenderableType) -> None:
    """Print the parts below one another, without blanks at the ends of lines."""
    out = file or sys.stdout
    told = out.isatty() or "COLUMNS" in os.environ
    console = Console(file=out, highlight=False, markup=False, emoji=False, width=None if told else WIDE)
    with console.capture() as drawn:
        for part in parts:
            console.print(part)
    out.writelines(_BLANK_END.sub(r"\1", line) + "\n" for line in drawn.get().splitlines())


def text(value: object, style: str = "") -> Text:
    """The value, safe to show; too long a word is broken."""
    return Text(printable(str(value)), style=style, overflow="fold")


def draw_summary(
    summary: Summary, ignored: Mapping[str, int], dropped: Mapping[str, int], file: IO[str] | None = None
) -> None:
    """Services by flows, hosts by bytes, and what packets were left out and why."""
    services = [
        (row["service"] or "unknown", f"{row['flows']:,}", byte_count(row["bytes"])) for row in summary.services
    ]
    _print_table(file, "Services", ("service", "flows", "bytes"), services)
    hosts = [
        (row["host"], f"{row['flows']:,}", byte_count(row["sent"]), byte_count(row["received"]))
        for row in summary.hosts
    ]
    _print_table(file, "Busiest hosts", ("host", "flows", "sent", "received"), hosts)
    left_out = [
        (what, reason, f"{count:,}")
        for what, counts in (("ignored", ignored), ("dropped", dropped))
        for reason, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        if count
    ]
    _print_table(file, "Packets left out", ("what", "reason", "packets"), left_out)


def draw_rows(
    title: str,
    rows: Sequence[Mapping[str, Any]],
    file: IO[str] | None = None,
    *,
    otherwise: str = "",
    shares: Sequence[str] = (),
) -> None:
    """A table of rows that have the same keys, those in `shares` as percent; without rows what is said `otherwise`."""
    if not rows:
        if otherwise:
            show(file, otherwise)
        return
    cells = [tuple(_share(value) if name in shares else _cell(value) for name, value in row.items()) for row in rows]
    _print_table(file, title, tuple(name.replace("_", " ") for name in rows[0]), cells)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def draw_facts(facts: Mapping[str, Any], file: IO[str] | None = None) -> None:
    """Names and values, a line a value; of a list, a line an entry."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        lines = value if isinstance(value, list | tuple) else [value]
        table.add_row(text(name), Text("\n").join(text(_cell(line)) for line in lines))
    show(file, table)


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_cell(entry)}" for name, entry in value.items())
    return ", ".join(map(_cell, value)) if isinstance(value, list | tuple) else "" if value is None else str(value)


def _print_table(file: IO[str] | None, title: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if not rows:
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for position, name in enumerate(names):
        numeric = all(_NUMBER.fullmatch(row[position]) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(text(cell) for cell in row))
    show(file, "", text(title, "bold"), table)


def byte_count(count: float) -> str:
    """`48.2 MB`: three digits and a decimal unit."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.95 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.0f} PB"

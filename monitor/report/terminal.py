"""Tables for a terminal or a pipe: incidents by severity with their reasons, and what was seen in all.

Text goes through `printable` and never through markup; what is worth a row is decided by the caller.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import IO, Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from monitor.report.escape import printable
from monitor.report.summary import Summary

_SEVERITIES = ("critical", "high", "medium", "low")
_STYLES = {"critical": "bold white on red", "high": "bold red", "medium": "yellow", "low": "cyan"}


def _show(file: IO[str] | None, *parts: RenderableType) -> None:
    """Print the parts below one another, without blanks at the ends of lines."""
    out = file or sys.stdout
    console = Console(file=out, highlight=False, markup=False, emoji=False)
    with console.capture() as drawn:
        for part in parts:
            console.print(part)
    out.writelines(f"{line.rstrip()}\n" for line in drawn.get().splitlines())


def _text(value: object, style: str = "") -> Text:
    return Text(printable(str(value)), style=style, overflow="fold")


def draw_incidents(incidents: Sequence[Mapping[str, Any]], file: IO[str] | None = None) -> None:
    """Table of incidents (fields of `--format json`), the most severe first, then by time."""
    if not incidents:
        _show(file, "No incidents.")
        return
    counts = {severity: sum(row["severity"] == severity for row in incidents) for severity in _SEVERITIES}
    said = ", ".join(f"{count} {severity}" for severity, count in counts.items() if count)
    head = _text(f"{len(incidents)} incident{'' if len(incidents) == 1 else 's'}: {said}", "bold")
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for row in sorted(incidents, key=_by_severity):
        table.add_row("", "")
        table.add_row(_text(row["severity"], _STYLES.get(row["severity"], "")), _incident(row))
    _show(file, head, table)


def _by_severity(row: Mapping[str, Any]) -> tuple[int, str, str]:
    return _SEVERITIES.index(row["severity"]), str(row["first_seen"]), str(row["incident_id"])


def _incident(row: Mapping[str, Any]) -> Group:
    """Detector, host and peer in a line; when, how much and how to find it again in one; then a line a reason."""
    head = _text(row["detector"], "bold").append("  ").append_text(_text(row["host"], "bold"))
    if row.get("peer"):
        head.append(" → ").append_text(_text(row["peer"]))
    facts = [_span(row["first_seen"], row["last_seen"]), _flows(row["flows"])]
    if row.get("p_value") is not None:
        facts.append(f"p {row['p_value']:.1e}")
    facts += [*(row.get("attack") or ()), row["incident_id"]]
    reasons = Table.grid(padding=(0, 1, 0, 0))
    for reason in row.get("reasons") or ():
        reasons.add_row("•", _text(reason))
    return Group(head, _text(" · ".join(map(str, facts)), "dim"), reasons)


def _flows(count: int) -> str:
    return f"{count:,} flow{'' if count == 1 else 's'}"


def _span(first: Any, last: Any) -> str:
    """`2026-11-02 10:00:00–10:04:10` (UTC), the day of the end only when it is another."""
    if not (isinstance(first, datetime) and isinstance(last, datetime)):
        return f"{first}–{last}"
    day = "" if first.date() == last.date() else f"{last:%Y-%m-%d} "
    return f"{first:%Y-%m-%d %H:%M:%S}–{day}{last:%H:%M:%S}"


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


def draw_rows(title: str, rows: Sequence[Mapping[str, Any]], file: IO[str] | None = None) -> None:
    """A table of rows that have the same keys; nothing at all without rows."""
    if rows:
        cells = [tuple(_cell(value) for value in row.values()) for row in rows]
        _print_table(file, title, tuple(rows[0]), cells)


def draw_facts(facts: Mapping[str, Any], file: IO[str] | None = None) -> None:
    """Names and values, a line a value; of a list, a line an entry."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        lines = value if isinstance(value, list | tuple) else [value]
        table.add_row(_text(name), Text("\n").join(_text(_cell(line)) for line in lines))
    _show(file, table)


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
        numeric = all(row[position][:1].isdigit() and not _is_address(row[position]) for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_text(cell) for cell in row))
    _show(file, "", _text(title, "bold"), table)


def _is_address(cell: str) -> bool:
    return ":" in cell or cell.count(".") > 1


def byte_count(count: float) -> str:
    """`48.2 MB`: three digits and a decimal unit."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.95 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.0f} PB"

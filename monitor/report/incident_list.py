"""Incidents on the terminal: in full by story and severity, a line each, or event by event.

Text goes through `printable` and never through markup. One incident with all that is known of it is in `dossier`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import IO, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from monitor.report.escape import printable
from monitor.report.terminal import show, text

SEVERITIES = ("critical", "high", "medium", "low")
STYLES = {"critical": "bold white on red", "high": "bold red", "medium": "yellow", "low": "cyan"}
WAITING = "waiting"
ARROW = " → "
LONGEST_NAME = 48

Row = Mapping[str, Any]


def draw_incidents(incidents: Sequence[Row], file: IO[str] | None = None, *, budget: str = "") -> None:
    """Incidents (fields of `--format json`): stories first, then the most severe; those that wait have a line each."""
    if not incidents:
        show(file, "No incidents.")
        return
    told = [row for row in incidents if row.get("state") != WAITING]
    waiting = [row for row in incidents if row.get("state") == WAITING]
    parts: list[RenderableType] = [headline(told)] if told or not waiting else []
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for story in in_stories(told):
        if len(story) > 1:
            table.add_row("", "")
            table.add_row(text("story", "bold magenta"), _story_line(story))
        for row in story:
            table.add_row("", "")
            table.add_row(severity_text(row["severity"]), _incident(row))
    show(file, *parts, table)
    if waiting:
        over = f"over the alert budget{f' of {budget} a day' if budget else ''}"
        said = f"{_count(len(waiting), 'incident')} wait{'s' if len(waiting) == 1 else ''}, {over}"
        show(file, *([""] if told else []), text(said, "bold"))
        draw_brief(waiting, file)


def headline(rows: Sequence[Row]) -> Text:
    """`7 incidents: 1 critical, 6 high`."""
    counts = {severity: sum(row["severity"] == severity for row in rows) for severity in SEVERITIES}
    said = ", ".join(f"{count} {severity}" for severity, count in counts.items() if count)
    return text(_count(len(rows), "incident") + (f": {said}" if said else ""), "bold")


def in_stories(rows: Iterable[Row]) -> list[list[Row]]:
    """The incidents of a story together in order of time, and each other one by itself; the most severe first."""
    stories: dict[object, list[Row]] = {}
    for number, row in enumerate(sorted(rows, key=_by_time)):
        stories.setdefault((row["story"], row.get("run_id")) if row.get("story") else number, []).append(row)
    return sorted(
        stories.values(), key=lambda story: (min(_rank(row) for row in story), -len(story), _by_time(story[0]))
    )


def _rank(row: Row) -> int:
    return SEVERITIES.index(row["severity"])


def _by_time(row: Row) -> tuple[str, str]:
    return str(row["first_seen"]), str(row["incident_id"])


def _story_line(story: Sequence[Row]) -> Text:
    """Whose story it is, and its stages in order."""
    addresses = [address for row in story for address in dict.fromkeys((row["host"], row["peer"]))]
    whose = max(dict.fromkeys(addresses), key=addresses.count)
    stages = dict.fromkeys(str(row.get("stage") or row["detector"]) for row in story)
    return Text.assemble(text(whose, "bold"), ": ", text(ARROW.join(stages)))


def _incident(row: Row) -> Group:
    """Title; detector, host and peer; when, how much and how to find it again; then a line a reason."""
    facts = [span(row["first_seen"], row["last_seen"]), _count(row["flows"], "flow")]
    if row.get("p_value") is not None:
        facts.append(f"p {row['p_value']:.1e}")
    facts.append(row["incident_id"])
    if row.get("state") not in (None, "", "open"):
        facts.append(f"{row['state']}{' by ' + row['suppression'] if row.get('suppression') else ''}")
    facts += row.get("attack") or ()
    reasons = Table.grid(padding=(0, 1, 0, 0))
    for reason in row.get("reasons") or ():
        reasons.add_row("•", text(reason))
    return Group(text(title(row["detector"]), "bold"), ends(row), text(" · ".join(map(str, facts)), "dim"), reasons)


def ends(row: Row) -> Text:
    """`beacon  10.0.0.5 → 203.0.113.9 (update.example)`."""
    line = text(row["detector"]).append("  ").append_text(text(row["host"], "bold"))
    if row.get("peer"):
        line.append(ARROW).append_text(text(row["peer"]))
    names = [name for name in row.get("names") or () if name not in (row["host"], row.get("peer"))]
    if names:
        more = f", and {len(names) - 1} more" if len(names) > 1 else ""
        line.append_text(text(f" ({short_name(names[0])}{more})"))
    return line


def short_name(name: str) -> str:
    """The end of a long name, which tells whose it is."""
    shown = printable(name)
    return shown if len(shown) <= LONGEST_NAME else f"…{shown[1 - LONGEST_NAME :]}"


def draw_brief(incidents: Sequence[Row], file: IO[str] | None = None) -> None:
    """A line an incident, cut where the line ends; in the order given."""
    for row in incidents:
        when = f"{row['first_seen']:%Y-%m-%d %H:%M}" if isinstance(row["first_seen"], datetime) else row["first_seen"]
        show(file, _line(row, _padded(row["severity"]), text(f"{str(row['incident_id'])[:8]}  {when}", "dim")))


def draw_news(events: Sequence[Row], file: IO[str] | None = None) -> None:
    """A line an event of the incident log, cut where the line ends."""
    for event in events:
        when = text(f"{event['recorded']:%H:%M:%S}  {str(event['incident_id'])[:8]}", "dim")
        what = "waits" if event["state"] == WAITING else event["event"]
        show(file, _line(event, when, Text.assemble("  ", text(f"{what:<9}"), _padded(event["severity"]))))


def _line(row: Row, *before: Text) -> Group:
    """What stands before, who and with whom, and the first reason."""
    reasons = row.get("reasons") or ("",)
    line = Text.assemble(*before, "  ", ends(row), "  ", text(reasons[0], "dim"), no_wrap=True, overflow="ellipsis")
    return Group(line)  # by itself rich would join it with others, and break it


def _padded(severity: str) -> Text:
    return Text.assemble(severity_text(severity), " " * (10 - len(severity)))


def severity_text(severity: str) -> Text:
    """The word in its colour."""
    return text(severity, STYLES.get(severity, ""))


@cache
def titles() -> Mapping[str, tuple[str, str]]:
    """English and Japanese title of each detector."""
    from monitor.detect import detector_titles

    return detector_titles()


def title(detector: str) -> str:
    """What a detector finds, in the language of the terminal where that is Japanese, else in English."""
    english, japanese = titles().get(detector, (detector, detector))
    words = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return japanese if next(filter(None, words), "").startswith("ja") else english


def span(first: Any, last: Any) -> str:
    """`2026-11-02 10:00:00–10:04:10` (UTC), the day of the end only when it is another."""
    if not (isinstance(first, datetime) and isinstance(last, datetime)):
        return f"{first}–{last}"
    day = "" if first.date() == last.date() else f"{last:%Y-%m-%d} "
    return f"{first:%Y-%m-%d %H:%M:%S}–{day}{last:%H:%M:%S}"


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"

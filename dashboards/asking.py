"""The queries of the committed dashboards as Grafana and its ClickHouse plugin send them: macros, variables in place.

For tests and measurements, which have no Grafana; the macros are expanded as the plugin documents them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "json"
BOARDS = {file.stem: json.loads(file.read_text("utf-8")) for file in sorted(FOLDER.glob("*.json"))}


@dataclass(frozen=True)
class Asked:
    """A query of a panel, ready to be sent."""

    board: str
    title: str
    text: str
    instant: bool

    def __str__(self) -> str:
        return f"{self.board}: {self.title.split(' · ')[0]}"


@dataclass(frozen=True)
class Span:
    """Time range of a dashboard in seconds since 1970, and the interval of its panels."""

    begin: int
    end: int
    interval: int = 60


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every panel with the uid of its dashboard."""
    for uid, board in BOARDS.items():
        for panel in board["panels"]:
            yield uid, panel


def sql_queries() -> list[Asked]:
    """SQL as written, of all panels and variables."""
    asked = [
        Asked(uid, panel["title"], target["rawSql"], False)
        for uid, panel in panels()
        for target in panel["targets"]
        if "rawSql" in target
    ]
    for uid, board in BOARDS.items():
        for variable in board["templating"]["list"]:
            if "clickhouse" in variable.get("datasource", {}).get("type", ""):
                asked.append(Asked(uid, f"variable {variable['name']}", variable["query"], False))
    return asked


def prom_queries() -> list[Asked]:
    """PromQL as written, of all panels."""
    return [
        Asked(uid, panel["title"], target["expr"], bool(target.get("instant")))
        for uid, panel in panels()
        for target in panel["targets"]
        if "expr" in target
    ]


def _arguments(text: str, start: int) -> tuple[list[str], int]:
    """Arguments of the macro whose bracket opens before `start`, and where it closes."""
    depth, begin, found = 1, start, []
    for place in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if depth == 0:
            return [*found, text[begin:place].strip()], place + 1
        if depth == 1 and text[place] == ",":
            found.append(text[begin:place].strip())
            begin = place + 1
    raise ValueError("a macro's bracket is never closed")


def _macro(name: str, arguments: list[str], span: Span, values: Mapping[str, str]) -> str:
    match name:
        case "timeFilter":
            return f"{arguments[0]} >= toDateTime({span.begin}) AND {arguments[0]} <= toDateTime({span.end})"
        case "timeInterval":
            return f"toStartOfInterval(toDateTime({arguments[0]}), INTERVAL {span.interval} second)"
        case "conditionalAll":
            condition, variable = arguments  # the plugin expands none with more than these
            return "1=1" if values[variable.removeprefix("$")] in ("", "$__all") else condition
    raise ValueError(f"no macro of the plugin: {name}")


def expanded(text: str, span: Span, values: Mapping[str, str]) -> str:
    """SQL with macros and variables in place."""
    text = text.replace("$__interval_s", str(span.interval))
    while found := re.search(r"\$__(\w+)\(", text):
        arguments, end = _arguments(text, found.end())
        text = text[: found.start()] + _macro(found[1], arguments, span, values) + text[end:]

    def quoted(match: re.Match[str]) -> str:
        return "'" + values[match[1]].replace("'", "''") + "'"

    text = re.sub(r"\$\{(\w+):sqlstring\}", quoted, text)
    left = re.search(r"\$[{\w]", text)
    assert left is None, f"not expanded: {text[left.start() :]}" if left else ""
    return text

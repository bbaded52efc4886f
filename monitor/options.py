"""Options that several commands share: their names, types and help texts. What they do is up to the commands."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Form(StrEnum):
    """How results are printed."""

    table = "table"
    json = "json"


class FlowForm(StrEnum):
    """How flow records are written."""

    jsonl = "jsonl"
    csv = "csv"
    parquet = "parquet"
    arrow = "arrow"


class ConfigForm(StrEnum):
    """How settings are shown."""

    toml = "toml"
    json = "json"


class Severity(StrEnum):
    """How bad an incident is."""

    low = "low"
    medium = "medium"
    high = "high"
    critical = "critical"


class Lang(StrEnum):
    """Language of a report."""

    en = "en"
    ja = "ja"


class State(StrEnum):
    """How an incident stands."""

    open = "open"
    waiting = "waiting"
    suppressed = "suppressed"
    closed = "closed"


class Verdict(StrEnum):
    """What an incident turned out to be."""

    true = "true"
    false = "false"
    benign = "benign"


class Speed(StrEnum):
    """How fast a capture is replayed."""

    real = "1x"
    tenfold = "10x"
    max = "max"

    @property
    def factor(self) -> float:
        """Times as fast as event time; 0: as fast as it goes."""
        return {"1x": 1.0, "10x": 10.0}.get(self.value, 0.0)


TIMES = [
    "%Y-%m-%d",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%dT%H:%M:%S.%fZ",  # as we print them
]

Captures = Annotated[list[str], typer.Argument(metavar="CAPTURE", help="Capture files, folders of them, - for stdin.")]
Config = Annotated[
    Path | None, typer.Option("--config", help="Settings file; default: monitor.toml, where there is one.")
]
Format = Annotated[Form, typer.Option("--format", help="table, or json: one object a line.")]
Model = Annotated[str | None, typer.Option("--model", help="Folder of the model; none: do not score.")]
RunId = Annotated[str | None, typer.Option("--run-id", help="Name of a replay; empty: live traffic.")]
Store = Annotated[
    str | None,
    typer.Option("--store", help="chdb:///folder, http(s)://user@host:port/database, or none; default: embedded."),
]
Language = Annotated[Lang, typer.Option("--lang", help="Language of the report.")]
Since = Annotated[datetime | None, typer.Option("--since", formats=TIMES, help="From this time on (UTC).")]
Until = Annotated[datetime | None, typer.Option("--until", formats=TIMES, help="Before this time (UTC).")]

"""The monthly audit report: articles of the policy with their sentences and tables, as HTML and as CSV files.

Where the figures come from is up to `auditing`; words are in `phrases` and here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitor.report.escape import csv_cell
from monitor.report.html import render
from monitor.report.lines import iso_time
from monitor.report.phrases import Language, words


@dataclass(frozen=True, slots=True)
class Rows:
    """A table: `key` names it, `names` are its columns in order; rows may hold more."""

    key: str
    names: Sequence[str]
    rows: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Article:
    """One article of the policy: sentences (key and values) and tables."""

    key: str
    said: Sequence[tuple[str, Mapping[str, str]]]
    tables: Sequence[Rows]


@dataclass(frozen=True, slots=True)
class Audit:
    """All of a month."""

    month: str
    until: datetime
    """End of the month, or now."""
    store: str
    run_id: str
    """Empty: live traffic."""
    made: datetime
    version: str
    articles: Sequence[Article]


def audit_report(audit: Audit, *, language: Language = "en") -> str:
    """The report as one HTML page."""
    return render("audit.html", language, audit=audit)


def audit_tables(audit: Audit, *, language: Language = "en") -> dict[str, str]:
    """Every table as CSV (RFC 4180) by its name; no cell begins a formula. In Japanese heads and words are, too."""
    files = {}
    said = words(language)
    japanese = language == "ja"
    for article in audit.articles:
        for table in article.tables:
            out = io.StringIO()
            writer = csv.writer(out)
            writer.writerow([said[name] if japanese else name for name in table.names])
            names = ["title_ja" if japanese and name == "title" else name for name in table.names]
            for row in table.rows:
                writer.writerow([_cell(_worded(said, name, row[name]) if japanese else row[name]) for name in names])
            files[f"{article.key}-{table.key}.csv"] = out.getvalue()
    return files


def _worded(said: Mapping[str, str], name: str, value: Any) -> Any:
    """A code in words, where it is one."""
    return said.get(f"{value}" if name == "severity" else f"{name}:{value}", value)


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return iso_time(value)
    if isinstance(value, int | float):
        return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return csv_cell("" if value is None else str(value))

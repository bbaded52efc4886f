"""What people and files are given: flow files, the terminal's tables and progress, JSON lines; safe to show, always.

Names are imported when first used: a command that prints no table does not load the library that draws it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monitor.report.audit import Article, Audit, Rows, audit_report, audit_tables
    from monitor.report.dissection import show_dissection
    from monitor.report.escape import printable
    from monitor.report.facts import Evidence, Facts, Series
    from monitor.report.flow_files import FlowFile
    from monitor.report.flow_formats import flow_format
    from monitor.report.flow_text import flow_objects
    from monitor.report.html import traffic_report, write_page
    from monitor.report.lines import balance_line, fates_line, health_lines
    from monitor.report.output import (
        print_card,
        print_comparison,
        print_dossier,
        print_facts,
        print_incidents,
        print_news,
        print_rows,
    )
    from monitor.report.progress import Progress
    from monitor.report.reasons_ja import reason_ja
    from monitor.report.summary import Summary
    from monitor.report.terminal import draw_summary

_MODULES = {
    "Article": "audit",
    "Audit": "audit",
    "Rows": "audit",
    "audit_report": "audit",
    "audit_tables": "audit",
    "Evidence": "facts",
    "Facts": "facts",
    "FlowFile": "flow_files",
    "Progress": "progress",
    "Series": "facts",
    "Summary": "summary",
    "balance_line": "lines",
    "draw_summary": "terminal",
    "fates_line": "lines",
    "flow_format": "flow_formats",
    "flow_objects": "flow_text",
    "health_lines": "lines",
    "print_card": "output",
    "print_comparison": "output",
    "print_dossier": "output",
    "print_facts": "output",
    "print_incidents": "output",
    "print_news": "output",
    "print_rows": "output",
    "printable": "escape",
    "reason_ja": "reasons_ja",
    "show_dissection": "dissection",
    "traffic_report": "html",
    "write_page": "html",
}

__all__ = [
    "Article",
    "Audit",
    "Evidence",
    "Facts",
    "FlowFile",
    "Progress",
    "Rows",
    "Series",
    "Summary",
    "audit_report",
    "audit_tables",
    "balance_line",
    "draw_summary",
    "fates_line",
    "flow_format",
    "flow_objects",
    "health_lines",
    "print_card",
    "print_comparison",
    "print_dossier",
    "print_facts",
    "print_incidents",
    "print_news",
    "print_rows",
    "printable",
    "reason_ja",
    "show_dissection",
    "traffic_report",
    "write_page",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)

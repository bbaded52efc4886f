"""What commands print on stdout, as a table for people or as JSON, one object a line, for programs.

Both say the same; how a table is drawn is in `terminal.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from monitor.report.lines import incident_line, json_object

JSON = "json"


def print_incidents(incidents: Sequence[Mapping[str, Any]], form: str) -> None:
    """Incidents in the order given (JSON) or the most severe first (table)."""
    if form == JSON:
        sys.stdout.writelines(f"{incident_line(incident)}\n" for incident in incidents)
        return
    from monitor.report import terminal

    terminal.draw_incidents(incidents)


def print_rows(title: str, rows: Sequence[Mapping[str, Any]], form: str) -> None:
    """Rows that all have the same keys."""
    if form == JSON:
        sys.stdout.writelines(f"{json_object(row)}\n" for row in rows)
        return
    from monitor.report import terminal

    terminal.draw_rows(title, rows)


def print_facts(facts: Mapping[str, Any], form: str) -> None:
    """One thing's properties."""
    if form == JSON:
        sys.stdout.write(f"{json_object(facts)}\n")
        return
    from monitor.report import terminal

    terminal.draw_facts(facts)


def print_card(card: Mapping[str, Any], form: str) -> None:
    """A model's card: where it comes from, what it learnt from by service, how it did on what was held back."""
    if form == JSON:
        sys.stdout.write(f"{json_object(card)}\n")
        return
    from monitor.report import terminal

    plain = {name: value for name, value in card.items() if isinstance(value, str | int | float)}
    windows = {
        name.replace("_", " "): f"{card[name]['first']} to {card[name]['last']}"
        for name in ("training_window", "calibration_window")
        if name in card
    }
    terminal.draw_facts({**plain, **windows})
    columns = ("flows", "training", "calibration", "held_back", "flows_per_day")
    services = [
        {"service": name, **{column: figures[column] for column in columns}}
        for name, figures in card.get("services", {}).items()
    ]
    terminal.draw_rows("What it learnt from", services)
    metrics = [{"metric": name, "value": value} for name, value in card.get("metrics", {}).items()]
    terminal.draw_rows("On flows that were held back", metrics)

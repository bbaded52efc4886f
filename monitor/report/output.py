"""What commands print on stdout, as a table for people or as JSON, one object a line, for programs.

Both say the same; how a table is drawn is in `terminal.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from monitor.report.escape import printable
from monitor.report.lines import INCIDENT_FIELDS, incident_line, json_object

JSON = "json"


def print_incidents(
    incidents: Sequence[Mapping[str, Any]], form: str, *, brief: bool = False, budget: str = ""
) -> None:
    """Incidents in the order given (JSON), or stories and the most severe first (table), a line each when `brief`.

    `budget` says in the table over which budget those in state `waiting` are.
    """
    if form == JSON:
        sys.stdout.writelines(f"{incident_line(incident)}\n" for incident in incidents)
        return
    from monitor.report import incident_list

    if brief:
        incident_list.draw_brief(incidents)
    else:
        incident_list.draw_incidents(incidents, budget=budget)


def print_news(events: Sequence[Mapping[str, Any]], form: str) -> None:
    """Events of the incident log, a line each."""
    if form == JSON:
        sys.stdout.writelines(f"{json_object(event)}\n" for event in events)
        return
    from monitor.report import incident_list

    incident_list.draw_news(events)


def print_dossier(dossier: Mapping[str, Any], form: str, *, store: str = "") -> None:
    """One incident in full; `store` goes into the commands that come next."""
    if form == JSON:
        sys.stdout.write(f"{json_object(dossier)}\n")
        return
    from monitor.report import dossier as page

    page.draw_dossier(dossier, store=store)


def print_comparison(changes: Sequence[tuple[str, Mapping[str, Any]]], model: str, form: str) -> None:
    """What another model would add and lose, each as incidents are printed; JSON: with `comparison` and `model`."""
    if form == JSON:
        for change, incident in changes:
            facts = {**{name: incident[name] for name in INCIDENT_FIELDS}, "comparison": change, "model": model}
            sys.stdout.write(f"{json_object(facts)}\n")
        return
    for word in ("added", "lost"):
        found = [incident for change, incident in changes if change == word]
        sys.stdout.write(f"\n{word.capitalize()} by the model {printable(model)}\n")
        print_incidents(found, form)


def print_rows(
    title: str,
    rows: Sequence[Mapping[str, Any]],
    form: str,
    *,
    otherwise: str = "",
    shares: Sequence[str] = (),
) -> None:
    """Rows that all have the same keys; in a table those in `shares` as percent, and without rows `otherwise`."""
    if form == JSON:
        sys.stdout.writelines(f"{json_object(row)}\n" for row in rows)
        return
    from monitor.report import terminal

    terminal.draw_rows(title, rows, otherwise=otherwise, shares=shares)


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
    terminal.draw_rows("Flows left out", card.get("left_out", []))
    metrics = [{"metric": name, "value": value} for name, value in card.get("metrics", {}).items()]
    terminal.draw_rows("On flows that were held back", metrics)
    evaluation = card.get("evaluation") or {}
    if "day" in evaluation:
        terminal.draw_rows("On an ordinary day", [evaluation["day"]])
    for name, rows in evaluation.items():
        if isinstance(rows, list):
            terminal.draw_rows(name.capitalize(), rows)

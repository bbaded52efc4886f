"""Detection on labelled captures: recall by class, false incidents, time to detection; and peers in the same table.

    python -m benchmarks.detection [--seeds 1] [--model default] [--only CLASS ...] [--baselines] [--write]

Writes the labels to build/detection/labels.yaml, so that `monitor evaluate --labels` repeats any of it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import detection_labels
from monitor.config import load_settings
from monitor.evaluation import evaluate, tables
from monitor.evaluation.day import Case, truths_of
from monitor.evaluation.flow_table import flow_table
from monitor.report import Progress, print_rows

if TYPE_CHECKING:
    from monitor.evaluation.labels import Labelled

BUILT = detection_labels.ROOT / "build" / "detection"
KEPT = BUILT / "flows"
RESULTS = Path(__file__).with_name("DETECTION.md")
COUNTED = (
    "Host-hours are home hosts seen × hours observed (pauses over 15 minutes left out, a minute at least) × weight. A "
    "host that is seen for seconds counts seconds, yet the hunts and its hour are judged as a whole: short captures "
    "make the rate look higher. `at_most` is the upper end of its exact 95 % interval (Garwood 1936). `lab benign` is "
    "an hour of the office of docs/lab.md, when `make lab-benign` has recorded one: programs that call home all day "
    "are one incident of that hour, as they would be of the day, so its rate is that of a first hour."
)
_LISTS = ("Missed", "False")
"""Tables that name single captures, which stay here."""


def labels(only: list[str], progress: Progress) -> list[Labelled]:
    """The shared captures and the lab; `only`: classes to keep, all without any."""
    settings = load_settings(None)

    @cache
    def table(path: Path):  # type: ignore[no-untyped-def]
        return flow_table(path, settings, progress, KEPT)

    found = [*detection_labels.shared(table), detection_labels.lab()]
    return [entry for entry in found if not only or entry.kind.split(":")[0] in only]


def markdown(tables: Mapping[str, Sequence[Mapping[str, object]]]) -> str:
    """The tables as a page; single captures are left out."""
    command = "python -m " + " ".join(["benchmarks.detection", *sys.argv[1:]])
    written = f"Written by `{command}` on {datetime.now(UTC):%Y-%m-%d}; docs/evaluate.md says what the columns mean."
    lines = ["# Detection on labelled captures", "", written]
    for title, rows in tables.items():
        if title in _LISTS or not rows:
            continue
        names = list(rows[0])
        lines += ["", f"## {title}", "", *([COUNTED, ""] if title == "False incidents" else [])]
        lines += [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
        lines += [
            "| " + " | ".join("" if row[name] is None else str(row[name]) for name in names) + " |" for row in rows
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--model", default="default")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--baselines", action="store_true", help="others on the same captures, at as many false ones")
    parser.add_argument("--write", action="store_true", help=f"write the tables to {RESULTS.name}")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    chosen = parser.parse_args()
    with Progress("labels") as progress:
        captures = labels(chosen.only, progress)
    office = [entry for entry in detection_labels.office() if not chosen.only or entry.kind in chosen.only]
    detection_labels.written([*captures, *office], BUILT / "labels.yaml")
    settings = load_settings(None, {"model.path": chosen.model})
    evidence = evaluate(captures, settings, seeds=chosen.seeds, kept=KEPT)
    if office:  # for false incidents alone: laid days and ordinary flows stay those of real networks
        evidence.quiet += evaluate(office, settings, seeds=0, kept=KEPT).quiet
    found = tables(evidence)
    if chosen.baselines:
        from benchmarks import baselines

        with Progress("baselines") as progress:
            tabled = [flow_table(entry.capture, settings, progress, KEPT) for entry in captures]
        cases = [Case(entry, table, truths_of(entry, table)) for entry, table in zip(captures, tabled, strict=True)]
        false = sum(len(one.incidents) for one in evidence.quiet if one.kind.startswith("benign"))
        found["Baselines"] = baselines.rows(cases, false)
    (BUILT / "result.json").write_text(json.dumps(found, indent=1, default=str))
    if chosen.write:
        RESULTS.write_text(markdown(found), "utf-8")
    for title, rows in found.items():
        print_rows(
            title, rows if chosen.format == "table" else [{"table": title, **row} for row in rows], chosen.format
        )


if __name__ == "__main__":
    main()

"""What the product is worth: labelled captures through score, store and hunts, and a table of what was found.

A sibling of `pipeline`, not a stage: it runs the stages as a replay does. Ground truth comes from a labels file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monitor.config import Settings
    from monitor.evaluation.campaign import Evidence
    from monitor.evaluation.labels import Labelled
    from monitor.evaluation.trial import try_on_day

__all__ = ["evaluate", "tables", "try_on_day"]


def __getattr__(name: str) -> Any:
    if name != "try_on_day":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from monitor.evaluation.trial import try_on_day

    return try_on_day


def evaluate(
    labels: Path | Sequence[Labelled], settings: Settings, *, seeds: int = 1, kept: Path | None = None
) -> Evidence:
    """Run the labelled captures alone, and laid into `seeds` made-up days, with the settings' model and all hunts.

    `kept`: folder in which flow records stay for the next time. Nothing is written to the settings' store.
    Raises UsageError (labels), CaptureError, ModelError, StoreError, OSError.
    """
    from monitor.evaluation.campaign import Campaign
    from monitor.evaluation.labels import read_labels
    from monitor.places import scoring_model
    from monitor.report import Progress
    from monitor.store import open_store

    captures = read_labels(labels) if isinstance(labels, Path) else list(labels)
    model = scoring_model(settings)
    with Progress("evaluate") as progress, open_store("none") as store:
        return Campaign(captures, settings, model, store, progress, kept).run(seeds)


def tables(evidence: Evidence) -> dict[str, Sequence[Any]]:
    """The tables of an evaluation by title, each a list of rows with the same keys; empty ones are left out."""
    from monitor.evaluation import figures

    found: dict[str, Sequence[Any]] = {
        "Recall by class": figures.recall_rows(evidence.alone, laid=evidence.laid),
        "Recall by behaviour": figures.recall_rows(evidence.alone, laid=evidence.laid, by="behaviour"),
        "False incidents": figures.false_rows(evidence.quiet),
        "False incidents in made-up days": figures.false_rows(evidence.days),
        "False incidents by detector": figures.detector_rows(evidence.quiet),
        "Flows told apart by the model": figures.flow_rows(evidence),
        "Missed": figures.missed_rows(evidence.alone),
        "False": figures.false_list(evidence.quiet),
    }
    return {title: rows for title, rows in found.items() if rows}

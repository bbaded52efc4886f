"""Decides whether a model may go into use: canaries laid into the last ordinary day are found, and false alarms hold.

The files and the history are up to `model` (lifecycle), the figures to `evaluation` (trial).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.errors import InputError

if TYPE_CHECKING:
    from monitor.config import Settings
    from monitor.model import Model

AUROC_SLACK = 0.05
"""The canaries' mean AUROC may be this much lower than that of the model in use: flows of a day differ by more."""
STRANGE = 0.02
"""Share of ordinary flows with p at most `LOW_P` that passes anyhow: twice what calibration promises."""


def promote_tried(
    candidate: str,
    folder: Path,
    settings: Settings,
    *,
    day: Sequence[str] = (),
    from_store: bool = False,
    until: datetime | None = None,
    reason: str = "",
    force: bool = False,
) -> dict[str, Any]:
    """Make a model the one in use if its canaries hold; gives the line of the history, which tells the figures.

    The day is that of the captures or flow files in `day`, else (`from_store`) the last 24 hours of live flows of the
    settings' store before `until` without those of incidents; both models are tried on it. Without a day the evaluation
    tables of the two cards are compared. Raises ModelError, InputError when it may not go into use, StoreError.
    """
    from monitor.model import current_version, held_model, load, promote, record_evaluation

    source = held_model(candidate, folder)
    version = "" if force else current_version(folder)
    places = (source, folder / version) if version else (source,)
    models = [load(place, alert_budget=settings.alert_budget) for place in places]
    asked = bool(day) or from_store
    tables = _tried(models, settings, day, until) if asked else [one.card.get("evaluation") for one in models]
    new, old = tables[0], tables[1] if version else None
    if not force:
        refused = refusals(new, old, settings.alert_budget)
        if refused:
            raise InputError(f"{source}: not promoted: {'; '.join(refused)} (--force promotes it anyhow)")
    change = promote(str(source), folder, reason=reason, force=force, figures=_figures(new))
    if new is not None:
        record_evaluation(folder / change["to"], new)
    return change


def refusals(new: Mapping[str, Any] | None, old: Mapping[str, Any] | None, budget: float) -> list[str]:
    """Why a model with the evaluation `new` may not follow one with `old` (None: none is in use); empty: it may."""
    from monitor.model import LOW_P

    if new is None:
        return ["its card has no evaluation table; name a day to try it on with --day CAPTURE or --store"]
    before = {row["canary"]: row for row in (old or new)["canaries"]}
    out = [
        f"canary {row['canary']} is not found"
        + (f", which the model in use finds ({before[row['canary']]['detectors']})" if old else "")
        for row in new["canaries"]
        if not row["found"] and (old is None or before.get(row["canary"], row)["found"])
    ]
    if old is not None:
        ours, theirs = _auroc(new), _auroc(old)
        if ours < theirs - AUROC_SLACK:
            out.append(f"canaries' mean AUROC is {ours:.3f}, that of the model in use {theirs:.3f}")
    most = max(budget + 2 * budget**0.5, old["day"]["anomalies"] if old else 0.0)  # a Poisson count has that spread
    if new["day"]["anomalies"] > most:
        out.append(f"{new['day']['anomalies']} false anomalies on an ordinary day, at most {most:.0f} pass")
    share = max(STRANGE, old["day"]["strange"] if old else 0.0)
    if new["day"]["strange"] > share:
        out.append(f"{new['day']['strange']:.2%} of ordinary flows have p <= {LOW_P}, at most {share:.2%} pass")
    return out


def _auroc(evaluation: Mapping[str, Any]) -> float:
    rows = evaluation["canaries"]
    return float(sum(row["auroc"] for row in rows) / len(rows))


def _figures(evaluation: Mapping[str, Any] | None) -> dict[str, Any]:
    """For the history."""
    if evaluation is None:
        return {}
    rows = evaluation["canaries"]
    return {
        "canaries_found": f"{sum(row['found'] for row in rows)} of {len(rows)}",
        "canaries_auroc": round(_auroc(evaluation), 4),
        "false_anomalies": evaluation["day"]["anomalies"],
        "strange_share": evaluation["day"]["strange"],
    }


def _tried(
    models: Sequence[Model], settings: Settings, day: Sequence[str], until: datetime | None
) -> list[dict[str, Any]]:
    """The models' evaluations on the day of the captures, else of the settings' store."""
    from monitor.evaluation import try_on_day
    from monitor.ordinary_days import captured_day, stored_day
    from monitor.places import existing_store
    from monitor.report import Progress

    if day:
        with Progress("canaries") as progress:
            flows = captured_day(day, settings, progress)
        return try_on_day(flows, settings, models)
    with existing_store(settings) as store:
        flows, one_in = stored_day(store, settings, until=until)
    return try_on_day(flows, settings, models, one_in=one_in)

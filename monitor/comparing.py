"""Says how two models differ: by their cards, and by what they make of the same captures or stored flows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from monitor.errors import UsageError
from monitor.pipeline import replay

if TYPE_CHECKING:
    import pyarrow as pa

    from monitor.config import Settings
    from monitor.model import Model
    from monitor.past_flows import Past
    from monitor.reading import Span
    from monitor.report import Progress

Change = tuple[str, Mapping[str, Any]]
"""`added` or `lost`, and an incident."""


def compare_models(
    captures: Sequence[str],
    settings: Settings,
    model: str,
    incidents: Sequence[Mapping[str, Any]],
    *,
    span: Span | None = None,
) -> list[Change]:
    """(`added` or `lost`, incident) by the model at `model`, beside `incidents` of the model of the settings.

    Nothing is kept of the second replay. Raises as `replay`, UsageError when the captures cannot be read twice.
    """
    from monitor.reading import STDIN, Span

    if STDIN in captures:
        raise UsageError("--compare reads the captures twice, and standard input can be read once only")
    changed = settings.model_copy(
        update={
            "model": settings.model.model_copy(update={"path": model}),
            "store": settings.store.model_copy(update={"url": "none"}),
        }
    )
    once = Span(span.since, span.until) if span else None
    others = replay(captures, changed, span=once).incidents
    return _changes(incidents, others)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two models differ."""

    tables: dict[str, list[dict[str, Any]]]
    """By title, each a list of rows with the same keys."""
    changes: list[Change] | None
    """What the second would add and lose; None when there was no traffic."""


def compare_two(
    first: str, second: str, settings: Settings, *, captures: Sequence[str] = (), past: Past | None = None
) -> Comparison:
    """How the model at `second` differs from that at `first`, on captures or stored flows where either is given.

    Raises ModelError, UsageError (captures and the store, standard input), InputError, CaptureError, StoreError.
    """
    from monitor.model import load
    from monitor.ordinary_days import captured_day, stored_flows
    from monitor.reading import STDIN
    from monitor.report import Progress

    if captures and past is not None:
        raise UsageError("compare on captures or on the store: --store, --run-id, --since, --until go without captures")
    if STDIN in captures:
        raise UsageError("model compare reads the captures twice, and standard input can be read once only")
    a, b = (load(path, alert_budget=settings.alert_budget) for path in (first, second))
    tables = {
        "Models": _facts(a, b),
        "Classes": _classes(a, b, settings.alert_budget),
        "Evaluation": _evaluations(a, b),
    }
    changes = None
    with Progress("compare") as progress:
        if captures:
            tables["Scores"], changes = _on_traffic(
                a, b, settings, captured_day(captures, settings, progress), progress
            )
        elif past is not None:
            tables["Scores"], changes = _on_traffic(a, b, settings, stored_flows(past, settings), progress)
    return Comparison({title: rows for title, rows in tables.items() if rows}, changes)


def _facts(a: Model, b: Model) -> list[dict[str, Any]]:
    """Plain facts of the cards that differ, and the figures on what was held back."""
    rows = []
    for part in ("", "metrics"):
        ours, theirs = (one.card.get(part, {}) if part else one.card for one in (a, b))
        for name in dict.fromkeys([*ours, *theirs]):
            values = [side.get(name) for side in (ours, theirs)]
            if values[0] != values[1] and all(isinstance(value, str | int | float | None) for value in values):
                rows.append({"what": name, "a": values[0], "b": values[1]})
    for name in ("training_window", "calibration_window"):
        values = [(one.card.get(name) or {}).get("last") for one in (a, b)]
        if values[0] != values[1]:
            rows.append({"what": f"{name} ends", "a": values[0], "b": values[1]})
    return rows


def _classes(a: Model, b: Model, budget: float) -> list[dict[str, Any]]:
    """Every service class of either: flows it learnt from, from where on the tail speaks, its cut."""
    cuts = [one.p_cuts(budget) for one in (a, b)]
    rows = []
    for name in dict.fromkeys([*a.services, *b.services]):
        row: dict[str, Any] = {"class": name}
        for column in ("training", "calibration", "flows_per_day", "tail_below_p"):
            for side, one in (("a", a), ("b", b)):
                row[f"{column}_{side}"] = one.card["services"].get(name, {}).get(column)
        rows.append(row | {"cut_a": cuts[0].get(name), "cut_b": cuts[1].get(name)})
    cut = {"cut_a": a.host_cut(budget) or None, "cut_b": b.host_cut(budget) or None}
    return [*rows, dict.fromkeys(rows[0], None) | {"class": "hours of hosts"} | cut]


def _evaluations(a: Model, b: Model) -> list[dict[str, Any]]:
    """The cards' evaluations beside one another: false alarms on the day, and each canary."""
    sides = [one.card.get("evaluation") or {} for one in (a, b)]
    if not any(sides):
        return []
    rows = []
    for name in ("hosts", "hours", "flows", "incidents", "anomalies", "strange"):
        rows.append({"figure": f"day: {name}"} | _both(side.get("day", {}).get(name) for side in sides))
    known = [{row["canary"]: row for row in side.get("canaries", ())} for side in sides]
    for canary in dict.fromkeys([*known[0], *known[1]]):
        for name in ("found", "auroc", "strange"):
            rows.append({"figure": f"{canary}: {name}"} | _both(side.get(canary, {}).get(name) for side in known))
    return rows


def _both(values: Iterable[Any]) -> dict[str, Any]:
    return dict(zip(("a", "b"), values, strict=True))


def _on_traffic(
    a: Model, b: Model, settings: Settings, table: pa.Table, progress: Progress
) -> tuple[list[dict[str, Any]], list[Change]]:
    """How far the models agree on flows, a row a service, and what the second would add and lose."""
    from monitor.model import LOW_P
    from monitor.rehearsing import Rehearsal
    from monitor.store import open_store

    progress.stage("scoring with both models")
    with open_store("none") as store:
        rehearsal = Rehearsal(store, settings)
        ours, theirs = (rehearsal.judged(table, one) for one in (a, b))
    services = np.array(table["service"].to_pylist())
    alarms = [
        one.p_values <= np.array([cuts.get(name, cuts["other"]) for name in services.tolist()])
        for one, cuts in ((ours, a.p_cuts(settings.alert_budget)), (theirs, b.p_cuts(settings.alert_budget)))
    ]
    rows = []
    for name in [*sorted(set(services.tolist())), ""]:
        which = services == name if name else np.ones(len(services), np.bool_)
        mine, other = alarms[0][which], alarms[1][which]
        rows.append(
            {
                "service": name or "all",
                "flows": int(which.sum()),
                "rank_correlation": rank_correlation(ours.scores[which], theirs.scores[which]),
                "low_p_a": round(float((ours.p_values[which] <= LOW_P).mean()), 5),
                "low_p_b": round(float((theirs.p_values[which] <= LOW_P).mean()), 5),
                "alarms_both": int((mine & other).sum()),
                "alarms_a_only": int((mine & ~other).sum()),
                "alarms_b_only": int((other & ~mine).sum()),
            }
        )
    return rows, _changes(ours.incidents, theirs.incidents)


def rank_correlation(x: NDArray[np.floating[Any]], y: NDArray[np.floating[Any]]) -> float | None:
    """Spearman's rank correlation, equal values having their mean rank; None where one of them does not vary."""
    ranks = [_ranks(values) for values in (x, y)]
    spreads = [float(part.std()) if len(part) else 0.0 for part in ranks]
    if min(spreads) == 0.0:
        return None
    product = float(((ranks[0] - ranks[0].mean()) * (ranks[1] - ranks[1].mean())).mean())
    return round(product / (spreads[0] * spreads[1]), 4)


def _ranks(values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2.0)[which.ravel()]
    return ranks


def _changes(ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]]) -> list[Change]:
    before, after = ({one["incident_id"]: one for one in some} for some in (ours, theirs))
    added = [("added", one) for name, one in after.items() if name not in before]
    return [*added, *(("lost", one) for name, one in before.items() if name not in after)]

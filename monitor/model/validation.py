"""What a model is worth on flows that neither trained nor calibrated it: the figures of its card.

Detection of attacks is measured elsewhere (`monitor evaluate`); this is about false alarms only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.model.budget import LOW_P, flows_per_incident
from monitor.model.calibration import calibrate, uniform_distance
from monitor.model.gathering import Gathered
from monitor.model.service_model import ServiceModel
from monitor.model.split import Role

_LEVELS = (0.05, LOW_P, 0.001)


def held_back_p_values(
    flows: Gathered,
    scores: NDArray[np.float32],
    classes: Sequence[tuple[str, NDArray[np.bool_]]],
    models: Sequence[ServiceModel],
) -> NDArray[np.float64]:
    """p-value of every flow (n,) by its score and its class's calibration; NaN where it was not held back."""
    out = np.full(len(flows.starts), np.nan)
    for (_, members), model in zip(classes, models, strict=True):
        held = np.flatnonzero(members & (flows.role == Role.HELD_BACK))
        out[held] = model.calibration.p_values(scores[held], flows.ties[held])
    return out


def figures(
    flows: Gathered,
    scores: NDArray[np.float32],
    classes: Sequence[tuple[str, NDArray[np.bool_]]],
    models: Sequence[ServiceModel],
) -> dict[str, Any]:
    """False-alarm figures over all classes; rounded, for the card.

    `ks_distance`: of held-back p-values from uniform. `ks_distance_strictly_later`: the same when the first half of
    each session's later flows calibrates and the second half is tested, which adds the session's own drift.
    """
    p_values = held_back_p_values(flows, scores, classes, models)
    held = p_values[~np.isnan(p_values)]
    alarms = np.nan_to_num(p_values, nan=1.0) <= LOW_P
    return {
        "held_back_flows": len(held),
        "ks_distance": round(uniform_distance(held), 4),
        "ks_distance_by_class": {
            name: round(uniform_distance(p_values[members & ~np.isnan(p_values)]), 4) for name, members in classes
        },
        "ks_distance_strictly_later": round(uniform_distance(_strictly_later(flows, scores, classes)), 4),
        "share_at_or_below": {str(level): round(float((held <= level).mean()), 5) for level in _LEVELS}
        if len(held)
        else {},
        "flows_per_incident": round(flows_per_incident(alarms, flows.starts, flows.groups), 3),
    }


def service_figures(flows: Gathered, members: NDArray[np.bool_], model: ServiceModel) -> dict[str, Any]:
    """Counts of one class and where its fitted tail begins; rounded, for the card."""
    counts = np.bincount(flows.role[members], minlength=len(Role))
    learnt_from_all = model.calibration.flows != counts[Role.CALIBRATION]
    learnt = np.bincount(flows.role, minlength=len(Role)) if learnt_from_all else counts
    names = [flows.names[at] for at in np.unique(flows.services[members])]
    tail = model.calibration.tail
    return {
        "flows": sum(flows.totals[name] for name in names),
        "training": int(learnt[Role.TRAINING]),
        "calibration": int(learnt[Role.CALIBRATION]),
        "held_back": int(counts[Role.HELD_BACK]),
        "tail_below_p": round(model.calibration.smallest, 8),
        "tail_above_score": round(float(model.calibration.scores[-1]), 6),
        "tail": {
            "threshold": round(tail.threshold, 6),
            "shape": round(tail.shape, 6),
            "scale": round(tail.scale, 6),
            "exceedances": tail.exceedances,
        },
        "services": names,
    }


def _strictly_later(
    flows: Gathered,
    scores: NDArray[np.float32],
    classes: Sequence[tuple[str, NDArray[np.bool_]]],
) -> NDArray[np.float64]:
    """p-values of the second half of each session's later flows, calibrated by the first half."""
    later = flows.role != Role.TRAINING
    second = np.zeros(len(later), np.bool_)
    for session in range(len(flows.session_names)):
        theirs = np.flatnonzero(later & (flows.sessions == session))
        second[theirs[len(theirs) // 2 :]] = True
    out = []
    for _, members in classes:
        before, after = np.flatnonzero(members & later & ~second), np.flatnonzero(members & second)
        if len(before) and len(after):
            calibration = calibrate(scores[before])
            out.append(calibration.p_values(scores[after], flows.ties[after]))
    return np.concatenate(out) if out else np.empty(0)

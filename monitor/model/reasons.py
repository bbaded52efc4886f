"""Why a flow scored high: the properties that, put back to normal, would have lowered its score most.

Which flows are worth explaining is up to `scoring`; how numbers read, up to `quantities`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.model.features import FAMILIES, FEATURES, members
from monitor.model.quantities import Unit, quantity, usual
from monitor.model.service_model import COMMON, ServiceModel

MOST = 3
"""Reasons of a flow."""

_FAMILY_MEMBERS = tuple(np.array(members(family)) for family in FAMILIES)


@dataclass(frozen=True, slots=True)
class Reason:
    """One property that made a flow strange, shown by one feature."""

    feature: str
    value: float
    low: float
    """5 % quantile of the service class, in `unit`."""
    high: float
    """95 % quantile."""
    unit: Unit
    gain: float
    """By how much the score falls when the property is put back to the median of the service class."""
    text: str
    """Sentence for people: "sent 48 MB; usual for tls is 0.4–210 kB"."""


def explain(
    model: ServiceModel, natural: NDArray[np.float32], scaled: NDArray[np.float32], scores: NDArray[np.float32]
) -> list[list[Reason]]:
    """For each flow of one service class, its features (n, F) in both scales and its score (n,), up to three reasons.

    A property is a family of features that follow from one measured quantity; it is put back as a whole, and shown by
    its first feature when that is out of its usual range, else by the member that lies furthest out. Properties with
    a member out of its range come first, then by what their return to normal does to the score.
    """
    gains = np.stack([scores - model.forest.scores(_put_back(model, scaled, family)) for family in _FAMILY_MEMBERS])
    outside = (natural < model.low) | (natural > model.high)
    distance = np.abs(scaled - model.median) / _spread(model)
    reasons = []
    for row in range(len(natural)):
        told = [bool(outside[row, family].any()) for family in _FAMILY_MEMBERS]
        order = sorted(
            range(len(FAMILIES)), key=lambda at: (not (told[at] and gains[at, row] > 0), -float(gains[at, row]), at)
        )
        reasons.append(
            [
                _reason(model, _shown(_FAMILY_MEMBERS[at], outside[row], distance[row]), natural[row], gains[at, row])
                for at in order[:MOST]
            ]
        )
    return reasons


def _put_back(model: ServiceModel, scaled: NDArray[np.float32], family: NDArray[np.int64]) -> NDArray[np.float32]:
    """The rows with all features of the family at the median of the service class."""
    changed = scaled.copy()
    changed[:, family] = model.median[family]
    return changed


def _spread(model: ServiceModel) -> NDArray[np.float32]:
    """Width of the usual range of each feature as the forest sees it."""
    from monitor.model.extraction import scaled

    ends = scaled(np.stack([model.low, model.high]))
    spread: NDArray[np.float32] = np.maximum(ends[1] - ends[0], np.float32(0.05))
    return spread


def _shown(family: NDArray[np.int64], outside: NDArray[np.bool_], distance: NDArray[np.float32]) -> int:
    if outside[family[0]]:
        return int(family[0])
    candidates = family[outside[family]] if outside[family].any() else family
    return int(candidates[np.argmax(distance[candidates])])


def _reason(model: ServiceModel, at: int, natural: NDArray[np.float32], gain: float) -> Reason:
    feature = FEATURES[at]
    value, low, high = float(natural[at]), float(model.low[at]), float(model.high[at])
    what = feature.words.format(quantity(value, feature.unit))
    whom = "other services" if model.name == COMMON else "unknown services" if model.name == "unknown" else model.name
    text = f"{what}; usual for {whom} is {usual(low, high, feature.unit)}"
    return Reason(feature.name, value, low, high, feature.unit, float(gain), text)

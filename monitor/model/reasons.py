"""Why a flow scored high: the properties that, put back to normal, would have lowered its score most.

Which flows are worth explaining is up to `scoring`; how numbers read, up to `quantities`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from monitor.model.features import Feature
from monitor.model.quantities import WORDS, Unit, quantity, usual
from monitor.model.service_model import COMMON, ServiceModel

MOST = 3
"""Reasons of a flow."""


@lru_cache(maxsize=8)
def _properties(features: tuple[Feature, ...]) -> tuple[tuple[NDArray[np.int64], ...], NDArray[np.bool_]]:
    """Columns of each measured property, the one it is shown by first; and the same as a matrix (properties, F)."""
    names = tuple(dict.fromkeys(family for feature in features for family in feature.families))
    membership = np.array([[name in feature.families for feature in features] for name in names])
    return tuple(np.flatnonzero(row) for row in membership), membership


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
    """For each flow of one service class, its features (n, F) in both scales and its score (n,), three reasons.

    A property is a family of features that follow from one measured quantity. Put back to the class's median are those
    of its features that lie outside their usual range (all of them, once no feature of the flow does). The property
    after which the score falls lowest is the first reason; it stays normal while the second is looked for, and so on,
    so that one oddity is not told twice. Shown is the family's first feature if that was out of its range, else the
    member that lay furthest out.
    """
    outside = (natural < model.low) | (natural > model.high)
    distance = np.abs(scaled - model.median) / _spread(model)
    rows, odd, before = scaled.copy(), outside.copy(), scores
    reasons: list[list[Reason]] = [[] for _ in range(len(natural))]
    families, membership = _properties(model.features)
    told = np.zeros((len(families), len(natural)), np.bool_)
    for _ in range(MOST):
        odd = np.where(odd.any(axis=1, keepdims=True), odd, True)
        moved = odd & membership[:, np.newaxis]
        tried = np.where(moved, model.median, rows)
        after = model.forest.scores(tried.reshape(-1, rows.shape[1])).reshape(tried.shape[:2])
        silent = told | ~moved.any(axis=2)
        best = np.where(silent, after + 1, after).argmin(axis=0)  # a score is below 1
        for row, choice in enumerate(best):
            family = families[choice]
            shown = _shown(family, outside[row] & odd[row], distance[row])
            reasons[row].append(_reason(model, shown, natural[row], before[row] - after[choice, row]))
            rows[row] = tried[choice, row]
            odd[row, family], distance[row, family] = False, -1.0
            told[choice, row] = True
        before = after[best, np.arange(len(best))]
    return reasons


def _spread(model: ServiceModel) -> NDArray[np.float32]:
    """Width of the usual range of each feature as the forest sees it."""
    floors = np.array([feature.floor for feature in model.features], np.float32)
    ends = np.stack([model.low, model.high])
    ends = np.where(floors > 0, np.log2(1.0 + ends / np.where(floors > 0, floors, 1.0)), ends).astype(np.float32)
    spread: NDArray[np.float32] = np.maximum(ends[1] - ends[0], np.float32(0.05))
    return spread


def _shown(family: NDArray[np.int64], outside: NDArray[np.bool_], distance: NDArray[np.float32]) -> int:
    if outside[family[0]]:
        return int(family[0])
    candidates = family[outside[family]] if outside[family].any() else family
    return int(candidates[np.argmax(distance[candidates])])


def _reason(model: ServiceModel, at: int, natural: NDArray[np.float32], gain: float) -> Reason:
    feature = model.features[at]
    value, low, high = float(natural[at]), float(model.low[at]), float(model.high[at])
    what = feature.words.format(quantity(value, feature.unit))
    common = float(model.median[at])
    range_ = usual(common, common, feature.unit) if feature.unit in WORDS else usual(low, high, feature.unit)
    whom = "other services" if model.name == COMMON else "unknown services" if model.name == "unknown" else model.name
    text = f"{what}; usual for {whom} is {range_}"
    return Reason(feature.name, value, low, high, feature.unit, float(gain), text)

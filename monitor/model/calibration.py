"""From a score to a p-value: conformal on calibration flows of the same service, a Pareto tail beyond the strangest.

Which flows calibrate is up to `split`; what p-value alarms, to `budget`. Conformal p-values: Vovk, Gammerman, Shafer:
Algorithmic Learning in a Random World (2005), 2.2; generalised Pareto by probability-weighted moments: Hosking, Wallis:
Parameter and Quantile Estimation for the Generalized Pareto Distribution, Technometrics 29 (1987).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.jit import kernel

_TAIL_SHARE = 0.1
_TAIL_MOST = 250
_TAIL_LEAST = 10
"""Exceedances that the tail is fitted to: a tenth of the calibration flows, within these bounds."""
_ENDPOINT = 1.05
"""A score is below 1, so the tail may not end before it: no flow gets p = 0."""
_SHAPE_MOST = 0.45
"""Moments of a heavier tail than this do not exist well enough to be trusted."""


@dataclass(frozen=True, slots=True)
class Tail:
    """Generalised Pareto distribution of the scores above `threshold`: survival (1 + shape x / scale)**(-1 / shape)."""

    threshold: float
    shape: float
    scale: float
    exceedances: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """Score to p-value for one service class.

    `scores` (m,) are the different scores of the `flows` calibration flows, ascending. A flow that scores exactly
    `scores[i]` gets a p-value between `lower[i]` and `upper[i]`, by a number in 0..1 of its own (ties are many: most
    DNS look-ups are alike); between two scores p falls linearly; above the last one, from 1 / (flows + 1) on, it
    follows the tail. So p never rises with the score, and jumps only at ties.
    """

    scores: NDArray[np.float32]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    flows: int
    tail: Tail

    @property
    def smallest(self) -> float:
        """p-value below which the tail speaks."""
        return 1.0 / (self.flows + 1)

    def p_values(self, scores: NDArray[np.float32], ties: NDArray[np.float64]) -> NDArray[np.float64]:
        """p-value of each score (n,), in (0, 1]; `ties` (n,) in 0..1 decides among equal scores, see `tie_breakers`."""
        out = np.empty(len(scores), np.float64)
        tail = np.array([self.tail.threshold, self.tail.shape, self.tail.scale])
        _p_values(scores, ties, self.scores, self.lower, self.upper, tail, self.smallest, out)
        return out


def calibrate(scores: NDArray[np.float32]) -> Calibration:
    """Calibration by the scores of flows that the forest has not learnt from, at least one.

    The rank p-value of a flow among n others is (at least as strange + 1) / (n + 1).
    """
    if len(scores) == 0:
        raise ValueError("a calibration needs at least one flow")
    values, counts = np.unique(scores, return_counts=True)
    flows = len(scores)
    stranger = flows - np.cumsum(counts)
    return Calibration(
        values.astype(np.float32),
        (stranger + 1) / (flows + 1),
        (stranger + counts) / (flows + 1),
        flows,
        fit_tail(scores),
    )


def fit_tail(scores: NDArray[np.float32]) -> Tail:
    """Generalised Pareto tail over the highest scores, by probability-weighted moments.

    Few or equal scores leave nothing to fit: the tail is then exponential with the spread that the scores have.
    """
    ordered = np.sort(scores.astype(np.float64))
    count = min(max(int(len(ordered) * _TAIL_SHARE), _TAIL_LEAST), _TAIL_MOST, len(ordered) - 1)
    threshold = float(ordered[-1 - count]) if count > 0 else float(ordered[-1])
    over = ordered[ordered > threshold] - threshold
    if len(over) < _TAIL_LEAST:
        spread = float(over.mean()) if len(over) else 0.0
        return Tail(threshold, 0.0, max(spread, float(ordered.std()) / 4, 1e-3), len(over))
    rank = np.arange(1, len(over) + 1)
    mean = float(over.mean())
    weighted = float((over * (len(over) - rank) / (len(over) - 1)).mean())
    shape = 2.0 - mean / (mean - 2.0 * weighted) if mean > 2.0 * weighted else _SHAPE_MOST
    shape = min(shape, _SHAPE_MOST)
    room = _ENDPOINT - threshold
    if shape < 0.0 and mean * (1.0 - shape) / -shape < room:
        shape = -mean / (room - mean)  # the mean kept, scale / -shape = room
    return Tail(threshold, shape, max(mean * (1.0 - shape), 1e-9), len(over))


def tie_breakers(flow_ids: NDArray[np.uint64], parts: NDArray[np.uint32]) -> NDArray[np.float64]:
    """A number in 0..1 for each flow, by its id and part alone: even over flows, the same in every run."""
    out = np.empty(len(flow_ids), np.float64)
    _tie_breakers(flow_ids, parts, out)
    return out


def uniform_distance(p_values: NDArray[np.float64]) -> float:
    """Kolmogorov-Smirnov distance between the p-values and the uniform distribution; 1 without any."""
    count = len(p_values)
    if count == 0:
        return 1.0
    ordered = np.sort(p_values)
    steps = np.arange(count + 1) / count
    return float(max((steps[1:] - ordered).max(), (ordered - steps[:-1]).max()))


@kernel
def _tie_breakers(flow_ids: NDArray[np.uint64], parts: NDArray[np.uint32], out: NDArray[np.float64]) -> None:
    """SplitMix64's finaliser (Steele, Lea, Flood: OOPSLA 2014), upper 53 bits."""
    for i in range(len(flow_ids)):
        z = flow_ids[i] + (np.uint64(parts[i]) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        out[i] = np.float64((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


@kernel
def _survival(score: float, tail: NDArray[np.float64]) -> float:
    """Share of the tail's flows that score higher."""
    over = max(score - tail[0], 0.0) / tail[2]
    if abs(tail[1]) < 1e-9:
        return math.exp(-over)
    inside = 1.0 + tail[1] * over
    return inside ** (-1.0 / tail[1]) if inside > 0.0 else 0.0


@kernel
def _p_values(
    scores: NDArray[np.float32],
    ties: NDArray[np.float64],
    known: NDArray[np.float32],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    tail: NDArray[np.float64],
    smallest: float,
    out: NDArray[np.float64],
) -> None:
    last = len(known) - 1
    at_last = _survival(known[last], tail)
    for i in range(len(scores)):
        score = scores[i]
        if score > known[last]:
            ratio = _survival(score, tail) / at_last if at_last > 0.0 else 0.0
            out[i] = max(smallest * ratio, 1e-300)
            continue
        at = np.searchsorted(known, score)
        if known[at] == score:
            out[i] = lower[at] + ties[i] * (upper[at] - lower[at])
            continue
        low_score, low_p = (known[at - 1], lower[at - 1]) if at > 0 else (np.float32(0.0), 1.0)
        share = (score - low_score) / (known[at] - low_score)
        out[i] = low_p + share * (upper[at] - low_p)

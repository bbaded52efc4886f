"""Trains the forests over windows of hosts: one a width, calibrated like flows, with the figures for the card.

Flows are trained on in `training`; the windows are counted by the detect stage's SQL.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from monitor.model.calibration import calibrate, uniform_distance
from monitor.model.host_features import WINDOW_FEATURE_VERSION, WINDOW_FEATURES, window_rows, window_values
from monitor.model.host_model import NAMES, WIDTHS, HostModel, features
from monitor.model.isolation import grow
from monitor.model.service_model import ServiceModel

if TYPE_CHECKING:
    import pyarrow as pa

LEAST = 60
"""Windows of a width below which there is nothing to learn."""
SESSION_CAP = 500
"""Windows that one session may contribute to a forest."""
SAMPLES = 256
"""Windows that each tree sees, at most: the number of Liu et al.; windows are fewer than flows."""


@dataclass(frozen=True, slots=True)
class WindowSession:
    """Windows of one session by width; the session is named as its flows' (`sources.Source`)."""

    session: str
    tables: Mapping[int, pa.Table]
    weight: float = 1.0


def fit_hosts(
    sessions: Sequence[WindowSession], *, trees: int, seed: int, folds: int, days: float, hosts: float
) -> tuple[HostModel, dict[str, Any]] | None:
    """Forests over the sessions' windows, and their figures; None when there are too few windows.

    With `folds` sessions or more each session's windows calibrate by a forest that was grown without them; with fewer,
    the first half of each session's windows trains and the second calibrates. `days`: in which the windows were
    watched; `hosts`: over which the rate is spread (1: as it was).
    """
    ordered = sorted(sessions, key=lambda one: one.session)
    forests, card = {}, {}
    for width in WIDTHS:
        fitted = _fit(ordered, width, trees=trees, seed=seed, folds=folds)
        if fitted is None:
            return None
        forests[width], card[str(width)] = fitted
    hours = sum(one.tables[max(WIDTHS)].num_rows * one.weight for one in ordered)
    rate = hours / days * hosts
    if hosts > 1:
        rate = min(rate, 24.0 * hosts)  # captures of minutes touch an hour each
    return HostModel(forests, rate), {
        "feature_version": WINDOW_FEATURE_VERSION,
        "features": features(),
        "host_hours_per_day": round(rate, 3),
        "widths": card,
    }


def _fit(
    sessions: Sequence[WindowSession], width: int, *, trees: int, seed: int, folds: int
) -> tuple[ServiceModel, dict[str, Any]] | None:
    capped = [_capped(one, width) for one in sessions]
    values = np.concatenate(capped or [np.zeros((0, len(WINDOW_FEATURES)), np.float32)])
    if len(values) < LEAST:
        return None
    rows = window_rows(values)
    owner = np.repeat(np.arange(len(sessions)), [len(part) for part in capped])
    across = len(sessions) >= folds >= 2
    if across:
        digests = [hashlib.blake2b(one.session.encode(), digest_size=8).digest() for one in sessions]
        fold = (np.argsort(np.argsort(digests)) % folds)[owner]
        learnt = np.ones(len(rows), np.bool_)
        scores = np.empty(len(rows), np.float32)
        for one in range(folds):
            without, _ = grow(rows[fold != one], trees=trees, samples=SAMPLES, seed=seed)
            scores[fold == one] = without.scores(rows[fold == one])
        later = learnt
    else:
        place = np.concatenate(
            [np.arange(count) / max(count, 1) for count in np.bincount(owner, minlength=len(sessions))]
        )
        learnt, later = place < 0.5, place >= 0.5
        scores = np.full(len(rows), np.nan, np.float32)
    forest, _ = grow(rows[learnt], trees=trees, samples=SAMPLES, seed=seed)
    if not across:
        scores[later] = forest.scores(rows[later])
    return _model(width, forest, rows, values, scores, later)


def _model(
    width: int,
    forest: Any,
    rows: NDArray[np.float32],
    values: NDArray[np.float32],
    scores: NDArray[np.float32],
    later: NDArray[np.bool_],
) -> tuple[ServiceModel, dict[str, Any]]:
    """The forest with its calibration. Uniformity is told by halves: one half of the windows calibrates the other."""
    low, high = np.quantile(values[later], [0.05, 0.95], axis=0).astype(np.float32)
    middle = np.median(rows[later], axis=0).astype(np.float32)
    model = ServiceModel(NAMES[width], forest, calibrate(scores[later]), middle, low, high, WINDOW_FEATURES)
    order = np.random.default_rng(0).permutation(scores[later])
    half = len(order) // 2
    tried = calibrate(order[:half]).p_values(order[half:], np.random.default_rng(1).random(len(order) - half))
    return model, {
        "windows": len(rows),
        "calibration": int(later.sum()),
        "tail_below_p": round(model.calibration.smallest, 8),
        "ks_distance": round(uniform_distance(tried), 4),
    }


def _capped(session: WindowSession, width: int) -> NDArray[np.float32]:
    """Features of a session's windows in order of time, evenly thinned to the cap."""
    table = session.tables[width].sort_by([("window", "ascending"), ("host", "ascending")])
    values = window_values(table)
    most = max(1, round(SESSION_CAP * session.weight))
    if len(values) <= most:
        return values
    return values[np.linspace(0, len(values) - 1, most).astype(np.int64)]

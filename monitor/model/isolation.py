"""Grows an isolation forest with scikit-learn and flattens it; the only module that imports scikit-learn.

Which flows it learns from is up to `training`; scoring up to `forest`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.model.forest import Forest


def grow(rows: NDArray[np.float32], *, trees: int, samples: int, seed: int) -> tuple[Forest, Any]:
    """Grow `trees` trees, each on `samples` of the rows (n, F), at least 2; fewer rows, fewer samples.

    Returns the flat forest and the scikit-learn estimator that it equals.
    """
    from sklearn.ensemble import IsolationForest

    if len(rows) < 2:
        raise ValueError(f"an isolation forest needs at least 2 flows, not {len(rows)}")
    used = min(samples, len(rows))
    estimator = IsolationForest(n_estimators=trees, max_samples=used, random_state=seed, n_jobs=1).fit(rows)
    return flatten(estimator, used), estimator


def flatten(estimator: Any, samples: int) -> Forest:
    """The fitted estimator's trees as complete trees of the depth of the deepest."""
    grown = [tree.tree_ for tree in estimator.estimators_]
    depth = max(1, *(tree.max_depth for tree in grown))
    shape = (len(grown), 1 << depth)
    feature = np.zeros(shape, np.uint8)
    threshold = np.full(shape, np.inf, np.float32)
    path = np.zeros(shape, np.float32)
    for at, tree in enumerate(grown):
        # scikit-learn draws a subset of features for a tree only when told to; ours always sees all of them
        _lay_out(tree, depth, feature[at], threshold[at], path[at])
    return Forest(feature, threshold, path, float(expected_path(np.array([samples]))[0]))


def expected_path(samples: NDArray[Any]) -> NDArray[np.float64]:
    """Expected path length of an unsuccessful search among so many samples: c(n) of Liu et al., equation 1."""
    count = np.asarray(samples, np.float64)
    out = np.where(count == 2, 1.0, 0.0)
    many = count > 2
    out[many] = 2.0 * (np.log(count[many] - 1.0) + np.euler_gamma) - 2.0 * (count[many] - 1.0) / count[many]
    return out


def _lay_out(
    tree: Any, depth: int, feature: NDArray[np.uint8], threshold: NDArray[np.float32], path: NDArray[np.float32]
) -> None:
    """Put one scikit-learn tree in heap order into the three rows of a forest."""
    below = expected_path(tree.n_node_samples)
    rounded = _round_down(tree.threshold)
    waiting = [(0, 1, 0)]
    while waiting:
        node, at, level = waiting.pop()
        left = int(tree.children_left[node])
        if left < 0:
            span = 1 << (depth - level)
            first = at * span - (1 << depth)
            path[first : first + span] = level + below[node]
        else:
            feature[at] = tree.feature[node]
            threshold[at] = rounded[node]
            waiting.append((left, 2 * at, level + 1))
            waiting.append((int(tree.children_right[node]), 2 * at + 1, level + 1))


def _round_down(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 not above each value: for a float32 x, x <= value just when x <= this."""
    nearest = values.astype(np.float32)
    return np.where(nearest.astype(np.float64) > values, np.nextafter(nearest, np.float32(-np.inf)), nearest)

"""An isolation forest as flat arrays, and the kernel that scores rows with it.

Growing it is up to `isolation` (scikit-learn); reading and writing it up to `artefact`. Scores follow Liu, Ting, Zhou:
Isolation Forest (ICDM 2008) and equal scikit-learn's `-score_samples` to 1e-6.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.jit import inlined, kernel
from monitor.stack import stack_f64

_BLOCK = 64
"""Rows that walk one tree before the next tree is fetched: tree (3 kB) and rows (20 kB) stay in the L1 cache."""

_LANES = 8
"""Rows that walk side by side, so that one's memory access hides behind the others'."""


@dataclass(frozen=True)
class Forest:
    """Trees padded to complete binary trees of one depth, so that a walk needs neither pointers nor branches.

    Node 1 is the root, the children of node i are 2i and 2i+1; a row goes left where its feature <= the threshold.
    Below a leaf that lies higher up all thresholds are +inf, and all leaves repeat its path length.
    """

    feature: NDArray[np.uint8]
    """(trees, 2**depth); entry 0 is not used."""
    threshold: NDArray[np.float32]
    """(trees, 2**depth); entry 0 is not used. Rounded down from float64, which for float32 rows changes nothing."""
    path: NDArray[np.float32]
    """(trees, 2**depth): path length at each leaf, the expected depth of its sub-tree included."""
    normal_path: float
    """Expected path length of a sample: c(samples) of the paper."""

    @cached_property
    def nodes(self) -> NDArray[np.int64]:
        """Nodes as 8-byte integers (threshold above, feature below) that compare as the thresholds do."""
        return (_ordered(self.threshold).astype(np.int64) << 32) | self.feature

    def scores(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Anomaly score of each row of a feature matrix (n, F): 0..1, higher is stranger."""
        everything = np.arange(len(rows), dtype=np.int64)
        return self.scores_at(rows, everything)

    def scores_at(self, features: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Scores of the rows that `rows` (m,) picks from the matrix `features` (n, F): (m,)."""
        out = np.empty(len(rows), np.float32)
        keys = np.zeros((_BLOCK, features.shape[1]), np.int32)
        _walk(features.view(np.int32), rows, self.nodes, self.path, len(self.path) * self.normal_path, keys, out)
        return out


def _ordered(values: NDArray[np.float32]) -> NDArray[np.int32]:
    """Integers in the order of the floats: the bits, with those below the sign inverted where it is set."""
    bits = (values + np.float32(0)).view(np.int32)  # -0 + 0 = +0, which equals it
    return np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits).astype(np.int32)


@inlined
def _down(nodes: NDArray[np.int64], keys: NDArray[np.int32], node: Any) -> Any:
    """The child to which a row of ordered feature `keys` goes from `node`."""
    split = nodes[node]
    return node + node + np.uint64((np.int64(keys[np.uint64(split & 255)]) << 32) > split)


@inlined
def _walk_lanes(
    nodes: NDArray[np.int64], path: NDArray[np.float32], keys: Any, at: int, depth: int, total: NDArray[np.float64]
) -> None:
    """Take `_LANES` rows of a block from `at` on down one tree and add the lengths of their paths."""
    a = b = c = d = e = f = g = h = np.uint64(1)
    ka, kb, kc, kd = keys[at], keys[at + 1], keys[at + 2], keys[at + 3]
    ke, kf, kg, kh = keys[at + 4], keys[at + 5], keys[at + 6], keys[at + 7]
    for _ in range(depth):
        a, b, c, d = _down(nodes, ka, a), _down(nodes, kb, b), _down(nodes, kc, c), _down(nodes, kd, d)
        e, f, g, h = _down(nodes, ke, e), _down(nodes, kf, f), _down(nodes, kg, g), _down(nodes, kh, h)
    leaf = np.uint64(1 << depth)
    total[at] += path[a - leaf]
    total[at + 1] += path[b - leaf]
    total[at + 2] += path[c - leaf]
    total[at + 3] += path[d - leaf]
    total[at + 4] += path[e - leaf]
    total[at + 5] += path[f - leaf]
    total[at + 6] += path[g - leaf]
    total[at + 7] += path[h - leaf]


@kernel
def _walk(
    bits: NDArray[np.int32],
    rows: NDArray[np.int64],
    nodes: NDArray[np.int64],
    path: NDArray[np.float32],
    normal: float,
    keys: NDArray[np.int32],
    out: NDArray[np.float32],
) -> None:
    """Scores of `rows`; `bits` are the features' float32 bits. Padding rows of the last block walk along unused.

    keys: (_BLOCK, F), scratch, zeros at first: what a padding row has must be an ordered feature.
    """
    width = bits.shape[1]
    leaves = path.shape[1]
    depth = 0
    while (1 << depth) < leaves:
        depth += 1
    total = stack_f64(_BLOCK)
    for start in range(0, len(rows), _BLOCK):
        count = min(_BLOCK, len(rows) - start)
        for i in range(count):
            row = rows[start + i]
            for f in range(width):
                value = bits[row, f]
                keys[i, f] = value ^ 0x7FFFFFFF if value < 0 else value
        total[:] = 0.0
        for tree in range(len(nodes)):
            for at in range(0, count, _LANES):
                _walk_lanes(nodes[tree], path[tree], keys, at, depth, total)
        for i in range(count):
            out[start + i] = 2.0 ** (-total[i] / normal)

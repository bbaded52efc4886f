"""RITA's beacon score, reimplemented from its published description for comparison; the product does not use it.

Per pair of client and server (and once more per name): four scores with a weight of a quarter each, from times and
sizes of connections, unique times only. Sources: Active Countermeasures' documentation of RITA's beacon scoring and the
descriptions of the changes in its releases 4.7 and 4.8, which version 5 kept:
- times and sizes: mean of 1 - |Bowley skewness| and 1 - median absolute deviation / median, of intervals and of bytes;
- histogram of 24 equal parts of the period: the better of 1 - coefficient of variation and, with 10 filled parts or
  more, the share of filled parts in the two fullest classes of similar height (5 % of the highest), less one part;
- duration: the better of last - first over the period, and the longest run of filled parts over half of them, with 6
  filled parts or more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PARTS = 24
LEAST = 4
"""Unique times below which a pair has no score."""


def beacon_score(times: NDArray[np.float64], sizes: NDArray[np.float64], period: tuple[float, float]) -> float:
    """Score 0..1 of one pair: `times` (n,) and `sizes` (n,) of its connections, in seconds and bytes of the client.

    `period`: first and last time of the whole data set.
    """
    unique = np.unique(times)
    if len(unique) < LEAST:
        return 0.0
    counts, _ = np.histogram(unique, bins=PARTS, range=(period[0], max(period[1], period[0] + 1)))
    parts = (_regular(np.diff(unique)), _regular(sizes), _histogram(counts), _duration(unique, counts, period))
    return float(sum(parts) / 4)


def _regular(values: NDArray[np.float64]) -> float:
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    skew = (low + high - 2 * middle) / (high - low) if high > low and middle not in (low, high) else 0.0
    deviation = np.median(np.abs(values - middle)) / middle if middle > 0 else 1.0
    return float((1 - abs(skew) + max(0.0, 1 - deviation)) / 2)


def _histogram(counts: NDArray[np.int64]) -> float:
    mean = counts.mean()
    even = max(0.0, 1 - counts.std() / mean) if mean > 0 else 0.0
    filled = counts[counts > 0]
    if len(filled) < 10:
        return float(even)
    _, alike = np.unique(filled // max(int(np.ceil(filled.max() * 0.05)), 1), return_counts=True)
    fullest = np.sort(alike)[-2:].sum()
    return float(max(even, min(1.0, fullest / max(len(filled) - 1, 1))))


def _duration(times: NDArray[np.float64], counts: NDArray[np.int64], period: tuple[float, float]) -> float:
    if (counts > 0).sum() < 6:
        return 0.0
    covered = (times[-1] - times[0]) / max(period[1] - period[0], 1e-9)
    longest = run = 0
    for filled in np.concatenate([counts, counts]) > 0:  # a run may go around midnight
        run = run + 1 if filled else 0
        longest = max(longest, run)
    return float(min(1.0, max(covered, min(longest, PARTS) / (PARTS / 2))))

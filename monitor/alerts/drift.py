"""How far the traffic of late has moved from what the model was calibrated on, told by its p-values.

p-values of traffic like the calibration's are uniform, whatever the features; the population stability index measures
how far they are from that. What scores and calibrates is `monitor.model`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.model import LOW_P

TENTHS = 10
LEAST = 2_000
"""Scored flows from which a share of a tenth is known well enough."""
LATE = 100_000
"""Flows after which half of what was counted is forgotten."""
_FLOOR = 1e-4
"""Share of an empty tenth; the index would be infinite without."""


class Drift:
    """Counts p-values by tenths; the past fades."""

    def __init__(self) -> None:
        self._counts = np.zeros(TENTHS)
        self._low = 0.0

    def observe(self, p_values: NDArray[np.float64]) -> None:
        """Add p-values (n) of scored flows, 0 to 1."""
        place = np.minimum((p_values * TENTHS).astype(np.int64), TENTHS - 1)
        self._counts += np.bincount(place, minlength=TENTHS)
        self._low += float((p_values <= LOW_P).sum())
        if self._counts.sum() > LATE:
            self._counts /= 2
            self._low /= 2

    def low(self) -> float:
        """Share of p-values at or below `LOW_P`; NaN: too few flows."""
        total = self._counts.sum()
        return float("nan") if total < LEAST else self._low / float(total)

    def index(self) -> float:
        """Population stability index against uniform: 0 none, 0.1 some, 0.25 another population; NaN: too few flows."""
        total = self._counts.sum()
        if total < LEAST:
            return float("nan")
        share = np.maximum(self._counts / total, _FLOOR)
        return float(np.sum((share - 1 / TENTHS) * np.log(share * TENTHS)))

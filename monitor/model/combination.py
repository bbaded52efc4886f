"""One p-value out of several that depend on each other, by the Cauchy combination.

Liu, Xie: Cauchy Combination Test, Journal of the American Statistical Association 115 (2020): the mean of
tan((1/2 - p) pi) over p-values of any dependence has, under the null hypothesis, nearly a standard Cauchy distribution
where it matters, in the tail. Fisher's sum would take a host's windows, which go together, for independent witnesses.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_HIGHEST = 0.99
"""Larger p-values count as this: the tangent of exactly 1 would outweigh everything else."""
_LOWEST = 1e-12


def statistic(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """tan((1/2 - p) pi) of each p-value, which is what is averaged; the same is done in `host_windows.sql`."""
    clipped = np.clip(p_values, _LOWEST, _HIGHEST)
    out: NDArray[np.float64] = np.tan((0.5 - clipped) * np.pi)
    return out


def p_of(mean: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """p-value of a mean of statistics: the Cauchy distribution's upper tail, in (0, 1]."""
    found = np.asarray(mean, np.float64)
    # 1/2 - atan(t)/pi loses all digits for large t, where it is atan(1/t)/pi
    safe = np.where(np.abs(found) > 1.0, found, 1.0)
    upper = np.where(found > 1.0, np.arctan(1.0 / safe) / np.pi, 0.5 - np.arctan(found) / np.pi)
    return np.clip(upper, _LOWEST / 10, 1.0)


def combined(p_values: NDArray[np.float64]) -> float:
    """The combined p-value of some p-values, all of one weight; 1 without any."""
    return float(p_of(statistic(p_values).mean())) if len(p_values) else 1.0

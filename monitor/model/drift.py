"""How far the features of late flows have moved from those that calibrated: a population stability index a feature.

A class keeps how its calibration flows spread over bins (`Reference`); what scores and explains is elsewhere. Drift of
p-values, which need no features, is up to `alerts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from monitor.model.extraction import natural, scaled
from monitor.model.features import FEATURE_NAMES

if TYPE_CHECKING:
    import pyarrow as pa

    from monitor.model.scoring import Model

BINS = 10
LEAST = 500
"""Flows of a class from which its shares are known well enough: by chance the index is then about 9 / 500."""
LATE = 20_000
"""Flows of a class after which half of what was counted is forgotten."""
SAMPLE = 512
"""Flows of a batch that are looked at, spread evenly: features are measured a second time for it."""
_FLOOR = 1e-3
"""Share of an empty bin; the index would be infinite without."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Spread of each feature over a class's calibration flows, as the forest sees it."""

    edges: NDArray[np.float32]
    """Upper bounds of all bins but the last (F, `BINS` - 1), ascending: deciles; equal ones leave bins empty."""
    shares: NDArray[np.float64]
    """Share of the flows in each bin (F, `BINS`)."""

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Both as plain arrays, named `prefix` and a field."""
        return {f"{prefix}.edges": self.edges, f"{prefix}.shares": self.shares}


def reference(rows: NDArray[np.float32]) -> Reference:
    """The spread of rows (n, F), at least one."""
    edges = np.quantile(rows, np.arange(1, BINS) / BINS, axis=0).T.astype(np.float32)
    return Reference(np.ascontiguousarray(edges), _counts(rows, edges) / len(rows))


def from_arrays(arrays: Mapping[str, NDArray[Any]], prefix: str) -> Reference | None:
    """The inverse of `Reference.arrays`; None where there are none. Raises ValueError saying what is wrong."""
    edges, shares = arrays.get(f"{prefix}.edges"), arrays.get(f"{prefix}.shares")
    if edges is None or shares is None:
        return None
    count = len(FEATURE_NAMES)
    fits = edges.dtype == np.float32 and shares.dtype == np.float64
    if not fits or edges.shape != (count, BINS - 1) or shares.shape != (count, BINS):
        raise ValueError(f"the spread of features of class {prefix} has not {BINS} bins a feature")
    if not np.isfinite(edges).all() or (np.diff(edges, axis=1) < 0).any() or (shares < 0).any():
        raise ValueError(f"the spread of features of class {prefix} is out of order")
    if not np.allclose(shares.sum(axis=1), 1.0):
        raise ValueError(f"the spread of features of class {prefix} does not add up to 1")
    return Reference(edges, shares)


class FeatureDrift:
    """Counts late flows of a model's classes by bin; the past fades."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._counts = np.zeros((len(model.classes), len(FEATURE_NAMES), BINS))

    def observe(self, batch: pa.RecordBatch) -> None:
        """Add a sample of the batch's flows."""
        if batch.num_rows > SAMPLE:
            import pyarrow as pa

            batch = batch.take(pa.array(np.linspace(0, batch.num_rows - 1, SAMPLE).astype(np.int64)))
        rows, classes = scaled(natural(batch)), self._model.classes_of(batch)
        for at in np.unique(classes):
            known = self._model.classes[at].reference
            if known is not None:
                self._counts[at] += _counts(rows[classes == at], known.edges)
                if self._counts[at, 0].sum() > LATE:
                    self._counts[at] /= 2

    def indices(self) -> dict[str, float]:
        """By feature: 0 none, 0.1 some, 0.25 another population; NaN: too few flows.

        Mean over the classes by their flows of late, so that more or less of a service is no drift.
        """
        flows = self._counts[:, 0].sum(axis=1)
        flows[flows < LEAST] = 0.0
        if not flows.sum():
            return dict.fromkeys(FEATURE_NAMES, float("nan"))
        total = np.zeros(len(FEATURE_NAMES))
        for at in np.flatnonzero(flows):
            known = self._model.classes[at].reference
            if known is not None:
                total += flows[at] * stability(self._counts[at] / flows[at], known.shares)
        return dict(zip(FEATURE_NAMES, (total / flows.sum()).tolist(), strict=True))


def stability(found: NDArray[np.float64], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Population stability index of shares over bins (F, B), (F, B): (F,). Siddiqi: Credit Risk Scorecards (2006)."""
    a, b = np.maximum(found, _FLOOR), np.maximum(expected, _FLOOR)
    index: NDArray[np.float64] = ((a - b) * np.log(a / b)).sum(axis=1)
    return index


def _counts(rows: NDArray[np.float32], edges: NDArray[np.float32]) -> NDArray[np.float64]:
    """Rows (n, F) by feature and bin: (F, B)."""
    place = (rows[:, :, None] > edges[None]).sum(axis=2)
    flat = place + np.arange(rows.shape[1]) * BINS
    return np.bincount(flat.ravel(), minlength=rows.shape[1] * BINS).reshape(-1, BINS).astype(np.float64)

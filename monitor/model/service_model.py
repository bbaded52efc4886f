"""What one service class knows: its forest, its calibration, what is normal for it; as objects and as named arrays.

Choosing the class of a flow is up to `scoring`; files are up to `artefact`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.model.calibration import Calibration, Tail
from monitor.model.drift import Reference
from monitor.model.drift import from_arrays as reference_from
from monitor.model.features import FEATURES, Feature
from monitor.model.forest import Forest

COMMON = "other"
"""Class of the flows whose service has no forest of its own."""

_DTYPES: dict[str, type[np.generic]] = {
    "feature": np.uint8,
    "threshold": np.float32,
    "path": np.float32,
    "scores": np.float32,
    "lower": np.float64,
    "upper": np.float64,
    "constants": np.float64,
    "median": np.float32,
    "low": np.float32,
    "high": np.float32,
}


@dataclass(frozen=True, slots=True)
class ServiceModel:
    """Forest, calibration and normal values of one service class."""

    name: str
    forest: Forest
    calibration: Calibration
    median: NDArray[np.float32]
    """Median of each feature (F,) as the forest sees it."""
    low: NDArray[np.float32]
    """5 % quantile of each feature (F,) in its own unit."""
    high: NDArray[np.float32]
    """95 % quantile."""
    features: tuple[Feature, ...] = FEATURES
    """What the columns of its rows mean."""
    reference: Reference | None = None
    """Spread of its calibration flows, that drift is told by; None: not known."""

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """All that it scores and explains by as plain arrays, named `prefix` and a field."""
        tail = self.calibration.tail
        constants = [
            self.forest.normal_path,
            self.calibration.flows,
            tail.threshold,
            tail.shape,
            tail.scale,
            tail.exceedances,
        ]
        fields: dict[str, NDArray[Any]] = {
            "feature": self.forest.feature,
            "threshold": self.forest.threshold,
            "path": self.forest.path,
            "scores": self.calibration.scores,
            "lower": self.calibration.lower,
            "upper": self.calibration.upper,
            "constants": np.array(constants, np.float64),
            "median": self.median,
            "low": self.low,
            "high": self.high,
        }
        return {f"{prefix}.{name}": np.ascontiguousarray(fields[name], dtype) for name, dtype in _DTYPES.items()}


def from_arrays(
    name: str, arrays: Mapping[str, NDArray[Any]], prefix: str, features: tuple[Feature, ...] = FEATURES
) -> ServiceModel:
    """The inverse of `ServiceModel.arrays`. The kernels trust these arrays, so what could mislead them is refused.

    Raises ValueError saying what is wrong.
    """
    found: dict[str, NDArray[Any]] = {}
    for field, dtype in _DTYPES.items():
        array = arrays.get(f"{prefix}.{field}")
        if array is None or array.dtype != np.dtype(dtype):
            raise ValueError(f"the arrays of {name!r} lack {field} of type {np.dtype(dtype)}")
        found[field] = np.ascontiguousarray(array)
    _check_forest(name, found, len(features))
    _check_calibration(name, found)
    for field in ("median", "low", "high"):
        if found[field].shape != (len(features),) or not np.isfinite(found[field]).all():
            raise ValueError(f"{field} of {name!r} must be one finite number a feature")
    normal_path, flows, *tail = found["constants"].tolist()
    return ServiceModel(
        name,
        Forest(found["feature"], found["threshold"], found["path"], normal_path),
        Calibration(
            found["scores"], found["lower"], found["upper"], int(flows), Tail(tail[0], tail[1], tail[2], int(tail[3]))
        ),
        found["median"],
        found["low"],
        found["high"],
        features,
        reference_from(arrays, prefix) if features is FEATURES else None,
    )


def _check_forest(name: str, found: Mapping[str, NDArray[Any]], features: int) -> None:
    shape = found["threshold"].shape
    if len(shape) != 2 or shape[0] < 1 or shape[1] < 2 or shape[1] & (shape[1] - 1) or shape[1] > 1 << 16:
        raise ValueError(f"the forest of {name!r} is not made of complete trees (shape {shape})")
    if found["feature"].shape != shape or found["path"].shape != shape:
        raise ValueError(f"features, thresholds and paths of {name!r} differ in shape")
    if int(found["feature"].max()) >= features:
        raise ValueError(f"the forest of {name!r} asks for a feature beyond the {features} that there are")
    if np.isnan(found["threshold"]).any() or not np.isfinite(found["path"]).all():
        raise ValueError(f"the forest of {name!r} holds values that are not numbers")


def _check_calibration(name: str, found: Mapping[str, NDArray[Any]]) -> None:
    scores, lower, upper, constants = (found[field] for field in ("scores", "lower", "upper", "constants"))
    if not len(scores) or lower.shape != scores.shape or upper.shape != scores.shape or constants.shape != (6,):
        raise ValueError(f"the calibration of {name!r} is incomplete")
    if not all(np.isfinite(array).all() for array in (scores, lower, upper, constants)):
        raise ValueError(f"the calibration of {name!r} holds values that are not numbers")
    if (np.diff(scores) <= 0).any() or (lower > upper).any() or (lower[:-1] < upper[1:]).any():
        raise ValueError(f"the calibration of {name!r} is out of order")
    if lower[-1] <= 0 or upper[0] > 1 or constants[0] <= 0 or constants[1] < 1 or constants[4] <= 0:
        raise ValueError(f"the calibration of {name!r} is out of range")

"""Scores windows of internal hosts, combines them and the hosts' flows to one p-value a host and hour, and says why.

The windows are counted by the detect stage in SQL, where what alarms becomes an incident; training: `host_training`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from monitor.model.combination import p_of, statistic
from monitor.model.host_features import WINDOW_FEATURE_VERSION, WINDOW_FEATURES, window_rows, window_values
from monitor.model.reasons import explain
from monitor.model.service_model import ServiceModel, from_arrays

if TYPE_CHECKING:
    import pyarrow as pa

WIDTHS: tuple[int, ...] = (300, 3600)
"""Seconds of the windows; the longest is the one that p-values are combined over."""

NAMES: dict[int, str] = {300: "a host in 5 min", 3600: "a host in 1 h"}


@dataclass(frozen=True, slots=True)
class StrangeHour:
    """A host and an hour."""

    host: bytes
    """16 bytes, IPv4 mapped."""
    hour: int
    """Its start, seconds since 1970 UTC."""
    p_value: float
    score: float
    """Of its strangest window."""
    reasons: tuple[str, ...]
    row: int
    """Row of the strangest window in its table of `width`."""
    width: int


@dataclass(frozen=True, slots=True)
class HostModel:
    """A forest a width of window, and how many host-hours with traffic the network has a day."""

    forests: Mapping[int, ServiceModel]
    host_hours_per_day: float

    def cut(self, budget: float) -> float:
        """Combined p-value at or below which a host's hour alarms, for so many incidents a day."""
        return min(1.0, budget / max(self.host_hours_per_day, 1.0))

    def strange(self, tables: Mapping[int, pa.Table], cut: float) -> list[StrangeHour]:
        """Hours of hosts whose combined p-value is at most `cut`, the strangest first, with up to three reasons.

        `tables`: the windows of each width (`host_windows.sql`). Of one host and hour three parts count alike: its
        short windows, its long one, and its flows' own p-values; within each part and over the parts the Cauchy
        combination, which holds for any dependence.
        """
        scored = {width: self._scored(width, table) for width, table in tables.items() if table.num_rows}
        if not scored:
            return []
        parts: dict[tuple[bytes, int], list[float]] = {}
        strangest: dict[tuple[bytes, int], tuple[float, int, int]] = {}
        longest = max(WIDTHS)
        for width, (_, p_values) in scored.items():
            keys, statistics = _keys(tables[width], longest), statistic(p_values)
            strangeness = tables[width]["strangeness"].to_pylist() if width == longest else []
            groups: dict[tuple[bytes, int], list[int]] = {}
            for row, key in enumerate(keys):
                groups.setdefault(key, []).append(row)
            for key, rows in groups.items():
                own = p_values[rows]
                parts.setdefault(key, []).append(float(statistics[rows].mean()))
                least = int(rows[int(own.argmin())])
                strangest[key] = min(strangest.get(key, (2.0, 0, 0)), (float(p_values[least]), width, least))
                if width == longest:
                    parts[key].append(float(strangeness[rows[0]]))
        counts = np.array([len(found) for found in parts.values()])
        begins = np.cumsum(counts) - counts
        bounded = statistic(p_of(np.array([mean for found in parts.values() for mean in found])))
        p_values = p_of(np.add.reduceat(bounded, begins) / counts)
        out = [
            self._explained(key, float(p_value), strangest[key], tables, scored)
            for key, p_value in zip(parts, p_values, strict=True)
            if p_value <= cut
        ]
        return sorted(out, key=lambda one: (one.p_value, one.hour, one.host))

    def _scored(self, width: int, table: pa.Table) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        model = self.forests[width]
        rows = window_rows(_at_least_usual(model, window_values(table)))
        scores = model.forest.scores(rows)
        return scores, model.calibration.p_values(scores, np.full(len(scores), 0.5))

    def _explained(
        self,
        key: tuple[bytes, int],
        p_value: float,
        strangest: tuple[float, int, int],
        tables: Mapping[int, pa.Table],
        scored: Mapping[int, tuple[NDArray[np.float32], NDArray[np.float64]]],
    ) -> StrangeHour:
        _, width, row = strangest
        values = _at_least_usual(self.forests[width], window_values(tables[width].slice(row, 1)))
        score = scored[width][0][row : row + 1]
        (told,) = explain(self.forests[width], values, window_rows(values), score)
        return StrangeHour(*key, p_value, float(score[0]), tuple(reason.text for reason in told), row, width)


def _at_least_usual(model: ServiceModel, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The features (n, F), those below their usual range raised to its lower end.

    Each of them is a threat by being large. A host that does less than others, or receives more than it sends, is none:
    who falls silent is for the hunt `silence`. Calibration has such windows as they are, so p-values only rise by it.
    """
    raised: NDArray[np.float32] = np.maximum(values, model.low)
    return raised


def _keys(table: pa.Table, longest: int) -> list[tuple[bytes, int]]:
    """Host and hour of each window."""
    hours = np.asarray(table["window"].to_numpy(), np.int64) // longest * longest
    return list(zip(table["host"].to_pylist(), hours.tolist(), strict=True))


def arrays_of(model: HostModel) -> dict[str, NDArray[Any]]:
    """All that the forests hold, as plain arrays with names of their own."""
    out: dict[str, NDArray[Any]] = {}
    for width, forest in model.forests.items():
        out |= forest.arrays(f"window{width}")
    return out


def from_card(entry: Any, arrays: Mapping[str, NDArray[Any]]) -> HostModel | None:
    """The inverse of `arrays_of`, by the card's `host_windows`; None where it has none. Raises ValueError."""
    if entry is None:
        return None
    if not isinstance(entry, dict) or entry.get("feature_version") != WINDOW_FEATURE_VERSION:
        raise ValueError(f"its windows of hosts have not the features of version {WINDOW_FEATURE_VERSION}")
    rate = entry.get("host_hours_per_day")
    if entry.get("features") != features() or not isinstance(rate, int | float) or not rate >= 0:
        raise ValueError("its host_windows lack features or host_hours_per_day")
    forests = {width: from_arrays(NAMES[width], arrays, f"window{width}", WINDOW_FEATURES) for width in WIDTHS}
    return HostModel(forests, float(rate))


def features() -> list[str]:
    """Names of the features, for the card."""
    return [feature.name for feature in WINDOW_FEATURES]

"""The model: scores batches of flow records, gives p-values and reasons; loaded from a folder, saved to one.

Training is up to `training`, what an alarm leads to, to the detect stage. Never imports scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from monitor.model import artefact, budget, reasons
from monitor.model.artefact import ModelError
from monitor.model.calibration import tie_breakers
from monitor.model.extraction import codes, natural, scaled
from monitor.model.host_model import HostModel, arrays_of, from_card
from monitor.model.reasons import Reason
from monitor.model.registry import resolve
from monitor.model.service_model import COMMON, ServiceModel, from_arrays

if TYPE_CHECKING:
    import pyarrow as pa

DEFAULT_BUDGET = 10.0
WINDOW_SHARE = 0.5
"""Share of the alert budget that windows of hosts have; flows one by one have the rest."""


@dataclass(frozen=True)
class Model:
    """Forests and calibrations by service class, the common one last, and the card that says where they come from."""

    classes: tuple[ServiceModel, ...]
    card: Mapping[str, Any]
    alert_budget: float = DEFAULT_BUDGET
    """Incidents a day; flows that alarm under it get reasons."""
    hosts: HostModel | None = None
    """Scores the windows of hosts; None: the model was trained without them."""
    _class_of: Mapping[str, int] = field(init=False, repr=False)
    _cuts: NDArray[np.float64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_class_of", {entry.name: at for at, entry in enumerate(self.classes)})
        object.__setattr__(self, "_cuts", np.array(list(self.p_cuts(self.alert_budget).values())))

    @property
    def version(self) -> str:
        """Name of this model: end of its training window and a digest of its arrays."""
        return str(self.card["model_version"])

    @property
    def services(self) -> tuple[str, ...]:
        """Service classes, `other` for those without a forest of their own."""
        return tuple(entry.name for entry in self.classes)

    def p_cuts(self, alert_budget: float, busier: float = 1.0) -> dict[str, float]:
        """p-value at or below which a flow of each service class alarms, for so many incidents a day.

        The classes share the budget equally (`budget.p_cuts`), or what of it the windows of hosts leave them.
        `busier`: flows of the network over those of the card.
        """
        if self.hosts is not None:
            alert_budget *= 1.0 - WINDOW_SHARE
        services = self.card["services"]
        rates = {entry.name: float(services[entry.name]["flows_per_day"]) * busier for entry in self.classes}
        return budget.p_cuts(alert_budget, rates)

    def host_cut(self, alert_budget: float) -> float:
        """Combined p-value at or below which an hour of a host alarms; 0 without windows of hosts."""
        return self.hosts.cut(alert_budget * WINDOW_SHARE) if self.hosts is not None else 0.0

    def score(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch, same schema, with `model_version`, `score`, `p_value` and, where it alarms, `reasons` filled."""
        import pyarrow as pa

        if batch.num_rows == 0:
            return batch
        values = natural(batch)
        rows, classes = scaled(values), self.classes_of(batch)
        scores, p_values = self._score(batch, rows, classes)
        told = np.flatnonzero(p_values <= self._cuts[classes])
        sentences, which = self._sentences(values[told], rows[told], classes[told], scores[told])
        filled = {
            "model_version": pa.DictionaryArray.from_arrays(
                pa.array(np.zeros(batch.num_rows, np.int32)), pa.array([self.version])
            ),
            "score": pa.array(scores),
            "p_value": pa.array(p_values),
            "reasons": _spread_over(batch.num_rows, told, which, sentences),
        }
        columns = [filled.get(name, column) for name, column in zip(batch.schema.names, batch.columns, strict=True)]
        return pa.RecordBatch.from_arrays(columns, schema=batch.schema)

    def explain(self, batch: pa.RecordBatch, rows: Sequence[int] | NDArray[np.int64]) -> list[list[Reason]]:
        """Up to three reasons for each of the batch's flows at `rows`, strongest first, whatever their p-value."""
        import pyarrow as pa

        chosen = batch.take(pa.array(rows, pa.int64()))
        values, classes = natural(chosen), self.classes_of(chosen)
        matrix = scaled(values)
        scores, _ = self._score(chosen, matrix, classes)
        return self._reasons(values, matrix, classes, scores)

    def classes_of(self, batch: pa.RecordBatch) -> NDArray[np.int32]:
        """Index into `classes` for each flow, by its service."""
        indices, words = codes(batch, "service")
        common = len(self.classes) - 1
        return np.array([self._class_of.get(word, common) for word in words] or [common], np.int32)[indices]

    def _score(
        self, batch: pa.RecordBatch, rows: NDArray[np.float32], classes: NDArray[np.int32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        scores, p_values = np.zeros(len(rows), np.float32), np.ones(len(rows), np.float64)
        flow_ids, parts = (batch.column(name).to_numpy() for name in ("flow_id", "part"))
        ties = tie_breakers(flow_ids, parts)
        for at in np.flatnonzero(np.bincount(classes, minlength=len(self.classes))):
            model, members = self.classes[at], np.flatnonzero(classes == at)
            scores[members] = model.forest.scores_at(rows, members)
            p_values[members] = model.calibration.p_values(scores[members], ties[members])
        return scores, p_values

    def _sentences(
        self,
        values: NDArray[np.float32],
        rows: NDArray[np.float32],
        classes: NDArray[np.int32],
        scores: NDArray[np.float32],
    ) -> tuple[list[list[str]], NDArray[np.int64]]:
        """Reasons of different flows only, and for each flow which of them are its own: a flood is explained once."""
        if not len(rows):
            return [], np.empty(0, np.int64)
        keys = np.ascontiguousarray(np.column_stack([rows, classes.astype(np.float32)]))
        _, first, which = np.unique(
            keys.view(np.dtype((np.void, keys.itemsize * keys.shape[1]))).ravel(),
            return_index=True,
            return_inverse=True,
        )
        told = self._reasons(values[first], rows[first], classes[first], scores[first])
        return [[reason.text for reason in row] for row in told], which.astype(np.int64)

    def _reasons(
        self,
        values: NDArray[np.float32],
        rows: NDArray[np.float32],
        classes: NDArray[np.int32],
        scores: NDArray[np.float32],
    ) -> list[list[Reason]]:
        out: list[list[Reason]] = [[] for _ in range(len(rows))]
        for at in np.unique(classes):
            members = np.flatnonzero(classes == at)
            told = reasons.explain(self.classes[at], values[members], rows[members], scores[members])
            for row, found in zip(members, told, strict=True):
                out[row] = found
        return out

    def save(self, folder: str | Path) -> None:
        """Write card and arrays into `folder`; what was there stays whole until the new model is. Raises OSError."""
        artefact.write(Path(folder), self.card, pack(self.classes, self.hosts, spread=True))


def pack(classes: Sequence[ServiceModel], hosts: HostModel | None = None, *, spread: bool = False) -> bytes:
    """The service models, and those of windows, as the bytes of an `.npz`; their order is that of the card.

    `spread`: with what drift is told by, which is no part of what a version is named for: it changes no score.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for at, entry in enumerate(classes):
        arrays |= entry.arrays(str(at))
        if spread and entry.reference is not None:
            arrays |= entry.reference.arrays(str(at))
    arrays |= arrays_of(hosts) if hosts is not None else {}
    return artefact.pack(arrays)


def load(path: str | Path = "default", *, alert_budget: float = DEFAULT_BUDGET) -> Model:
    """The model in the folder `path` (or the version that is in use in a registry; `default`: the packaged one).

    `alert_budget`, in incidents a day, sets which flows get reasons. Raises ModelError naming the file and the remedy.
    """
    folder = resolve(path)
    card, arrays = artefact.read(folder)
    where = folder / artefact.CARD
    names = card.get("classes")
    if not isinstance(names, list) or not names or names[-1] != COMMON or not card.get("model_version"):
        raise ModelError(f"{where}: classes (ending in {COMMON!r}) or model_version are missing; train a new model")
    rates = card.get("services")
    for name in names:
        rate = rates.get(name, {}).get("flows_per_day") if isinstance(rates, dict) else None
        if not isinstance(rate, int | float) or not rate >= 0:
            raise ModelError(f"{where}: services.{name}.flows_per_day must be a number; train a new model")
    try:
        classes = tuple(from_arrays(str(name), arrays, str(at)) for at, name in enumerate(names))
        hosts = from_card(card.get("host_windows"), arrays)
    except ValueError as error:
        raise ModelError(f"{folder}: {error}; train a new model") from error
    return Model(classes, card, alert_budget, hosts)


def _spread_over(
    count: int, told: NDArray[np.int64], which: NDArray[np.int64], sentences: Sequence[Sequence[str]]
) -> pa.Array:
    """A list column (count,): row `told[i]` has `sentences[which[i]]`, all others are empty."""
    import pyarrow as pa

    lengths = np.zeros(count, np.int32)
    if len(told):
        sizes = np.array([len(entry) for entry in sentences], np.int32)
        lengths[told] = sizes[which]
        known = pa.array(sentences, pa.list_(pa.string()))
        values = known.take(pa.array(which)).flatten()
    else:
        values = pa.array([], pa.string())
    offsets = np.zeros(count + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), values)

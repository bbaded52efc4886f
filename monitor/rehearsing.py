"""Tries a model on flows: scores them into a store that is thrown away, judges them as a replay would, forgets them.

What is made of the incidents is up to the caller: an evaluation, a comparison of models, a promotion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from monitor.judging import judge

if TYPE_CHECKING:
    import pyarrow as pa

    from monitor.config import Settings
    from monitor.detect import Incident
    from monitor.model import Model
    from monitor.store import Store


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What a model and the hunts made of flows; arrays (n,) in the flows' order."""

    incidents: list[Incident]
    scores: NDArray[np.float32]
    p_values: NDArray[np.float64]


class Rehearsal:
    """Judges one set of flows after another in a store of its own (`open_store("none")`)."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store, self._settings = store, settings
        self._runs = 0

    def judged(self, flows: pa.Table, model: Model | None) -> Rehearsed:
        """Incidents among the flows as one run, and how each flow was scored. Raises StoreError."""
        self._runs += 1
        name = f"rehearsal-{self._runs}"
        self._store.begin_run(name, model_version=model.version if model else "")
        scores, p_values = [np.empty(0, np.float32)], [np.empty(0)]
        for batch in flows.to_batches(max_chunksize=65_536):
            scored = model.score(batch) if model else batch
            scores.append(scored.column("score").to_numpy().astype(np.float32))
            p_values.append(scored.column("p_value").to_numpy())
            self._store.insert_flows(scored)
        self._store.publish_flows()
        found = judge(self._store, self._settings, name, model)
        self._forget(name)
        return Rehearsed(found, np.concatenate(scores), np.concatenate(p_values))

    def _forget(self, name: str) -> None:
        """An empty replay takes the run's place: the store does not grow."""
        self._store.begin_run(name)
        self._store.publish_flows()
        self._store.insert_incidents([])

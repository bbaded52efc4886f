"""Takes flows from the workers' lanes, scores them and stores them, some thousands at a time.

What cannot be stored is counted; it never holds the workers up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from monitor.sensor.messages import unpacked

if TYPE_CHECKING:
    import pyarrow as pa

    from monitor.alerts import Telemetry
    from monitor.model import Model
    from monitor.sensor.crew import Crew
    from monitor.store import Store

MOST: Final = 50_000
"""Rows of an insert: more would keep the newest waiting."""
PAUSE: Final = 1.0
"""Seconds between inserts while few flows come: many small ones cost the store more than few large ones."""


class Recorder:
    """Scores and stores; all in one thread."""

    def __init__(
        self, crew: Crew, store: Store, model: Model | None, telemetry: Telemetry | None, say: Callable[[str], None]
    ) -> None:
        self.model = model
        """Scores from the next batch on; may be replaced from another thread."""
        self.stored = 0
        self.refused = 0
        """Rows that the store did not take."""
        self._crew, self._store, self._telemetry, self._say = crew, store, telemetry, say
        self._well = True

    def turn(self) -> int:
        """Take what waits, up to MOST rows, and store it; gives the rows taken."""
        batches, rows = [], 0
        for message in self._crew.messages():
            batches.append(self._scored(unpacked(message.payload)))
            rows += message.rows
            if rows >= MOST:
                break
        if rows:
            self._insert(_joined(batches))
        return rows

    def run(self, stopping: Callable[[], bool]) -> None:
        """Turn until told to stop, then until nothing waits."""
        while True:
            last = stopping()
            began = time.monotonic()
            rows = self.turn()
            if last and not rows:
                return
            while rows < MOST and not stopping() and time.monotonic() - began < PAUSE:
                time.sleep(0.05)
                if self._crew.fill() > 0.5:
                    break

    def _scored(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return self.model.score(batch) if self.model else batch

    def _insert(self, batch: pa.RecordBatch) -> None:
        from monitor.store import StoreError

        started = time.monotonic()
        written = 0
        try:
            written = self._store.insert_flows(batch)
            self._well = True
        except StoreError as error:
            if self._well:
                self._say(str(error))
            self._well = False
        self.stored += written
        self.refused += batch.num_rows - written
        if self._telemetry is not None:
            self._telemetry.flows(batch, written=written, seconds=time.monotonic() - started)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    import pyarrow as pa

    if len(batches) == 1:
        return batches[0]
    (batch,) = pa.Table.from_batches(batches).unify_dictionaries().combine_chunks().to_batches()
    return batch

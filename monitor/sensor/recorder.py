"""Takes flows from the workers' lanes, scores them, and hands them to the store's writer, some thousands at a time.

Whether the store is there is the writer's matter: it never holds us up, nor we the workers.
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
    from monitor.store import Counts, Writer

MOST: Final = 50_000
"""Rows that are scored before the next look at what waits."""
PAUSE: Final = 0.25
"""Seconds between two looks while few flows come."""


class Recorder:
    """Scores and hands over; all in one thread."""

    def __init__(self, crew: Crew, writer: Writer, model: Model | None, telemetry: Telemetry | None) -> None:
        self.model = model
        """Scores from the next batch on; may be replaced from another thread."""
        self.over = False
        """Set when the time for what waits is over."""
        self._crew, self._writer, self._telemetry = crew, writer, telemetry

    def counts(self) -> Counts:
        """What became of the rows."""
        return self._writer.counts()

    def well(self) -> bool:
        """Whether the store took the latest insert."""
        return self._writer.trouble is None

    def turn(self) -> int:
        """Take what waits, up to MOST rows; gives the rows taken."""
        rows = 0
        for message in self._crew.messages():
            self._one(unpacked(message.payload))
            rows += message.rows
            if rows >= MOST or self.over:
                break
        return rows

    def run(self, stopping: Callable[[], bool]) -> None:
        """Turn until told to stop, then until nothing waits."""
        while not self.over:
            last = stopping()
            rows = self.turn()
            if last and not rows:
                return
            if not last and rows < MOST:
                time.sleep(PAUSE)

    def _one(self, batch: pa.RecordBatch) -> None:
        scored = self.model.score(batch) if self.model else batch
        self._writer.put(scored)
        if self._telemetry is not None:
            self._telemetry.flows(scored, written=0, seconds=0.0)

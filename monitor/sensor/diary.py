"""Writes down what the sensor says of itself, once a minute and at its end; what the store does not take waits on disk.

What it says is up to `health`; the rows are those of `sensor_health`.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from monitor.event_time import datetime_of
from monitor.measures import Measure

if TYPE_CHECKING:
    from monitor.sensor.health import Health
    from monitor.store import Store

EVERY: Final = 60.0
"""Seconds between two entries."""
KEPT: Final = 24 * 60
"""Entries that wait for the store; then the oldest goes: totals of a later one have what it had."""
_NAME: Final = "health.json"


class Entry(NamedTuple):
    """What a sensor said of itself."""

    sensor: str
    at: int
    """Event time, µs."""
    measures: list[Measure]


class Diary:
    """The entries of a sensor, those that earlier runs could not write down first."""

    def __init__(self, sensor: str, store: Callable[[], Store], health: Health, folder: Path) -> None:
        """`store` gives the store when it can be had; entries wait in `folder`, which is that of the spool."""
        self._sensor, self._store, self._health = sensor, store, health
        self._path = folder / _NAME
        self._unwritten: deque[Entry] = deque(self._left(), maxlen=KEPT)
        self._due = time.monotonic() + EVERY
        self._until = 0

    def due(self) -> bool:
        """Whether the latest entry is EVERY seconds old."""
        return time.monotonic() >= self._due

    def note(self) -> None:
        """Make an entry; it waits on disk."""
        self._due = time.monotonic() + EVERY
        until = max(self._health.last_packet(), self._until + 1)
        if until <= 1:
            return  # no worker has looked at the clock yet
        self._until = until
        self._unwritten.append(Entry(self._sensor, until, list(self._health.measures())))
        self._keep()

    def write(self) -> None:
        """Make an entry and write down all that are not. Raises StoreError; they are offered again with the next."""
        self.note()
        store = self._store()
        try:
            while self._unwritten:
                sensor, at, measures = self._unwritten[0]
                store.measure(datetime_of(at), sensor, measures, token=f"health {sensor} {at}")
                self._unwritten.popleft()
        finally:
            self._keep()

    def _keep(self) -> None:
        """Bring the file up to date. A full disk leaves it as it was: what comes again is known by its token."""
        aside = self._path.with_suffix(".part")
        with contextlib.suppress(OSError):
            if self._unwritten:
                aside.write_text(json.dumps(list(self._unwritten)))
                aside.replace(self._path)
            else:
                self._path.unlink(missing_ok=True)

    def _left(self) -> list[Entry]:
        """What waits since an earlier run."""
        try:
            found = json.loads(self._path.read_text())
            return [
                Entry(str(sensor), int(at), [(str(name), str(label), float(value)) for name, label, value in measures])
                for sensor, at, measures in found
            ]
        except (OSError, ValueError, TypeError):
            return []

"""Writes down what the sensor says of itself, once a minute and at its end; keeps what the store does not take.

What it says is up to `health`; the rows are those of `sensor_health`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from monitor.event_time import datetime_of
from monitor.measures import Measure

if TYPE_CHECKING:
    from monitor.sensor.health import Health
    from monitor.store import Store

EVERY: Final = 60.0
"""Seconds between two entries."""
KEPT: Final = 24 * 60
"""Entries that wait for the store; then the oldest goes: totals of a later one have what it had."""


class Diary:
    """The entries of one run of a sensor."""

    def __init__(self, sensor: str, store: Callable[[], Store], health: Health) -> None:
        """`store` gives the store when it can be had."""
        self._sensor, self._store, self._health = sensor, store, health
        self._unwritten: deque[tuple[int, list[Measure]]] = deque(maxlen=KEPT)
        self._due = time.monotonic() + EVERY
        self._until = 0

    def due(self) -> bool:
        """Whether the latest entry is EVERY seconds old."""
        return time.monotonic() >= self._due

    def write(self) -> None:
        """Make an entry and write down all that are not. Raises StoreError; they are offered again with the next."""
        self._due = time.monotonic() + EVERY
        until = max(self._health.last_packet(), self._until + 1)
        if until <= 1:
            return  # no worker has looked at the clock yet
        self._until = until
        self._unwritten.append((until, list(self._health.measures())))
        store = self._store()
        while self._unwritten:
            at, entry = self._unwritten[0]
            store.measure(datetime_of(at), self._sensor, entry, token=f"health {self._sensor} {at}")
            self._unwritten.popleft()

"""Runs the hunts as event time passes, and brings what they find before the docket of live traffic.

What they look for, and what becomes of incidents, is in `detect`; how the two meet is in `judging`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from monitor import recall
from monitor.judging import evidence, live_docket, rules, suppressions, write_down

if TYPE_CHECKING:
    from monitor.alerts import Telemetry
    from monitor.config import Settings
    from monitor.detect import Docket, Event
    from monitor.model import Model
    from monitor.store import Store

LOOKBACK: Final = timedelta(hours=24)
"""Event time that the hunts look over."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Hunting:
    """The hunts of a sensor, and the docket of its incidents."""

    def __init__(
        self, settings: Settings, store: Callable[[], Store], telemetry: Telemetry | None, told: Callable[[Event], None]
    ) -> None:
        """`store` gives the store when it can be had; `told` hears of what becomes of incidents."""
        self.settings = settings
        self.seconds = 0.0
        """What the last hunt took."""
        self._store, self._telemetry, self._told = store, telemetry, told
        self._docket: Docket | None = None
        self._unwritten: list[tuple[str, list[Event]]] = []
        """What the store did not take, with the token of its insert: it is offered again after the next hunt."""
        self._due: int | None = None

    def due(self, event_time: int) -> bool:
        """Whether another interval of event time (µs) has passed; a clock set back begins a new one."""
        if event_time <= 0:
            return False
        if self._due is None or self._due - event_time > self._interval():
            self._due = self._next(event_time)
        return event_time >= self._due

    def run(self, event_time: int, model: Model | None) -> None:
        """Hunt among flows that began before `event_time` (µs). Raises StoreError."""
        from monitor.store import disk_use

        started = time.monotonic()
        self._due = self._next(event_time)
        store = self._store()
        if self._docket is None:  # incidents that an earlier sensor left open go on
            self._docket = live_docket(store, self.settings)
        until = _EPOCH + timedelta(microseconds=event_time)
        found = evidence(store, self.settings, "", model, since=until - LOOKBACK, until=until)
        self._docket.rules = rules(self.settings, suppressions(store, self.settings))
        self._unwritten.append((f"incidents {self.settings.sensor} {event_time}", self._docket.take(found, until)))
        while self._unwritten:  # in order, each as it was: the log is a chain, and an answer may have been lost
            token, events = self._unwritten[0]
            write_down(store, events, self._telemetry, writer=self.settings.sensor, token=token)
            del self._unwritten[0]
            for event in events:
                self._told(event)
        self.seconds = time.monotonic() - started
        if self._telemetry is not None:
            self._telemetry.verdicts(recall.verdicts(store))
            self._telemetry.metrics.last_hunt.set_to_current_time()
            self._telemetry.metrics.hunt_seconds.inc(self.seconds)
            self._telemetry.disk(disk_use(store, self.settings.store.disk_budget))

    def _interval(self) -> int:
        return round(self.settings.live.hunt_interval * 1e6)

    def _next(self, event_time: int) -> int:
        return event_time - event_time % self._interval() + self._interval()

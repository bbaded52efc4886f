"""Runs the hunts as event time passes, and brings what they find before the docket of live traffic.

What they look for, and what becomes of incidents, is in `detect`; how the two meet is in `judging`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from monitor import recall
from monitor.event_time import datetime_of
from monitor.judging import LOOKBACK, evidence, live_docket, rules, suppressions, write_down

if TYPE_CHECKING:
    from monitor.alerts import Telemetry
    from monitor.config import Settings
    from monitor.detect import Docket, Event
    from monitor.model import Model
    from monitor.store import Store

WEEK, HOUR, WEEKS = timedelta(weeks=1), timedelta(hours=1), 4
"""The traffic of an hour is held against the same hour of so many weeks before."""
NORM_EVERY: Final = 600.0
"""Seconds between two such looks."""
FURTHER_EVERY: Final = 3_600_000_000
"""µs of event time between two looks over days, at what is too slow for `LOOKBACK`."""


class Hunting:
    """The hunts of a sensor, and the docket of its incidents."""

    def __init__(
        self, settings: Settings, store: Callable[[], Store], telemetry: Telemetry | None, told: Callable[[Event], None]
    ) -> None:
        """`store` gives the store when it can be had; `told` hears of what becomes of incidents."""
        self.settings = settings
        self._store, self._telemetry, self._told = store, telemetry, told
        self._docket: Docket | None = None
        self._unwritten: list[tuple[str, list[Event]]] = []
        """What the store did not take, with the token of its insert: it is offered again after the next hunt."""
        self._due: int | None = None
        self._norm_due = 0.0
        self._looked_further: int | None = None
        """Hour of event time of the last look over days."""

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
        until = datetime_of(event_time)
        hour = event_time // FURTHER_EVERY
        further = hour != self._looked_further
        found = evidence(store, self.settings, "", model, since=until - LOOKBACK, until=until, further=further)
        self._looked_further = hour
        self._docket.rules = rules(self.settings, suppressions(store, self.settings))
        self._unwritten.append((f"incidents {self.settings.sensor} {event_time}", self._docket.take(found, until)))
        while self._unwritten:  # in order, each as it was: the log is a chain, and an answer may have been lost
            token, events = self._unwritten[0]
            write_down(store, events, self._telemetry, writer=self.settings.sensor, token=token)
            del self._unwritten[0]
            for event in events:
                self._told(event)
        seconds = time.monotonic() - started
        if self._telemetry is not None:
            self._telemetry.verdicts(recall.verdicts(store))
            self._telemetry.metrics.last_hunt.set_to_current_time()
            self._telemetry.metrics.hunt_seconds.inc(seconds)
            self._telemetry.disk(disk_use(store, self.settings.store.disk_budget))
            if time.monotonic() >= self._norm_due:
                self._norm_due = time.monotonic() + NORM_EVERY
                norm = self.norm(store, event_time)
                self._telemetry.metrics.traffic_norm.set(math.nan if norm is None else norm)

    def norm(self, store: Store, event_time: int) -> float | None:
        """Packets of the hour before `event_time` (µs) over those of that hour weeks before; None without any."""
        until = datetime_of(event_time)
        hours = [(until - WEEK * week - HOUR, until - WEEK * week) for week in range(WEEKS + 1)]
        within = " OR ".join(
            f"(start >= {{a{n}:DateTime64(6)}} AND start < {{b{n}:DateTime64(6)}})" for n in range(len(hours))
        )
        asked = {f"{side}{n}": moment for n, pair in enumerate(hours) for side, moment in zip("ab", pair, strict=True)}
        sql = (
            "SELECT intDiv(dateDiff('second', start, {b0:DateTime64(6)}), 604800) AS week, "  # noqa: S608  (our numbers)
            f"sum(src_packets + dst_packets) AS packets FROM flows WHERE run_id = '' AND ({within}) GROUP BY week"
        )
        found = {row["week"]: row["packets"] for row in store.query(sql, asked).to_pylist()}
        before = [packets for week, packets in found.items() if week > 0]
        return found.get(0, 0) / (sum(before) / len(before)) if before else None

    def _interval(self) -> int:
        return round(self.settings.live.hunt_interval * 1e6)

    def _next(self, event_time: int) -> int:
        return event_time - event_time % self._interval() + self._interval()

"""Replays packets at the pace at which they came, or faster, in small batches as a live source has them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from monitor.event_time import microseconds

if TYPE_CHECKING:
    from monitor.capture import PacketBatch

SLICE = 0.2
"""Seconds of wall time that a batch spans."""
_POLL = 0.1


def paced(batches: Iterable[PacketBatch], speed: float, stopped: Callable[[], bool]) -> Iterator[PacketBatch]:
    """The packets in batches of `SLICE`, each when it is due at `speed` times event time; ends when `stopped`."""
    import numpy as np

    began, origin, reached = 0.0, 0, -(2**62)
    for batch in batches:
        if not began:
            origin, began = int(batch.time[0]), time.monotonic()
        times = np.maximum.accumulate(np.maximum(batch.time, reached))
        reached = int(times[-1])
        span = round(SLICE * speed * 1e6)
        at = 0
        while at < len(batch):
            slot = (int(times[at]) - origin) // span
            end = int(np.searchsorted(times, origin + (slot + 1) * span))
            due = began + ((slot + 1) * span) / speed / 1e6
            while (left := due - time.monotonic()) > 0:
                if stopped():
                    return
                time.sleep(min(left, _POLL))
            yield batch.part(slice(at, end))
            at = end


def within(batches: Iterable[PacketBatch], since: datetime | None, until: datetime | None) -> Iterator[PacketBatch]:
    """The packets from `since` until before `until` (UTC)."""
    first, last = (None if bound is None else microseconds(bound) for bound in (since, until))
    if first is None and last is None:
        yield from batches
        return
    for batch in batches:
        kept = (batch.time >= (first if first is not None else -(2**62))) & (
            batch.time < (last if last is not None else 2**62)
        )
        if kept.all():
            yield batch
        elif kept.any():
            yield batch.part(kept)

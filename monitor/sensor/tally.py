"""What a worker counts, in memory shared with the main process: it outlives the worker, and tells what was lost.

The worker writes after each block of packets, before it gives the block back; the main process reads (but tells of the
kernel's drops), and starts the page anew for a new worker.
"""

from __future__ import annotations

import mmap
import os
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

RINGS: Final = 16
"""Most interfaces of a sensor."""

MIRROR: Final = ("connections", "one_sided", "payload", "missed")
"""What flows tell about the mirror (`monitor.flows.Mirror`); fields of PAGE."""

PAGE = np.dtype(
    [
        ("outcomes", "i8", (32,)),  # packets by Outcome
        ("bytes", "i8"),
        ("flows", "i8"),  # that ended
        ("evicted", "i8"),
        ("active", "i8"),
        ("payload_filled", "f8"),  # how full the memory for first payloads is, 0 to 1
        ("clock_steps", "i8"),
        ("oversized", "i8"),  # frames that an offload merged
        ("hardware", "i8"),  # packets with a card's stamp
        ("skipped", "i8"),  # packets of blocks at which the worker before had died
        ("kernel_drops", "i8"),  # packets that the kernel dropped for this worker; the main process tells us
        ("connections", "i8"),  # TCP flows that tell something about the mirror
        ("one_sided", "i8"),  # of which one direction was never seen
        ("payload", "i8"),  # bytes of TCP payload by sequence number
        ("missed", "i8"),  # of which never seen
        ("unnamed", "i8"),  # flows whose names were not read to their end
        ("evidence_lost", "i8"),  # packets that did not get into the evidence ring
        ("evidence_bytes", "i8"),
        ("event_time", "i8"),  # µs: no packet from before it is still to come
        ("last_packet", "i8"),  # µs: event time of the latest packet
        ("alive", "i8"),  # monotonic ns of the last turn of the loop
        ("ready", "i8"),  # 1: kernels are loaded
        ("reading", "i8", (RINGS,)),  # sequence number of the block being read in each ring, 0: none
        ("waiting", "i8", (RINGS,)),  # blocks that wait in each ring
    ],
    align=True,
)


class Tally:
    """One worker's page."""

    def __init__(self, descriptor: int) -> None:
        """`descriptor`: of `new_tally`."""
        self._map = mmap.mmap(descriptor, PAGE.itemsize)
        self._array: NDArray[Any] = np.frombuffer(self._map, PAGE)
        self.page = self._array[0]

    def copy(self) -> Any:
        """The counters as they stand: a record of PAGE."""
        return self.page.copy()

    def restart(self) -> None:
        """Zero for a new worker, which must know at which block the last one died."""
        reading = self.page["reading"].copy()
        self._array[0] = np.zeros((), PAGE)
        self.page["reading"] = reading


def new_tally(name: str) -> int:
    """Descriptor of a new page's memory."""
    descriptor = os.memfd_create(name)
    os.ftruncate(descriptor, PAGE.itemsize)
    return descriptor

"""Packets off the wire: takes blocks from the rings of one or more interfaces in the order of time; the wall clock.

Sockets are opened by `taps` in another process, which may outlive this one: a ring is taken over where it was left.
This is the one place of the packet path that looks at the wall clock.
"""

from __future__ import annotations

import select
import socket
import time
from dataclasses import dataclass
from typing import Final

from monitor.capture.packet_socket import RingShape
from monitor.capture.ring import Block, Ring

CLOCK_TOLERANCE: Final = 60 * 1_000_000
"""µs that a card's stamps may be off the wall clock before they are given up: its clock is not set."""


def wall_clock() -> int:
    """µs since 1970 UTC, now: the clock by which the kernel stamps packets."""
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class Opened:
    """What a worker must know of a ring that was opened for it."""

    descriptor: int
    shape: RingShape
    link: int
    longest: int
    """Bytes of the longest frame that the interface's MTU lets through."""


class LiveCapture:
    """The rings of one worker. Take a block, use it, release it; nothing is copied."""

    def __init__(self) -> None:
        self._rings: dict[int, tuple[Ring, socket.socket]] = {}
        self._poll = select.poll()
        self._current: Ring | None = None

    def add(self, place: int, opened: Opened) -> None:
        """Read this ring from now on, in the place of an earlier one with that number (its interface came back)."""
        self.remove(place)
        taken = socket.socket(fileno=opened.descriptor)
        ring = Ring(opened.descriptor, opened.shape, opened.link, opened.longest)
        self._rings[place] = (ring, taken)
        self._poll.register(opened.descriptor, select.POLLIN | select.POLLERR)

    def remove(self, place: int) -> None:
        """Forget a ring; what is in it is lost, so `next` should have said that nothing is."""
        if place in self._rings:
            _, taken = self._rings.pop(place)
            self._poll.unregister(taken.fileno())
            taken.close()

    @property
    def rings(self) -> dict[int, Ring]:
        """The rings by their number."""
        return {place: ring for place, (ring, _) in self._rings.items()}

    def next(self, patience: float) -> tuple[int, Ring] | None:
        """Number and ring of the oldest block that waits; None when none came for `patience` seconds."""
        ready = self._ready()
        if ready is None and self._rings:
            for descriptor, _ in self._poll.poll(patience * 1000):
                self._clear_error(descriptor)
            ready = self._ready()
        elif ready is None:
            time.sleep(patience)
        return ready

    def _ready(self) -> tuple[int, Ring] | None:
        found = [(ring.first_time(), place) for place, (ring, _) in self._rings.items() if ring.ready()]
        if not found:
            return None
        place = min(found)[1]
        return place, self._rings[place][0]

    def _clear_error(self, descriptor: int) -> None:
        """An interface that goes down leaves an error on the socket, which would wake us for ever."""
        for _, taken in self._rings.values():
            if taken.fileno() == descriptor:
                taken.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def clock_is_off(block: Block) -> bool:
    """Whether the card's stamps in this block have nothing to do with the wall clock."""
    if not block.hardware or not len(block.batch):
        return False
    return abs(int(block.batch.time[-1]) - wall_clock()) > CLOCK_TOLERANCE

"""A lane of shared memory from a worker to the main process: messages in a ring that keeps the newest, losses counted.

One process writes, one reads; neither ever waits for the other, and either may be killed at any moment and replaced.
What a message means is up to its users.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_PAGE: Final = 4096
_SLOT_HEADER: Final = 64
_POPULATE_WRITE: Final = 23
"""madvise(2): MADV_POPULATE_WRITE."""
# Words (i64) of the lane's page, and of a slot's header.
_WRITTEN, _CONSUMED, _ROWS, _TAKEN = 0, 1, 2, 3
_BEGUN, _ENDED, _LENGTH, _COUNT, _BEFORE = 0, 1, 2, 3, 4


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was read whole."""

    payload: bytes
    rows: int
    lost: int
    """Rows of messages that were overwritten before they were read, between the last one and this."""


class Lane:
    """Fixed memory behind a descriptor; both sides open the same one.

    Rows are counted from the lane's beginning: how many were written before each message, and up to where they were
    read. So what was overwritten is known exactly.
    """

    def __init__(self, descriptor: int, slots: int, slot_bytes: int) -> None:
        """`descriptor`: of `new_lane`; `slot_bytes`: longest message."""
        self.slots = slots
        self.longest = slot_bytes
        self._stride = _SLOT_HEADER + slot_bytes
        self._map = mmap.mmap(descriptor, lane_size(slots, slot_bytes))
        octets: NDArray[np.uint8] = np.frombuffer(self._map, np.uint8)
        self._page = octets[:_PAGE].view(np.int64)
        self._slots = [octets[begin : begin + self._stride] for begin in range(_PAGE, len(octets), self._stride)]
        self._heads = [slot[:_SLOT_HEADER].view(np.int64) for slot in self._slots]

    def reserve(self) -> None:
        """Have all of the memory now: else it is taken slot by slot, as messages of each length come."""
        with contextlib.suppress(OSError):  # Linux before 5.14
            self._map.madvise(_POPULATE_WRITE)

    def put(self, payload: memoryview, rows: int) -> None:
        """Write a message of `rows` rows over the oldest one. ValueError when it is too long."""
        if len(payload) > self.longest:
            raise ValueError(f"a message of {len(payload)} bytes; the lane takes {self.longest}")
        number = int(self._page[_WRITTEN]) + 1
        place = number % self.slots
        head = self._heads[place]
        head[_BEGUN] = number  # from here on a reader of what stood here sees that it is gone
        self._slots[place][_SLOT_HEADER : _SLOT_HEADER + len(payload)] = np.frombuffer(payload, np.uint8)
        head[_LENGTH], head[_COUNT], head[_BEFORE] = len(payload), rows, self._page[_ROWS]
        self._page[_ROWS] += rows
        head[_ENDED] = number
        self._page[_WRITTEN] = number

    def take(self) -> Message | None:
        """The oldest message that is still there, None when all were read."""
        while True:
            written, wanted = int(self._page[_WRITTEN]), int(self._page[_CONSUMED]) + 1
            if wanted > written:
                return None
            wanted = max(wanted, written - self.slots + 1)
            place = wanted % self.slots
            head = self._heads[place].copy()
            payload = self._slots[place][_SLOT_HEADER : _SLOT_HEADER + int(head[_LENGTH])].tobytes()
            if int(head[_ENDED]) == wanted == int(self._heads[place][_BEGUN]):
                break
            self._page[_CONSUMED] = wanted  # overwritten while we read it: the next one tells what is lost
        lost = int(head[_BEFORE]) - int(self._page[_TAKEN])
        self._page[_CONSUMED] = wanted
        self._page[_TAKEN] = int(head[_BEFORE]) + int(head[_COUNT])
        return Message(payload, int(head[_COUNT]), lost)

    def waiting(self) -> int:
        """Messages that were written and not read, those overwritten left out."""
        return min(int(self._page[_WRITTEN] - self._page[_CONSUMED]), self.slots)

    def rows(self) -> int:
        """Rows that were written since the lane was made."""
        return int(self._page[_ROWS])

    def left(self) -> int:
        """Rows that were written and not read, whether they still wait or were overwritten."""
        return int(self._page[_ROWS] - self._page[_TAKEN])

    def full(self) -> bool:
        """Whether the next message overwrites one that was not read."""
        return self.waiting() >= self.slots


def lane_size(slots: int, slot_bytes: int) -> int:
    """Bytes of a lane's memory."""
    return _PAGE + slots * (_SLOT_HEADER + slot_bytes)


def new_lane(name: str, slots: int, slot_bytes: int) -> int:
    """Descriptor of a new lane's memory; it has no name in any file system and goes with its last process."""
    if slot_bytes % 64:
        raise ValueError("slot_bytes must be a multiple of 64")
    descriptor = os.memfd_create(name)
    os.ftruncate(descriptor, lane_size(slots, slot_bytes))
    return descriptor

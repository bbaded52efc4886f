"""Reads one plain capture file in stretches, several at once: each begins at what looks like a record.

A guess counts only when the stretch before it ended right there; otherwise the stretch is read again from where that
ended. So the packets are those of a reader that goes from the first byte to the last.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from monitor.background import in_order
from monitor.capture.errors import BrokenCaptureError
from monitor.capture.packets import PacketBatch
from monitor.capture.pcap import PcapScanner
from monitor.capture.scan import Rows, fill

STRETCH: Final = 2 * 1024 * 1024
"""Bytes of a stretch: it stays in the processor's cache from the copy to the search."""
_TAIL: Final = 128 * 1024
"""Bytes beyond a stretch's end that are read with it, for the record that lies across."""
_AHEAD: Final = 4
"""Stretches that may be read before the one at hand is used."""
THREADS: Final = 2
"""That read and search; more would wait for memory."""


Found = TypeVar("Found")


@dataclass(slots=True)
class Stretch(Generic[Found]):
    """The packets whose records begin in one stretch of a file."""

    first: int
    """Offset in the file of the first record; -1: none was found."""
    last: int
    """Offset after the last."""
    packets: int = 0
    found: list[Found] = field(default_factory=list)
    wrong: str | None = None
    """As `fill` says: why there is nothing after it."""


class Stretches:
    """One capture file in classic pcap. The descriptor must stay open while it is read."""

    def __init__(
        self, descriptor: int, scanner: PcapScanner, first: int, batch_packets: int, stretch: int = STRETCH
    ) -> None:
        """`first`: offset of the first record; `stretch`: bytes of each."""
        self._descriptor = descriptor
        self._scanner = scanner
        self._first = first
        self._rows = batch_packets
        self._stretch = stretch
        self._size = os.fstat(descriptor).st_size
        self._buffers = _Buffers(stretch + _TAIL)

    def read(self, look: Callable[[PacketBatch], Found | None]) -> Iterator[Stretch[Found]]:
        """The stretches in their order, with what `look` found in each batch, if it found something.

        It is called where the batch was read: for several at once, in any order, and for some that count for nothing.
        """
        count = -(-self._size // self._stretch)
        jobs = (partial(self._read, number, None if number else self._first, look) for number in range(count))
        expected = self._first
        for number, stretch in enumerate(in_order(jobs, threads=THREADS, ahead=_AHEAD, name="read")):
            if expected >= (number + 1) * self._stretch:  # within a record longer than that
                continue
            if stretch.first != expected:
                stretch = self._read(number, expected, look)
            yield stretch
            expected = stretch.last
            if stretch.wrong is not None:
                return

    def _read(self, number: int, first: int | None, look: Callable[[PacketBatch], Found | None]) -> Stretch[Found]:
        """One of them, from its record at `first`, or from the first that looks like one."""
        begin = number * self._stretch if first is None else first
        window = _StretchWindow(self._descriptor, self._buffers, begin, (number + 1) * self._stretch, self._size)
        if first is None:
            window.at = self._scanner.likely_record(window.data, min(window.stop, window.end), window.end)
            if window.at < 0:
                return Stretch(-1, -1)
        stretch: Stretch[Found] = Stretch(begin + window.at, -1)
        while stretch.wrong is None and window.at < window.stop:
            rows = Rows(self._rows)
            stretch.wrong = fill(self._scanner, window, rows)
            if rows.count:
                stretch.packets += rows.count
                batch = rows.batch(window.data)
                seen = look(batch)
                if seen is not None:
                    stretch.found.append(seen)
        stretch.last = begin + window.at
        return stretch


class _Buffers:
    """Blocks of bytes, used again when no batch lies in them any more: new memory costs as much as copying into it."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._blocks: list[NDArray[np.uint8]] = []

    def take(self) -> NDArray[np.uint8]:
        """A block that nobody else holds; its views count as holding it."""
        with self._lock:
            for number in range(len(self._blocks)):
                if sys.getrefcount(self._blocks[number]) == _UNHELD:
                    return self._blocks[number]
            fresh: NDArray[np.uint8] = np.empty(self._size, np.uint8)
            self._blocks.append(fresh)
            return fresh


_UNHELD: Final = 1 + 1  # the list's reference and getrefcount's argument


class _StretchWindow:
    """The bytes of a stretch and a little more (see `scan.Window`), copied: the file may change meanwhile."""

    def __init__(self, descriptor: int, buffers: _Buffers, begin: int, stop: int, size: int) -> None:
        self._descriptor = descriptor
        self._size = size
        self._short = False
        self.base = begin
        self.stop = min(stop, size) - begin
        self.at = 0
        self.end = 0
        self.need = 0
        self._buffer = buffers.take()
        self._read()

    def _read(self) -> None:
        """Fill the buffer as far as the file goes."""
        wanted = min(len(self._buffer), self._size - self.base)
        while self.end < wanted:
            got = os.preadv(self._descriptor, [self._buffer.data[self.end : wanted]], self.base + self.end)
            if not got:
                self._short = True
                break
            self.end += got
        self.data = self._buffer.view()
        self.data.flags.writeable = False

    def more(self) -> bool:
        """Make room for the record at the position, which is longer than what is read beyond a stretch."""
        if self._short or self.base + self.end == self._size:
            return False
        longer: NDArray[np.uint8] = np.empty(min(self.at + self.need + _TAIL, self._size - self.base), np.uint8)
        longer[: self.end] = self._buffer[: self.end]
        self._buffer = longer
        self._read()
        return True

    def fits(self) -> bool:
        """Whether `more` leaves what was scanned in its place: always."""
        return True

    def paused(self) -> bool:
        """A file never makes its reader wait."""
        return False

    def begin_batch(self) -> None:
        """Nothing to give back. BrokenCaptureError if the file ended early."""
        if self._short:
            raise BrokenCaptureError("the file was made shorter while it was being read")

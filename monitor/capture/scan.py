"""What the scanners of all capture formats share: rows to fill, reasons to stop, limits to believe in.

A scanner knows one format; a window (see `windows`) holds the bytes; the reader brings the two together.
"""

from __future__ import annotations

import sys
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from monitor.capture.errors import BrokenCaptureError
from monitor.capture.packets import Interface, PacketBatch

# Why a scan stopped. Formats add their own from DAMAGED on.
FULL: Final = 0
"""The rows are full, or the batch spans enough bytes."""
MORE: Final = 1
"""The next record is not all here."""
DAMAGED: Final = 2
"""This and above: the record at the window's position cannot be true."""

MAX_PACKET: Final = 262_144
"""Longest packet to believe in: libpcap's MAXIMUM_SNAPLEN, Wireshark's WTAP_MAX_PACKET_SIZE_STANDARD."""
MAX_MESSAGE: Final = 128 * 1024 * 1024
"""The same for link types that carry whole messages (libpcap's MAXIMUM_DBUS_SNAPLEN, USB transfers)."""
_MESSAGE_LINKS: Final = frozenset({189, 220, 231, 249, 279})  # USB_LINUX, .._MMAPPED, DBUS, USBPCAP, EBHSCR

BATCH_SPAN: Final = 8 * 1024 * 1024
"""Most bytes of a capture that one batch lies across, so that memory does not depend on packet sizes."""

_LINK_OF_DLT: Final = {12: 101, 14: 101}
"""Raw IP as the DLT_RAW numbers of Linux and OpenBSD, which some tools write instead of LINKTYPE_RAW."""


def link_type(number: int) -> int:
    """The tcpdump registry's LINKTYPE_ for what a file says (16 bits)."""
    return _LINK_OF_DLT.get(number, number)


def longest_packet(link: int) -> int:
    """Most captured bytes that a packet of this link type may claim to have."""
    return MAX_MESSAGE if link in _MESSAGE_LINKS else MAX_PACKET


class Rows:
    """Facts about the packets of one batch, under construction: arrays of fixed length and how far they are filled."""

    __slots__ = ("_block", "captured", "count", "interface", "link", "offset", "time", "wire")
    _ROW = 30
    """Bytes of all six facts."""

    def __init__(self, capacity: int) -> None:
        self.count = 0
        self._block = np.empty(capacity * self._ROW, np.uint8)
        part = np.split(self._block, [capacity * n for n in (8, 16, 20, 24, 28)])
        self.offset: NDArray[np.int64] = part[0].view(np.int64)
        self.time: NDArray[np.int64] = part[1].view(np.int64)
        self.captured: NDArray[np.uint32] = part[2].view(np.uint32)
        self.wire: NDArray[np.uint32] = part[3].view(np.uint32)
        self.interface: NDArray[np.uint32] = part[4].view(np.uint32)
        self.link: NDArray[np.uint16] = part[5].view(np.uint16)

    def batch(self, data: NDArray[np.uint8]) -> PacketBatch:
        """The filled part as a batch of packets that lie in `data`."""
        n = self.count
        return PacketBatch(
            data,
            self.offset[:n],
            self.captured[:n],
            self.wire[:n],
            self.time[:n],
            self.link[:n],
            self.interface[:n],
        )

    def free(self) -> bool:
        """Whether no batch lies in these rows any more: nothing but the six arrays refers to the block."""
        return sys.getrefcount(self._block) == _FREE_BLOCK


_FREE_BLOCK: Final = 1 + 6 + 1  # the attribute, the base of each array, and the argument of getrefcount


class RowStock:
    """Rows to fill, used again when the batches made of them are gone: new memory costs more than filling it."""

    _KEPT = 4

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._stock: list[Rows] = []

    def take(self) -> Rows:
        """Empty rows that no batch lies in."""
        for rows in self._stock:
            if rows.free():
                rows.count = 0
                return rows
        rows = Rows(self._capacity)
        if len(self._stock) < self._KEPT:
            self._stock.append(rows)
        return rows


class Window(Protocol):
    """A stretch of a capture's (uncompressed) bytes, and the reading position in it."""

    data: NDArray[np.uint8]
    """Read-only bytes."""
    at: int
    """Index in `data` of the next record."""
    end: int
    """Index after the last byte present."""
    base: int
    """Offset in the stream of `data[0]`."""
    need: int
    """Bytes from `at` on that the record there is known to want; set by a scan that stops for MORE."""


class Scanner(Protocol):
    """Walks the records of one format."""

    interfaces: list[Interface]
    """Those that packets so far may have come by; it only grows."""

    def scan(self, window: Window, rows: Rows, stop: int) -> int:
        """Fill `rows` from `window.at` on, moving it; no record is begun at or after index `stop` of its data.

        Returns FULL, MORE (`window.need` is set) or a kind of damage for `explain`.
        """

    def explain(self, status: int, window: Window) -> str:
        """In words, what is wrong with the record at `window.at`."""


class Source(Window, Protocol):
    """A window that goes on: what `fill` asks of it."""

    @property
    def stop(self) -> int:
        """Index at which this batch ends, however few packets it has."""

    def begin_batch(self) -> None:
        """A batch begins at the position. BrokenCaptureError when nothing more can be read."""

    def more(self) -> bool:
        """Read on; False at the end."""

    def fits(self) -> bool:
        """Whether `more` leaves the rows' packets in their place."""

    def paused(self) -> bool:
        """Whether the packets so far should not wait for more."""


def fill(scanner: Scanner, window: Source, rows: Rows) -> str | None:
    """Fill the rows of one batch; returns None to go on with another, "" at a good end, else what is wrong."""
    try:
        window.begin_batch()
        while True:
            status = scanner.scan(window, rows, window.stop)
            if status == FULL:
                return None
            if status != MORE:
                return scanner.explain(status, window)
            if rows.count and (not window.fits() or window.paused()):
                return None
            if not window.more():
                return scanner.explain(MORE, window) if window.at < window.end else ""
    except BrokenCaptureError as error:
        return error.reason

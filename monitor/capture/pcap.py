"""Classic pcap: its file header, and the kernel that walks its records.

Formats: draft-ietf-opsawg-pcap; the nanosecond magic of Wireshark and libpcap; Kuznetzov's modified pcap, whose record
headers are 8 bytes longer. Where the bytes come from is the business of `windows`.
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.capture.ahead import FIRST_LOOK, walk_pcap
from monitor.capture.byteorder import u32
from monitor.capture.errors import BrokenCaptureError
from monitor.capture.packets import Interface
from monitor.capture.scan import DAMAGED, FULL, MORE, Rows, Window, link_type, longest_packet
from monitor.jit import inlined, kernel

FILE_HEADER: Final = 24

_MAGIC: Final = {  # magic number: (ticks in a µs, length of a record header)
    0xA1B2C3D4: (1, 16),
    0xA1B23C4D: (1000, 16),
    0xA1B2CD34: (1, 24),
}
_FCS_BITS: Final = 0xFC000000
"""Upper bits of the link-type field: length of the frame check sequence and whether it is known."""

_TOO_LONG: Final = DAMAGED

_CHAIN: Final = 8
"""Records that have to follow one another where a guess begins."""
_DAY: Final = 86_400


def is_pcap(head: bytes) -> bool:
    """Whether a file that begins with these four bytes is classic pcap."""
    return len(head) >= 4 and (_magic(head, "<") in _MAGIC or _magic(head, ">") in _MAGIC)


def _magic(head: bytes, order: str) -> int:
    return int(struct.unpack_from(order + "I", head)[0])


class PcapScanner:
    """Scanner (see `scan.Scanner`) of one classic pcap stream."""

    def __init__(self, head: bytes) -> None:
        """`head`: the first 24 bytes, for which `is_pcap` holds; BrokenCaptureError if they cannot be true."""
        self._order = ">" if _magic(head, ">") in _MAGIC else "<"
        magic, major, minor, _, _, snaplen, network = struct.unpack(self._order + "IHHIIII", head[:FILE_HEADER])
        if (major, minor) not in {(2, n) for n in range(5)} | {(543, 0)}:
            raise BrokenCaptureError(f"pcap version {major}.{minor} is unknown (2.4 is usual)")
        if network & ~_FCS_BITS > 0xFFFF:
            raise BrokenCaptureError(f"link type {network:#x} has bits set that mean nothing")
        self._ticks, self._header = _MAGIC[magic]
        self.link = link_type(network & 0xFFFF)
        self._limit = longest_packet(self.link)
        clock = 6 if self._ticks == 1 else 9
        self.interfaces = [Interface(self.link, snaplen, clock, 0, self._order == ">", self._header)]

    def scan(self, window: Window, rows: Rows, stop: int) -> int:
        big = self._order == ">"
        status, window.at, rows.count, window.need = _scan(
            window.data, window.at, window.end, stop, big, self._header, self._ticks, self._limit,
            self.link, rows.offset, rows.captured, rows.wire, rows.time, rows.link, rows.interface, rows.count,
        )  # fmt: skip
        return int(status)

    def likely_record(self, data: NDArray[np.uint8], stop: int, end: int) -> int:
        """Index before `stop` of what looks like the first record in `data[:end]`; -1: nothing does. May be wrong."""
        return int(_likely(data, stop, end, self._order == ">", self._header, self._ticks, self._limit))

    def explain(self, status: int, window: Window) -> str:
        if status == _TOO_LONG:
            (length,) = struct.unpack(self._order + "I", window.data[window.at + 8 : window.at + 12].tobytes())
            return f"a packet claims {length} captured bytes, and {self._limit} is the most for link type {self.link}"
        present = window.end - window.at
        if present < self._header:
            return f"the header of a packet is cut short ({present} of {self._header} bytes)"
        return f"a packet is cut short ({present - self._header} of {window.need - self._header} bytes)"


@kernel
def _scan(
    data: NDArray[np.uint8],
    at: int,
    end: int,
    stop: int,
    big: bool,
    header: int,
    ticks: int,
    limit: int,
    network: int,
    offset: NDArray[np.int64],
    captured: NDArray[np.uint32],
    wire: NDArray[np.uint32],
    time: NDArray[np.int64],
    link: NDArray[np.uint16],
    interface: NDArray[np.uint32],
    count: int,
) -> tuple[int, int, int, int]:
    """Rows of the records in `data[at:end]`; returns (status, position, rows filled, bytes wanted from there)."""
    capacity = len(offset)
    begin, done, ahead = at, count, at + FIRST_LOOK
    while count < capacity and at < stop:
        if at >= ahead:
            average = (at - begin) // max(count - done, 1)
            ahead = walk_pcap(data, at, min(stop, at + (capacity - count) * average), average, big, header)
        if end - at < header:
            return MORE, at, count, header
        length = u32(data, at + 8, big)
        if length > limit:
            return _TOO_LONG, at, count, 0
        if end - at - header < length:
            return MORE, at, count, header + length
        n = np.uint64(count)
        offset[n] = at + header
        captured[n] = length
        wire[n] = u32(data, at + 12, big)
        fraction = u32(data, at + 4, big)
        time[n] = u32(data, at, big) * 1_000_000 + (fraction if ticks == 1 else fraction // 1000)
        link[n] = network
        interface[n] = 0
        at += header + length
        count += 1
    if count < capacity and at >= end:
        return MORE, at, count, header
    return FULL, at, count, 0


@inlined
def _sound(data: NDArray[np.uint8], at: int, big: bool, ticks: int, limit: int, near: int) -> bool:
    """Whether the bytes look like a record: of about the time `near`, and no longer than it was on the wire."""
    length = u32(data, at + 8, big)
    if length == 0 or length > limit or u32(data, at + 12, big) < length:
        return False
    return abs(u32(data, at, big) - near) < _DAY and u32(data, at + 4, big) < 1_000_000 * ticks


@kernel
def _likely(data: NDArray[np.uint8], stop: int, end: int, big: bool, header: int, ticks: int, limit: int) -> int:
    """First index at which `_CHAIN` records in a row look sound, or as many as there are up to `end`."""
    for first in range(min(stop, end - header)):
        at, near, found = first, u32(data, first, big), 0
        while found < _CHAIN and at + header <= end and _sound(data, at, big, ticks, limit, near):
            near = u32(data, at, big)
            at += header + u32(data, at + 8, big)
            found += 1
        if found and (found == _CHAIN or at + header > end):
            return first
    return -1

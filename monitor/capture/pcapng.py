"""pcapng: sections and their interfaces, and the kernel that walks the packet blocks.

Format: draft-ietf-opsawg-pcapng. Packets are in Enhanced, Simple and (obsolete) Packet Blocks; Section Headers and
Interface Descriptions are read here in Python, everything else is stepped over. Timestamps are in `ticks`.
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.capture.ahead import FIRST_LOOK, walk_pcapng
from monitor.capture.byteorder import u16, u32
from monitor.capture.errors import BrokenCaptureError
from monitor.capture.packets import NO_CLOCK, Interface
from monitor.capture.scan import DAMAGED, FULL, MAX_PACKET, MORE, Rows, Window, link_type, longest_packet
from monitor.capture.ticks import TIME_COLUMNS, clock_row, to_micros
from monitor.jit import inlined, kernel

SECTION_HEADER: Final = 0x0A0D0D0A
_INTERFACE, _PACKET, _SIMPLE, _ENHANCED = 1, 2, 3, 6
_BYTE_ORDER: Final = 0x1A2B3C4D
_MAX_INTERFACES: Final = 65536
"""Interfaces that one section may describe: bounds what a hostile file makes us remember."""
_MOST_INTERFACES: Final = 1 << 20
"""The same for all sections of a file."""
_LONGEST_NAME: Final = 64
_MAX_BLOCK: Final = 16 * 1024 * 1024
"""Longest block to believe in (libpcap's INITIAL_MAX_BLOCKSIZE), where no link type asks for more."""
_OPTIONS_ROOM: Final = 32 + 128 * 1024

# Why the kernel stopped, beyond FULL and MORE: first the blocks that Python reads, then what cannot be true.
_AT_SECTION, _AT_INTERFACE = -1, -2
_BAD_LENGTH, _BAD_TRAILER, _TOO_SHORT, _NO_INTERFACE, _BAD_CAPTURED, _TOO_LONG = range(DAMAGED, DAMAGED + 6)

# Columns of the interface table, after those of the clock.
_LINK, _SNAPLEN, _LIMIT = TIME_COLUMNS, TIME_COLUMNS + 1, TIME_COLUMNS + 2
_COLUMNS: Final = TIME_COLUMNS + 3


class PcapngScanner:
    """Scanner (see `scan.Scanner`) of one pcapng stream."""

    def __init__(self) -> None:
        self._order = "<"
        self._interfaces: NDArray[np.uint64] = np.zeros((4, _COLUMNS), np.uint64)
        self._described = 0
        self._max_block = _MAX_BLOCK
        self._last_time = 0
        self.interfaces: list[Interface] = []

    def scan(self, window: Window, rows: Rows, stop: int) -> int:
        while True:
            status, window.at, rows.count, window.need, self._last_time = _scan(
                window.data, window.at, window.end, stop, self._order == ">", self._interfaces, self._described,
                self._max_block, self._last_time, len(self.interfaces) - self._described,
                rows.offset, rows.captured, rows.wire, rows.time, rows.link, rows.interface, rows.count,
            )  # fmt: skip
            if status == _AT_SECTION:
                status = self._begin_section(window)
            elif status == _AT_INTERFACE:
                status = self._add_interface(window)
            if status != FULL or rows.count == len(rows.offset) or window.at >= stop:
                return int(status)

    def _begin_section(self, window: Window) -> int:
        """Read the Section Header Block at the position: byte order and version; forget the interfaces."""
        window.need = 28
        if window.end - window.at < 28:
            return MORE
        self._order = self._order_of_section(window)
        length, _, major, minor = struct.unpack(self._order + "IIHH", _bytes(window, 4, 16))
        if major != 1 or minor not in (0, 2):
            raise BrokenCaptureError(f"a section is of pcapng version {major}.{minor}, which is unknown (1.0 is usual)")
        if length < 28 or length % 4 or length > _MAX_BLOCK:
            return _BAD_LENGTH
        window.need = length
        if window.end - window.at < length:
            return MORE
        if struct.unpack(self._order + "I", _bytes(window, length - 4, length))[0] != length:
            return _BAD_TRAILER
        self._described = 0
        self._max_block = _MAX_BLOCK
        window.at += length
        return FULL

    def _order_of_section(self, window: Window) -> str:
        for order in "<>":
            if struct.unpack(order + "I", _bytes(window, 8, 12))[0] == _BYTE_ORDER:
                return order
        raise BrokenCaptureError("a section header has no byte-order magic")

    def _add_interface(self, window: Window) -> int:
        """Read the Interface Description Block at the position, which the kernel has found whole."""
        (length,) = struct.unpack(self._order + "I", _bytes(window, 4, 8))
        if length < 20:
            return _TOO_SHORT
        if self._described == _MAX_INTERFACES:
            raise BrokenCaptureError(f"a section describes more than {_MAX_INTERFACES} interfaces")
        number, _, snaplen = struct.unpack(self._order + "HHI", _bytes(window, 8, 16))
        if len(self.interfaces) == _MOST_INTERFACES:
            raise BrokenCaptureError(f"more than {_MOST_INTERFACES} interfaces are described in all")
        resolution, offset, name = self._options(_bytes(window, 16, length - 4))
        link = link_type(number)
        limit = longest_packet(link)
        if self._described == len(self._interfaces):
            self._interfaces = np.concatenate([self._interfaces, np.zeros_like(self._interfaces)])
        self.interfaces.append(Interface(link, snaplen, resolution, offset, self._order == ">", 0, name))
        row = [*clock_row(resolution, offset), link, snaplen, limit]
        self._interfaces[self._described] = np.array([value % 2**64 for value in row], np.uint64)
        self._described += 1
        if limit > MAX_PACKET:
            self._max_block = limit + _OPTIONS_ROOM
        window.at += length
        return FULL

    def _options(self, options: bytes) -> tuple[int, int, str]:
        """(if_tsresol, if_tsoffset, if_name) of an interface; the defaults where they are not, or not whole."""
        resolution, offset, name, at = 6, 0, "", 0
        while at + 4 <= len(options):
            code, length = struct.unpack_from(self._order + "HH", options, at)
            value = options[at + 4 : at + 4 + length]
            if code == 0:
                break
            if code == 2:
                name = value[:_LONGEST_NAME].decode("utf-8", "backslashreplace")
            elif code == 9 and length == 1 == len(value):
                resolution = value[0]
            elif code == 14 and length == 8 == len(value):
                (offset,) = struct.unpack(self._order + "q", value)
            at += 4 + (length + 3) // 4 * 4
        return resolution, offset, name

    def explain(self, status: int, window: Window) -> str:
        present = window.end - window.at
        if status == MORE:
            return f"a block is cut short ({present} of at least {window.need} bytes)"
        kind, length = struct.unpack(self._order + "II", _bytes(window, 0, 8))
        if status == _BAD_LENGTH:
            return f"a block of type {kind:#x} claims a length of {length} bytes, which cannot be"
        if status == _BAD_TRAILER:
            return f"a block of type {kind:#x} does not end with its length, {length}"
        if status == _TOO_SHORT:
            return f"a block of type {kind:#x} is too short for its fields ({length} bytes)"
        if status == _NO_INTERFACE:
            return f"a packet is from an interface that is not among the {self._described} described so far"
        if status == _BAD_CAPTURED:
            return f"a packet claims more captured bytes than its block of {length} bytes has"
        return "a packet claims more captured bytes than its link type can have"


def _bytes(window: Window, start: int, end: int) -> bytes:
    """Bytes from `start` to `end`, counted from the position; the caller knows that they are there."""
    return window.data[window.at + start : window.at + end].tobytes()


@inlined
def _packet(
    data: NDArray[np.uint8],
    at: int,
    length: int,
    kind: int,
    big: bool,
    interfaces: NDArray[np.uint64],
    described: int,
    last_time: int,
    before: int,
    offset: NDArray[np.int64],
    captured: NDArray[np.uint32],
    wire: NDArray[np.uint32],
    time: NDArray[np.int64],
    link: NDArray[np.uint16],
    interface: NDArray[np.uint32],
    n: np.uint64,
) -> tuple[int, int]:
    """Row `n` of the packet block at `at`, whose `length` bytes are there; (FULL or what is wrong, its time)."""
    number = 0
    head = 12
    if (
        kind != _SIMPLE
    ):  # the obsolete block has a 16-bit interface and a drop count where the enhanced has its interface
        number = u32(data, at + 8, big) if kind == _ENHANCED else u16(data, at + 8, big)
        head = 28
    if length < head + 4:
        return _TOO_SHORT, last_time
    if number >= described:
        return _NO_INTERFACE, last_time
    i = np.uint64(number)
    original = u32(data, at + head - 4, big)
    if kind == _SIMPLE:  # has no time: the packet is taken to be as old as the one before it
        snaplen = np.int64(interfaces[i, _SNAPLEN])
        size = original if snaplen == 0 or original < snaplen else int(snaplen)
    else:
        last_time = to_micros(u32(data, at + 12, big), u32(data, at + 16, big), interfaces, i)
        size = u32(data, at + 20, big)
    if size > length - head - 4:
        return _BAD_CAPTURED, last_time
    if size > np.int64(interfaces[i, _LIMIT]):
        return _TOO_LONG, last_time
    offset[n] = at + head
    captured[n] = size
    wire[n] = original
    time[n] = last_time
    link[n] = interfaces[i, _LINK]
    interface[n] = before + number if kind != _SIMPLE else NO_CLOCK + before
    return FULL, last_time


@kernel
def _scan(
    data: NDArray[np.uint8],
    at: int,
    end: int,
    stop: int,
    big: bool,
    interfaces: NDArray[np.uint64],
    described: int,
    max_block: int,
    last_time: int,
    before: int,
    offset: NDArray[np.int64],
    captured: NDArray[np.uint32],
    wire: NDArray[np.uint32],
    time: NDArray[np.int64],
    link: NDArray[np.uint16],
    interface: NDArray[np.uint32],
    count: int,
) -> tuple[int, int, int, int, int]:
    """Rows of the packet blocks in `data[at:end]`, up to the next block that Python has to read.

    before: interfaces of the sections before this one.

    Returns (status, position, rows filled, bytes wanted from there, time of the last packet).
    """
    capacity = len(offset)
    begin, done, ahead = at, count, at + FIRST_LOOK
    while count < capacity and at < stop:
        if at >= ahead:
            average = (at - begin) // max(count - done, 1)
            ahead = walk_pcapng(data, at, min(stop, at + (capacity - count) * average), average, big)
        if end - at < 12:
            return MORE, at, count, 12, last_time
        kind = u32(data, at, big)
        if kind == SECTION_HEADER:  # reads the same in both byte orders
            return _AT_SECTION, at, count, 0, last_time
        length = u32(data, at + 4, big)
        if length < 12 or length % 4 != 0 or length > max_block:
            return _BAD_LENGTH, at, count, 0, last_time
        if end - at < length:
            return MORE, at, count, length, last_time
        if u32(data, at + length - 4, big) != length:
            return _BAD_TRAILER, at, count, 0, last_time
        if kind == _INTERFACE:
            return _AT_INTERFACE, at, count, 0, last_time
        if kind in (_ENHANCED, _PACKET, _SIMPLE):
            status, last_time = _packet(
                data, at, length, kind, big, interfaces, described, last_time, before,
                offset, captured, wire, time, link, interface, np.uint64(count),
            )  # fmt: skip
            if status != FULL:
                return status, at, count, 0, last_time
            count += 1
        at += length
    if count < capacity and at >= end:
        return MORE, at, count, 12, last_time
    return FULL, at, count, 0, last_time

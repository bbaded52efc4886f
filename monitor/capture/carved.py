"""Writes chosen packets of captures to a pcapng file: their bytes, times, units, interfaces and comments as they were.

Which packets are chosen is up to the caller. Format: draft-ietf-opsawg-pcapng.
"""

from __future__ import annotations

import os
import struct
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor import __version__
from monitor.capture.byteorder import u32
from monitor.capture.errors import STDIN
from monitor.capture.packets import NO_CLOCK, Interface, PacketBatch
from monitor.jit import Integer, kernel

_BLOCK: Final = 32
"""Bytes of an Enhanced Packet Block without packet and options."""
_LONGEST_COMMENT: Final = 60_000
"""An option's length has 16 bits."""

# Columns of the table that the kernel knows interfaces by.
_HEADER, _BIG, _UNITS, _NUMBER, _CLOCKLESS = range(5)


class CarvedFile:
    """A pcapng file under construction, as a context manager: whole at its end, gone when an error ends it.

    Packets of several captures are put in time order; those of one capture stay in its order.
    """

    def __init__(self, output: str | Path) -> None:
        """`output`: path, or `-` for stdout. Raises OSError."""
        self._output = os.fspath(output)
        self._folder = None if self._output == STDIN else os.path.dirname(os.path.abspath(self._output))
        self._body: IO[bytes] = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115  (closed on leaving the context)
        self._interfaces: list[bytes] = []
        self._numbers: dict[tuple[str, int], int] = {}
        self._files: list[str] = []
        self._before = 0
        self._times: list[NDArray[np.int64]] = []
        self._sizes: list[NDArray[np.int64]] = []
        self.packets = 0
        """Packets written so far."""
        self.bytes = 0
        """Their captured bytes."""
        self.first: int | None = None
        self.last: int | None = None
        """Earliest and latest event time among them, µs."""

    def add(self, file: str, batch: PacketBatch, interfaces: Sequence[Interface], chosen: NDArray[np.bool_]) -> None:
        """Append the chosen packets of a batch that was read from `file`, whose reader has those interfaces."""
        if not chosen.any():
            return
        rows = np.flatnonzero(chosen)
        if batch.interface is None:
            raise ValueError("the source of these packets does not tell their interfaces")
        came_by = batch.interface[rows]
        faces, places = np.unique(came_by, return_inverse=True)
        table = np.array([self._known(file, int(face), interfaces) for face in faces], np.int64)
        sizes = np.empty(len(rows), np.int64)
        out = np.empty(_room(batch.data, batch.offset, batch.captured, rows, table, places, sizes), np.uint8)
        _write(batch.data, batch.offset, batch.captured, batch.wire, batch.time, rows, table, places, sizes, out)
        self._body.write(out.data)
        if file not in self._files:
            self._files.append(file)
            self._before = -(2**63)
        times = np.maximum.accumulate(np.maximum(batch.time[rows], self._before))
        self._before = int(times[-1])
        self._times.append(times)
        self._sizes.append(sizes)
        self.packets += len(rows)
        self.bytes += int(batch.captured[rows].sum(dtype=np.int64))
        first, last = int(batch.time[rows].min()), int(batch.time[rows].max())
        self.first = first if self.first is None else min(self.first, first)
        self.last = last if self.last is None else max(self.last, last)

    def _known(self, file: str, face: int, interfaces: Sequence[Interface]) -> tuple[int, int, int, int, int]:
        """The interface's row of the kernel's table; described in the output when it is new there."""
        one = interfaces[face & ~NO_CLOCK]
        clockless = bool(face & NO_CLOCK)
        if (file, face) not in self._numbers:
            self._numbers[file, face] = len(self._interfaces)
            self._interfaces.append(_description(one, file, clockless))
        units = 10**one.resolution if one.header else 0
        return one.header, one.big, units, self._numbers[file, face], clockless

    def finish(self, comments: Sequence[str]) -> None:
        """Put the file in its place, with comments on its section."""
        head = _section(comments) + b"".join(self._interfaces)
        if self._output == STDIN:
            sys.stdout.buffer.write(head)
            self._copy(sys.stdout.buffer)
            sys.stdout.buffer.flush()
            return
        part = f"{self._output}.part"
        try:
            with open(part, "wb") as out:
                out.write(head)
                self._copy(out)
                out.flush()
                os.fsync(out.fileno())
            os.replace(part, self._output)
        except BaseException:
            if os.path.exists(part):
                os.unlink(part)
            raise

    def _copy(self, out: Any) -> None:
        """The packets, in time order."""
        self._body.flush()
        if not self.packets:
            return
        times, sizes = np.concatenate(self._times), np.concatenate(self._sizes)
        if (np.diff(times) < 0).any():
            body = np.memmap(self._body, np.uint8, "r")
            order = np.argsort(times, kind="stable")
            starts = np.cumsum(sizes) - sizes
            for begin in range(0, len(order), 1 << 16):
                rows = order[begin : begin + (1 << 16)]
                gathered = np.empty(int(sizes[rows].sum()), np.uint8)
                _gather(body, starts[rows], sizes[rows], gathered)
                out.write(gathered.data)
            return
        self._body.seek(0)
        while piece := self._body.read(1 << 20):
            out.write(piece)

    def __enter__(self) -> CarvedFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._body.close()


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + b"\0" * (-len(value) % 4)


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def _section(comments: Sequence[str]) -> bytes:
    """Section Header Block (§4.1)."""
    options = [_option(1, _bounded(comment)) for comment in comments]
    options += [_option(4, f"municipal-traffic-monitor {__version__}".encode()), _option(0, b"")]
    return _block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + b"".join(options))


def _bounded(comment: str) -> bytes:
    return comment.encode("utf-8", "backslashreplace")[:_LONGEST_COMMENT].decode("utf-8", "ignore").encode()


def _description(one: Interface, file: str, clockless: bool) -> bytes:
    """Interface Description Block (§4.2) that says what the original said, and which file it is from."""
    options = [_option(2, one.name.encode("utf-8", "backslashreplace"))] if one.name else []
    options.append(_option(3, _bounded(f"from {os.path.basename(file) or file}")[:1000]))
    options.append(_option(9, bytes([6 if clockless else one.resolution])))
    if one.zero and not clockless:
        options.append(_option(14, struct.pack("<q", one.zero)))
    return _block(1, struct.pack("<HHI", one.link, 0, one.snaplen) + b"".join(options) + _option(0, b""))


@kernel
def _options_length(data: Any, at: Integer, captured: Integer, face: Any) -> Integer:
    """Bytes of the options that follow the packet at `at` in its block; 0 when they cannot be copied as they are."""
    if face[_HEADER] or face[_BIG] or face[_CLOCKLESS]:
        return 0
    return u32(data, at - 24, False) - _BLOCK - ((captured + 3) & ~3)


@kernel
def _room(data: Any, offset: Any, captured: Any, rows: Any, table: Any, places: Any, sizes: Any) -> Integer:
    """Fill `sizes` with the length of each packet's block; their sum."""
    total = 0
    for n in range(len(rows)):
        length = np.int64(captured[rows[n]])
        options = _options_length(data, offset[rows[n]], length, table[places[n]])
        sizes[n] = _BLOCK + ((length + 3) & ~3) + options
        total += sizes[n]
    return total


@kernel
def _put(out: Any, at: Integer, value: Integer) -> None:
    for n in range(4):
        out[np.uint64(at + n)] = value >> (8 * n) & 0xFF


@kernel
def _write(
    data: Any, offset: Any, captured: Any, wire: Any, time: Any, rows: Any, table: Any, places: Any, sizes: Any,
    out: Any,
) -> None:  # fmt: skip
    """Write an Enhanced Packet Block (§4.3) for each of `rows` into `out`."""
    at = 0
    for n in range(len(rows)):
        row, face, size = rows[n], table[places[n]], sizes[n]
        begin, length = offset[row], np.int64(captured[row])
        big = face[_BIG] != 0
        if face[_CLOCKLESS]:
            ticks = max(time[row], 0)
            high, low = ticks >> 32, ticks & 0xFFFFFFFF
        elif face[_HEADER]:
            start = begin - face[_HEADER]
            ticks = u32(data, start, big) * face[_UNITS] + u32(data, start + 4, big)
            high, low = ticks >> 32, ticks & 0xFFFFFFFF
        else:
            high, low = u32(data, begin - 16, big), u32(data, begin - 12, big)
        _put(out, at, 6)
        _put(out, at + 4, size)
        _put(out, at + 8, face[_NUMBER])
        _put(out, at + 12, high)
        _put(out, at + 16, low)
        _put(out, at + 20, length)
        _put(out, at + 24, np.int64(wire[row]))
        padded = (length + 3) & ~3
        for k in range(length):
            out[np.uint64(at + 28 + k)] = data[np.uint64(begin + k)]
        for k in range(length, padded):
            out[np.uint64(at + 28 + k)] = 0
        for k in range(size - _BLOCK - padded):
            out[np.uint64(at + 28 + padded + k)] = data[np.uint64(begin + padded + k)]
        _put(out, at + size - 4, size)
        at += size


@kernel
def _gather(body: Any, starts: Any, sizes: Any, out: Any) -> None:
    """Copy blocks of `body` one after the other into `out`."""
    at = 0
    for n in range(len(starts)):
        for k in range(sizes[n]):
            out[np.uint64(at + k)] = body[np.uint64(starts[n] + k)]
        at += sizes[n]

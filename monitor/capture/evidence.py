"""The evidence ring: packets on disk in compressed captures of half a minute, the oldest removed for want of room.

Each has beside it an index of what it is about; its name says from when to when, how many packets, and how many of that
time were lost. A thread compresses and writes: whoever captures never waits for the disk.
"""

from __future__ import annotations

import os
import queue
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import zstandard
from numpy.typing import NDArray

from monitor.capture.packets import PacketBatch
from monitor.capture.segments import INDEX, PARTIAL, Segment, segments
from monitor.jit import Integer, kernel

CHUNK: Final = 4 << 20
"""Bytes that are handed to the writing thread at a time."""
WAITING: Final = 8
"""Chunks that may wait for it."""
SPAN: Final = 30 * 1_000_000
"""µs of event time of one file."""


class EvidenceRing:
    """Keeps packets of one worker in a folder that others may write to as well."""

    def __init__(
        self, folder: Path, *, name: str, max_bytes: int, snaplen: int, link: int, take_index: Callable[[], Any]
    ) -> None:
        """`max_bytes`: of this worker's files; `take_index`: gives the keys of what came since its last call.

        Raises OSError when the folder cannot be written.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder, self._name, self._max_bytes = folder, name, max_bytes
        self._snaplen, self._link, self._take_index = snaplen, link, take_index
        self._room = np.empty(CHUNK, np.uint8)
        self._used = self._packets = self._lost = 0
        self._first = self._last = 0
        self._raw = 0
        self._begin = True
        self._jobs: queue.Queue[_Part | None] = queue.Queue(WAITING)
        self.lost = 0
        """Packets that found the writing thread too far behind, or the disk full."""
        self.bytes = sum(part.bytes for part in segments(folder) if part.writer == name)
        """On disk, index included."""
        for stale in folder.glob(f"{name}-*{PARTIAL}"):
            stale.unlink(missing_ok=True)
        self._thread = threading.Thread(target=self._write, name="evidence", daemon=True)
        self._thread.start()

    def take(self, batch: PacketBatch, lost: int) -> None:
        """Keep the packets of a batch; `lost`: packets that the kernel dropped since the last call.

        Tell the time by `come` first, and the index of the packets between the two: so they get into the same file.
        """
        self._lost += lost
        if not len(batch):
            return
        begin = 0
        while begin < len(batch):
            if not self._packets and not self._raw:
                self._first = int(batch.time[begin])
            done, self._used = copy_records(
                batch.data, batch.offset, batch.captured, batch.wire, batch.time, begin, self._snaplen, self._room,
                self._used,
            )  # fmt: skip
            self._packets += done - begin
            begin = done
            if begin < len(batch):
                self._hand(last=False)
        self._last = int(batch.time[-1])

    def come(self, time: int) -> None:
        """Event time has come to `time` (µs): a file that is old enough ends, though no packet comes."""
        if time - self._first >= SPAN:
            self.cut()

    def cut(self) -> None:
        """End the file at hand, so that it can be read."""
        if self._packets or self._raw:
            self._hand(last=True)
            self._raw = 0

    def close(self) -> None:
        """End the file and wait for the disk, five seconds at most."""
        self.cut()
        try:
            self._jobs.put(None, timeout=5)
        except queue.Full:
            return
        self._thread.join(5)

    def _hand(self, *, last: bool) -> None:
        keys = self._take_index() if last else None
        part = _Part(
            self._room[: self._used].tobytes(), self._packets, self._first, self._last, self._lost, self._begin, keys
        )
        self._raw += self._used
        self._used = self._packets = 0
        try:
            self._jobs.put_nowait(part)
            self._lost, self._begin = 0, False
        except queue.Full:
            self.lost += part.packets
            self._lost += part.packets

    def _write(self) -> None:
        """Body of the thread: a file after the other."""
        while (part := self._jobs.get()) is not None:
            try:
                self._one_file(part)
            except OSError:
                self.lost += part.packets
                time.sleep(0.1)

    def _one_file(self, part: _Part) -> None:
        segment = Segment(self._folder, self._name, part.first, part.last, 0, 0, part.begin)
        unfinished = self._folder / f"{self._name}-{part.first}{PARTIAL}"
        kept: list[_Part] = [part]
        try:
            with unfinished.open("wb") as file, zstandard.ZstdCompressor(level=1).stream_writer(file) as stream:
                stream.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, self._snaplen, self._link))
                stream.write(part.records)
                while part.keys is None:
                    following = self._jobs.get()
                    if following is None:  # told to end between two parts
                        self._jobs.put(None)
                        break
                    part = following
                    kept.append(part)
                    stream.write(part.records)
        except OSError:
            unfinished.unlink(missing_ok=True)
            self.lost += sum(one.packets for one in kept[:-1])
            raise
        done = segment.ended(part.last, sum(one.packets for one in kept), sum(one.lost for one in kept))
        keys: NDArray[np.uint64] = part.keys if part.keys is not None else np.empty(0, np.uint64)
        done.path.with_suffix(INDEX).write_bytes(keys.astype("<u8").tobytes())
        os.replace(unfinished, done.path)
        self.bytes += done.bytes
        self._make_room()

    def _make_room(self) -> None:
        """Remove this worker's oldest files beyond its bytes."""
        for old in sorted(
            (part for part in segments(self._folder) if part.writer == self._name), key=lambda p: p.first
        ):
            if self.bytes <= self._max_bytes:
                return
            self.bytes -= old.bytes
            old.path.unlink(missing_ok=True)
            old.path.with_suffix(INDEX).unlink(missing_ok=True)


class _Part:
    """Records on their way to the disk; `keys` with the last of a file."""

    __slots__ = ("begin", "first", "keys", "last", "lost", "packets", "records")

    def __init__(
        self, records: bytes, packets: int, first: int, last: int, lost: int, begin: bool, keys: Any | None
    ) -> None:
        self.records, self.packets, self.first, self.last = records, packets, first, last
        self.lost, self.begin, self.keys = lost, begin, keys


@kernel
def copy_records(
    data: Any,
    offset: Any,
    captured: Any,
    wire: Any,
    time: Any,
    begin: Integer,
    snaplen: Integer,
    out: Any,
    used: Integer,
) -> tuple[Integer, Integer]:
    """Append packets from `begin` on as records of a capture, as many as fit; (first that did not, bytes used)."""
    for i in range(begin, len(offset)):
        length = min(np.int64(captured[i]), snaplen)
        if used + 16 + length > len(out):
            return i, used
        used = put_u32(out, used, time[i] // 1_000_000)
        used = put_u32(out, used, time[i] % 1_000_000)
        used = put_u32(out, used, length)
        used = put_u32(out, used, np.int64(wire[i]))
        at = np.int64(offset[i])
        for k in range(length):
            out[used + k] = data[at + k]
        used += length
    return len(offset), used


@kernel
def put_u32(out: Any, at: Integer, value: Integer) -> Integer:
    """Write 32 bits, least significant first; the position behind them."""
    for k in range(4):
        out[at + k] = (value >> (8 * k)) & 0xFF
    return at + 4

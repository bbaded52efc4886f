"""Captures of several taps as one stream in time order; those that do not overlap are handed on without a copy.

Each capture is read by a reader of its own. Where two of them have packets of the same time, bytes are gathered into a
batch of both.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import chain
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from monitor.capture.errors import Damage
from monitor.capture.packets import PacketBatch
from monitor.capture.reader import CaptureReader
from monitor.jit import kernel

_MOST = 1 << 16
"""Packets of a gathered batch, about."""


@dataclass(slots=True)
class _Tap:
    """One capture that is being read: its batch at hand, and how far that is used."""

    reader: CaptureReader
    batch: PacketBatch
    times: NDArray[np.int64]
    """Latest time up to each packet: a packet out of order waits for none that came before it."""
    at: int = 0


class MergedReader:
    """Iterator over the packets of several captures in time order; of equal times, the earlier capture's come first."""

    def __init__(self, readers: Sequence[CaptureReader], firsts: Sequence[int | None]) -> None:
        """`readers` of one capture each, in the order of `firsts`, the times of their first packets (µs)."""
        self._readers = list(readers)
        self._waiting = list(zip(readers, firsts, strict=True))
        self._taps: list[_Tap] = []
        self.files = tuple(chain.from_iterable(one.files for one in readers))
        self.notes = tuple(chain.from_iterable(one.notes for one in readers))
        sizes = [one.total_bytes for one in readers]
        self.total_bytes = sum(size for size in sizes if size is not None) if None not in sizes else None
        self.file: str | None = None
        """The capture that the last batch is from; None: several."""
        self._batches = self._merge()

    @property
    def damage(self) -> list[Damage]:
        """As of `CaptureReader`."""
        return list(chain.from_iterable(one.damage for one in self._readers))

    @property
    def packets(self) -> int:
        """Packets read so far."""
        return sum(one.packets for one in self._readers)

    @property
    def bytes_read(self) -> int:
        """Bytes gone through so far, as they lie on disk."""
        return sum(one.bytes_read for one in self._readers)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> PacketBatch:
        return next(self._batches)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading and let go of the files."""
        self._batches.close()
        for one in self._readers:
            one.close()

    def _merge(self) -> Generator[PacketBatch]:
        while self._fill():
            known = min(int(tap.times[min(tap.at + _MOST, len(tap.times)) - 1]) for tap in self._taps)
            parts = []
            for tap in self._taps:
                end = int(np.searchsorted(tap.times, known, "right"))
                if end > tap.at:
                    parts.append((tap.batch, tap.times, tap.at, end))
                    tap.at = end
                    self.file = tap.reader.file if len(parts) == 1 else None
            yield _slice(*parts[0]) if len(parts) == 1 else _gathered(parts)

    def _fill(self) -> bool:
        """Have a batch at hand of each capture that has begun by the time that is next; False when all are read."""
        self._taps = [tap for tap in self._taps if tap.at < len(tap.times) or self._next(tap)]
        while self._waiting:
            reader, first = self._waiting[0]
            reached = min((int(tap.times[-1]) for tap in self._taps), default=None)
            if reached is not None and first is not None and first > reached:
                break
            self._waiting.pop(0)
            batch = next(reader, None)
            if batch is not None:
                self._taps.append(_Tap(reader, batch, np.maximum.accumulate(batch.time)))
        return bool(self._taps)

    @staticmethod
    def _next(tap: _Tap) -> bool:
        batch = next(tap.reader, None)
        if batch is None:
            return False
        before = tap.times[-1]
        tap.batch, tap.times, tap.at = batch, np.maximum.accumulate(np.maximum(batch.time, before)), 0
        return True


_Part = tuple[PacketBatch, NDArray[np.int64], int, int]


def _slice(batch: PacketBatch, times: NDArray[np.int64], begin: int, end: int) -> PacketBatch:
    return batch.part(slice(begin, end))


def _gathered(parts: Sequence[_Part]) -> PacketBatch:
    """One batch of the parts' packets, their bytes copied, in the order of their times."""
    slices = [batch.part(slice(begin, end)) for batch, _, begin, end in parts]
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(one, name) for one in slices]) for name in ("captured", "wire", "time", "link")
    }
    order = np.argsort(np.concatenate([times[begin:end] for _, times, begin, end in parts]), kind="stable")
    captured = joined["captured"].astype(np.int64)
    starts = np.empty(len(order), np.int64)
    starts[order] = np.cumsum(captured[order]) - captured[order]
    data: NDArray[np.uint8] = np.empty(int(captured.sum()), np.uint8)
    done = 0
    for one in slices:
        _copy(one.data, one.offset, one.captured, starts[done : done + len(one)], data)
        done += len(one)
    data.flags.writeable = False
    facts = {name: column[order] for name, column in joined.items()}
    return PacketBatch(data=data, offset=starts[order], **facts)


@kernel
def _copy(data: Any, offset: Any, captured: Any, starts: Any, out: Any) -> None:
    """Copy each packet to its place in `out`."""
    for n in range(len(offset)):
        begin, to = offset[n], starts[n]
        for k in range(np.int64(captured[n])):
            out[np.uint64(to + k)] = data[np.uint64(begin + k)]

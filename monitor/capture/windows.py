"""The bytes of one capture as the scanners see them: a whole mapped file, or the rolling chunk of a stream.

Neither knows a capture format. Where a stream's bytes come from, and how they were compressed, is in `streams`.
"""

from __future__ import annotations

import mmap
import os
import time
from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.capture.errors import BrokenCaptureError
from monitor.capture.scan import BATCH_SPAN
from monitor.capture.streams import Stream

CHUNK: Final = 4 * 1024 * 1024
PATIENCE: Final = 0.25
"""Seconds that packets from standard input wait at most for their batch to fill."""


KEPT_BATCHES: Final = 7
"""Batches whose pages stay mapped: as many as the flow meter may still be reading."""

MADV_POPULATE_READ: Final = 22
"""Linux 5.14; Python's mmap does not name it."""


class MappedWindow:
    """A plain file, mapped whole and read-only; pages that lie behind the reader are given back."""

    def __init__(self, descriptor: int) -> None:
        """Map the (non-empty, regular) file; OSError if the system refuses. The descriptor may be closed after."""
        self.descriptor = os.dup(descriptor)
        """Of the file, open until `close`."""
        self._mapping = mmap.mmap(self.descriptor, 0, access=mmap.ACCESS_READ)
        self._mapping.madvise(mmap.MADV_SEQUENTIAL)  # reads a cold file further ahead
        self.data: NDArray[np.uint8] = np.frombuffer(self._mapping, np.uint8)
        self.at = 0
        self.base = 0
        self.end = len(self.data)
        self.need = 0
        self._released = 0
        self._populated = 0
        self._populates = True
        self._starts: deque[int] = deque([0], maxlen=KEPT_BATCHES)

    @property
    def bytes_read(self) -> int:
        """Bytes of the file on disk that have been gone through."""
        return self.at

    def more(self) -> bool:
        """Nothing comes after a mapped file: always False."""
        return False

    @property
    def stop(self) -> int:
        """Index at which this batch ends, however few packets it has."""
        return min(self._starts[-1] + BATCH_SPAN, self.end)

    def fits(self) -> bool:
        """Whether `more` has room: trivially."""
        return True

    def paused(self) -> bool:
        """A file never makes its reader wait."""
        return False

    def begin_batch(self) -> None:
        """A batch begins at the position: give back the pages of batches that are done with."""
        if os.fstat(self.descriptor).st_size < self.end:  # touching what is gone would end the process (SIGBUS)
            raise BrokenCaptureError("the file was made shorter while it was being read")
        behind = self._starts[0] - self._starts[0] % mmap.PAGESIZE
        if len(self._starts) == KEPT_BATCHES and behind > self._released:
            self._mapping.madvise(mmap.MADV_DONTNEED, self._released, behind - self._released)
            self._released = behind
        self._starts.append(self.at)
        self._populate()

    def _populate(self) -> None:
        """Map the pages of a batch in one call: a fault for each few of them costs more than decoding does."""
        begin = max(self._populated, self.at - self.at % mmap.PAGESIZE)
        stop = self.stop
        if not self._populates or stop <= begin:
            return
        try:
            self._mapping.madvise(MADV_POPULATE_READ, begin, stop - begin)
            self._populated = stop - stop % mmap.PAGESIZE
        except OSError:  # Linux before 5.14: the pages come by faults
            self._populates = False

    def close(self) -> None:
        """Let go of the file; the mapping itself goes with the last batch that lies in it."""
        os.close(self.descriptor)


class StreamWindow:
    """A chunk of a stream; when it is used up, a new one begins with the unfinished record of the old.

    A chunk that batches lie in is never written again below `end`, so they stay valid for as long as they are kept.
    """

    def __init__(self, stream: Stream, chunk: int = CHUNK) -> None:
        self._stream = stream
        self._chunk = chunk
        self._buffer: NDArray[np.uint8] = np.empty(chunk, np.uint8)
        self.data = _read_only(self._buffer)
        self.at = 0
        self.base = 0
        self.end = 0
        self.need = 0
        self._waiting_since: float | None = None

    @property
    def bytes_read(self) -> int:
        """Bytes of the file on disk (or pipe) that have been gone through: compressed ones, if it is."""
        return self._stream.consumed

    @property
    def stop(self) -> int:
        """Index at which this batch ends: a chunk is short enough."""
        return self.end

    def fits(self) -> bool:
        """Whether `more` has room in this chunk; if not, it begins a new one."""
        size = len(self._buffer)
        return self.end < size and (self.at == 0 or self.at + self.need <= size)

    def more(self) -> bool:
        """Read on, once; False at the end of the stream. BrokenCaptureError if it cannot be decompressed or read."""
        if not self.fits():
            self._roll()
        got = self._stream.read_into(self._buffer.data[self.end :])
        self.end += got
        return got > 0

    def _roll(self) -> None:
        """Begin a new chunk with the bytes from the position on.

        It grows only as the stream delivers: a record that claims much and has little costs little.
        """
        carried = self.end - self.at
        size = self._chunk if 2 * carried <= self._chunk else min(2 * carried, max(self.need, carried + self._chunk))
        fresh: NDArray[np.uint8] = np.empty(size, np.uint8)
        fresh[:carried] = self._buffer[self.at : self.end]
        self._buffer = fresh
        self.data = _read_only(fresh)
        self.base += self.at
        self.at, self.end = 0, carried

    def paused(self) -> bool:
        """Whether the packets of this batch should not wait for more: the stream rests, or PATIENCE has passed."""
        if not self._stream.live:
            return False
        now = time.monotonic()
        self._waiting_since = self._waiting_since or now
        return now - self._waiting_since > PATIENCE or self._stream.paused()

    def begin_batch(self) -> None:
        """A batch begins at the position: nothing to give back, chunks go with their batches."""
        self._waiting_since = None

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()


def _read_only(buffer: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A view that cannot be written, as that of a mapped file: kernels need to be compiled for one type only."""
    view = buffer.view()
    view.flags.writeable = False
    return view

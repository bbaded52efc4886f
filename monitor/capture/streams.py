"""Bytes of a capture that cannot be mapped: compressed files, and standard input as it arrives.

How compressed bytes are undone is in `compression`; what the bytes mean is for the scanners.
"""

from __future__ import annotations

import os
import select
from typing import Final

from monitor.capture.compression import LONGEST_MAGIC, Inflater, codec_of
from monitor.capture.errors import BrokenCaptureError

PAUSE: Final = 0.05
"""Seconds without a byte after which what has arrived on standard input is handed on."""


class FileSource:
    """The bytes of a descriptor: a regular file, or a pipe whose writer may take its time."""

    def __init__(self, descriptor: int, *, live: bool) -> None:
        """`live`: bytes arrive over time (standard input); such a descriptor is left open by `close`."""
        self._descriptor = descriptor
        self._peeked = b""
        self.live = live
        self.consumed = 0
        """Bytes taken so far."""

    def read(self, most: int) -> bytes:
        """At least one byte, at most `most`; nothing at the end. BrokenCaptureError if the system fails to read."""
        if self._peeked:
            got, self._peeked = self._peeked[:most], self._peeked[most:]
        else:
            try:
                got = os.read(self._descriptor, most)
            except OSError as error:
                raise BrokenCaptureError(f"reading failed: {error.strerror}") from error
        self.consumed += len(got)
        return got

    def read_into(self, room: memoryview) -> int:
        """As `read`, straight into `room`; returns how many."""
        if self._peeked:
            got = self.read(len(room))
            room[: len(got)] = got
            return len(got)
        try:
            count = os.readv(self._descriptor, [room])
        except OSError as error:
            raise BrokenCaptureError(f"reading failed: {error.strerror}") from error
        self.consumed += count
        return count

    def peek(self, length: int) -> bytes:
        """The first `length` bytes, which stay to be read; fewer if there are no more. Waits for them."""
        head = b""
        while len(head) < length:
            more = self.read(length - len(head))
            if not more:
                break
            head += more
        self._peeked = head + self._peeked
        self.consumed -= len(head)
        return head

    def idle(self) -> bool:
        """Whether reading would have to wait at this moment."""
        return self.paused(0)

    def paused(self, seconds: float = PAUSE) -> bool:
        """Whether nothing comes for that long; a file on disk always has something, if only its end."""
        return self.live and not self._peeked and not select.select([self._descriptor], [], [], seconds)[0]

    def close(self) -> None:
        """Close the descriptor, unless it is standard input's."""
        if not self.live:
            os.close(self._descriptor)


class Stream:
    """The bytes of a source, decompressed if they are compressed."""

    def __init__(self, source: FileSource) -> None:
        """Looks at the first bytes for the compression, and waits for them if need be."""
        self._source = source
        codec = codec_of(source.peek(LONGEST_MAGIC))
        self._inflater = None if codec is None else Inflater(source, codec)
        self.compressed = codec is not None
        self.live = source.live

    @property
    def consumed(self) -> int:
        """Bytes taken from the source, as they lie there: compressed ones, if it is."""
        return self._source.consumed

    def read_into(self, room: memoryview) -> int:
        """Put at least one byte into `room`; 0 at the end. BrokenCaptureError if that fails."""
        if self._inflater is None:
            return self._source.read_into(room)
        got = self._inflater.read(len(room))
        room[: len(got)] = got
        return len(got)

    def paused(self) -> bool:
        """Whether nothing has come for a while (PAUSE)."""
        return (self._inflater is None or self._inflater.starved) and self._source.paused()

    def close(self) -> None:
        """Close the source."""
        self._source.close()

"""Inserts that wait on disk for the store, in order, bounded; sets aside what cannot be stored, with the reason.

A folder belongs to one process. How an insert looks on disk is in `segment`; when it is sent is up to `writer`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.store.errors import StoreBusyError
from monitor.store.segment import PAGE, DamagedSegmentError, Encoder, Segment, read_header, read_rows, write

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)

SET_ASIDE = "set_aside"
"""Folder within the spool of what cannot be stored."""


class SpoolFullError(OSError):
    """The spool is at its bound: what came last is dropped, what waits longest is kept."""


class Spool:
    """The waiting inserts of one writer."""

    def __init__(self, folder: Path, limit: int) -> None:
        """Take the folder and what waits in it; at most `limit` bytes may wait. Raises StoreBusyError, OSError."""
        self.folder, self.limit = folder, limit
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise StoreBusyError(f"spool {folder}: in use by another sensor; give each its own folder") from error
        self.bytes = 0
        self._encoder = Encoder()
        self._counting = threading.Lock()
        self.found = self._take_up()
        """What an earlier process left, oldest first."""
        self._next = self.found[-1].number + 1 if self.found else 0

    def _take_up(self) -> list[Segment]:
        found = []
        for path in sorted(self.folder.glob("*.segment*")):
            if path.suffix == ".part":  # was being written when its writer died, so it was never said to be safe
                path.unlink()
                continue
            try:
                segment = read_header(path)
            except DamagedSegmentError as error:
                self._move_aside(path, str(error))
                continue
            found.append(segment)
            self.bytes += segment.size
        return found

    def add(self, batch: pa.RecordBatch, *, table: str, token: str, oldest: float, compressed: bool) -> Segment:
        """Write an insert; it is safe when this returns. For one thread at a time. Raises SpoolFullError, OSError."""
        encoded = self._encoder.encode(batch, compressed=compressed)
        if self.bytes + PAGE + encoded.size > self.limit:
            raise SpoolFullError(f"{self.bytes} of its {self.limit} bytes wait for the store")
        given = {"number": self._next, "table": table, "token": token, "rows": batch.num_rows}
        segment = write(self.folder, {**given, "oldest": oldest}, encoded)
        self._next += 1
        self._grow(segment.size)
        return segment

    def _grow(self, size: int) -> None:
        """Inserts come and go in different threads."""
        with self._counting:
            self.bytes += size

    def rows(self, segment: Segment) -> bytes:
        """The rows of an insert as an Arrow stream. Raises DamagedSegmentError, OSError."""
        return read_rows(self.folder / segment.name, segment)

    def done(self, segment: Segment) -> None:
        """The store has the insert. Should the file come back after a power cut, its token keeps it from doubling."""
        try:
            (self.folder / segment.name).unlink(missing_ok=True)
        except OSError as error:  # it comes again with the next start, and its token keeps it from doubling
            log.error("spool: %s is stored but cannot be removed: %s", segment.name, error)
        self._grow(-segment.size)

    def set_aside(self, segment: Segment, reason: str) -> None:
        """Keep an insert that cannot be stored, out of the way, with the reason beside it."""
        if self._move_aside(self.folder / segment.name, reason):
            self._grow(-segment.size)

    def keep_bad(self, name: str, rows: pa.Buffer, reason: str) -> None:
        """Keep rows that cannot be stored, with the reason. Raises OSError."""
        place = self._aside()
        (place / f"{name}.arrows").write_bytes(rows)
        (place / f"{name}.json").write_text(json.dumps({"reason": reason}) + "\n")

    def _move_aside(self, path: Path, reason: str) -> bool:
        log.error("spool: %s is set aside in %s: %s", path.name, self.folder / SET_ASIDE, reason)
        try:
            place = self._aside()
            path.rename(place / path.name)
        except OSError as error:  # the next start tries again
            log.error("spool: %s stays where it is: %s", path.name, error)
            return False
        with contextlib.suppress(OSError):  # a full disk: the reason is in the log
            (place / f"{path.name}.json").write_text(json.dumps({"reason": reason}) + "\n")
        return True

    def _aside(self) -> Path:
        place = self.folder / SET_ASIDE
        place.mkdir(mode=0o700, exist_ok=True)
        return place

    def close(self) -> None:
        """Give the folder up; what waits stays."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

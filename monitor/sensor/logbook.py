"""What the sensor holds in memory, kept up to date in a file: after a kill -9 the next start knows what was lost.

Rows that are on disk are the spool's matter.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_NAME: Final = "held.json"
_WIDTH: Final = 80
"""Bytes of the file; always the same, so that a full disk takes them too."""


@dataclass(frozen=True, slots=True)
class Killed:
    """How an earlier run stood when it ended without a word."""

    flows: int
    """Flow records in its memory."""
    packets: int
    """Packets that waited for its workers."""
    at: float
    """Seconds since 1970."""

    def __str__(self) -> str:
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.at))
        lost = f"{self.flows:,} flows in its memory and {self.packets:,} packets in its rings are lost"
        return f"the run before was killed at {when}: {lost}"


class Logbook:
    """The file of one sensor; whoever has its spool writes it."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError when the folder cannot be used."""
        self._path = folder / _NAME
        self.killed = self._left()
        """What the run before left, when it did not end by itself."""
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def note(self, flows: int, packets: int) -> None:
        """So many flow records are held and packets wait now. The page cache outlives us; a power cut may cost it."""
        line = json.dumps({"flows": flows, "packets": packets, "at": round(time.time(), 3)}).ljust(_WIDTH - 1) + "\n"
        try:
            os.pwrite(self._file, line.encode(), 0)
        except OSError:  # the disk was full when the file was new: the next start knows nothing then
            return

    def close(self) -> None:
        """The run ended by itself: nothing is held."""
        os.close(self._file)
        self._path.unlink(missing_ok=True)

    def _left(self) -> Killed | None:
        try:
            found = json.loads(self._path.read_text())
            return Killed(int(found["flows"]), int(found["packets"]), float(found["at"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

"""What the process is told by signals, and the time that it has from the word to stop until its end."""

from __future__ import annotations

import math
import signal
import time
from typing import Final

STOP_WITHIN: Final = 8.0
"""Seconds from the word to stop within which flows are handed over and stored; what is slower stays in the spool."""
LAST_RESORT: Final = 9.5
"""Seconds after which the kernel ends the process: something hangs where no Python runs."""


class Signals:
    """SIGTERM and SIGINT as a wish to stop, SIGHUP as one to reload; a second SIGINT ends at once."""

    def __init__(self) -> None:
        self.stop = False
        self._hangup = False
        self._until = math.inf

    def __enter__(self) -> Signals:
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        self._before = {number: signal.signal(number, self._note) for number in numbers}
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, before in self._before.items():
            signal.signal(number, before)

    def _note(self, number: int, frame: object) -> None:
        if number == signal.SIGHUP:
            self._hangup = True
            return
        if self.stop and number == signal.SIGINT:
            signal.signal(number, self._before[signal.Signals(number)])
        self.end()

    def end(self) -> None:
        """The time to end in runs from now, unless it does already."""
        self.stop = True
        if self._until == math.inf:
            self._until = time.monotonic() + STOP_WITHIN
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, LAST_RESORT)

    def left(self, *, reserved: float = 0.0) -> float:
        """Seconds until all must be over but what takes the `reserved` last ones; 0: none is left."""
        return max(self._until - reserved - time.monotonic(), 0.0)

    def take_hangup(self) -> bool:
        """Whether a SIGHUP came since the last call."""
        came, self._hangup = self._hangup, False
        return came

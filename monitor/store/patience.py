"""How long to leave a store alone that did not answer: doubling, with some chance in it, longer when it refuses us."""

from __future__ import annotations

import random
import time


class Patience:
    """The pause before the next attempt; the caller sees to locking."""

    def __init__(self, first: float = 0.5, longest: float = 30.0) -> None:
        """Seconds of the first and of the longest pause."""
        self._first, self._longest = first, longest
        self._pause = 0.0
        self._until = 0.0

    def failed(self, *, refused: bool) -> None:
        """Wait twice as long as the last time, give or take a fifth; one that refuses needs somebody to act first."""
        self._pause = self._longest if refused else min(max(self._first, 2 * self._pause), self._longest)
        self._until = time.monotonic() + self._pause * random.uniform(0.8, 1.2)  # noqa: S311  (no secret)

    def succeeded(self) -> None:
        """Next time from the beginning."""
        self._pause = self._until = 0.0

    def at_once(self) -> None:
        """Somebody asks: try now."""
        self._until = 0.0

    def left(self) -> float:
        """Seconds until the next attempt."""
        return self._until - time.monotonic()

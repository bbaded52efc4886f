"""What can be wrong with a capture: an input that is none at all, and one that is damaged part-way.

Only the words; `formats`, `windows` and `finding` decide when to use them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

STDIN = "-"


class CaptureError(ValueError):
    """An input that cannot be read as a capture; the message is one line: which, what is wrong, what to do."""


class NotACaptureError(CaptureError):
    """The bytes begin like no capture format that we read."""


class BrokenCaptureError(ValueError):
    """A capture stops making sense at the reading position. Stays inside this stage."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Damage:
    """Where and why reading of one capture stopped early; everything before `offset` was handed on."""

    file: str
    """Name as given or found; `-` is standard input."""
    offset: int
    """First byte of the uncompressed stream that is part of no packet handed on."""
    reason: str

    def __str__(self) -> str:
        return f"{shown(self.file)}: stopped at byte {self.offset}: {self.reason}"


def shown(name: str | Path) -> str:
    """A file's name fit for one line of a terminal: control and undecodable characters are escaped."""
    text = str(name)
    if text == STDIN:
        return "standard input"
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)

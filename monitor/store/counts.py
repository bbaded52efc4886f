"""What became of the rows that a writer took; `writer` does the counting."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows by what became of them: `taken + recovered = written + spooled + waiting + dropped + set_aside`."""

    taken: int = 0
    """Handed over by `put`."""
    recovered: int = 0
    """Found in the spool at the start."""
    written: int = 0
    """In the store."""
    spooled: int = 0
    """On disk, to be sent."""
    waiting: int = 0
    """In memory until a batch is full or old enough."""
    dropped: int = 0
    """Lost, since the spool was at its bound or its disk full."""
    set_aside: int = 0
    """Not storable; kept under `set_aside` in the spool with the reason."""
    delayed: int = 0
    """Of all rows, those that the store did not take at the first attempt."""
    spool_bytes: int = 0
    inserts: int = 0
    insert_seconds: float = 0.0
    oldest: float = 0.0
    """When the row that waits longest was handed over (seconds since 1970); 0: none waits."""

"""One insert on its way from `put` to the store; `writer` keeps them in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from monitor.store.segment import Segment


@dataclass(order=True, slots=True)
class Waiting:
    """An insert that the store does not have yet; ordered by `number`."""

    number: int
    segment: Segment | None = field(compare=False)
    """None: its disk was full, it is only in memory."""
    token: str = field(compare=False)
    count: int = field(compare=False)
    oldest: float = field(compare=False)
    """When its first row was handed over (seconds since 1970)."""
    batch: pa.RecordBatch | None = field(compare=False)
    """Its rows, when they are also in memory."""
    late: bool = field(compare=False, default=False)
    """Whether an attempt has failed."""

"""Tells rows that a store can take from those that none can: before they are sent, and after an insert was refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from monitor.flows.schema import arrow_schema
from monitor.store.errors import StoreRowsError

if TYPE_CHECKING:
    import pyarrow as pa

EARLIEST, LATEST = -2_208_988_800_000_000, 4_102_444_800_000_000
"""1900 and 2100 in µs since 1970: what DateTime64(6) and the days of retention can hold."""


def sound_rows(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.RecordBatch | None, str]:
    """Rows that can be stored, those that cannot, and why not. Raises ValueError for another schema."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not batch.schema.equals(arrow_schema()):
        raise ValueError("not flow records: the batch has another schema than flows.schema")
    bounds = pc.min_max(batch.column("start").cast(pa.int64()))
    empty = [name for name, column in zip(batch.schema.names, batch.columns, strict=True) if column.null_count]
    within = bounds["min"].is_valid and bounds["min"].as_py() >= EARLIEST and bounds["max"].as_py() < LATEST
    if within and not empty:
        return batch, None, ""
    start = batch.column("start").cast(pa.int64())
    good = pc.fill_null(pc.and_(pc.greater_equal(start, EARLIEST), pc.less(start, LATEST)), False)
    for name in empty:
        good = pc.and_(good, pc.is_valid(batch.column(name)))
    reason = f"no value in {', '.join(empty)}" if empty else "start before 1900 or after 2099"
    return batch.filter(good), batch.filter(pc.invert(good)), reason


def bad_rows(
    batch: pa.RecordBatch, token: str, insert: Callable[[pa.RecordBatch, str], None]
) -> Iterator[tuple[pa.RecordBatch, str]]:
    """Insert what can be inserted of a batch that was refused for its rows; gives each row that cannot, and why.

    Halves are inserted with tokens of their own, always the same, so that doing it again doubles nothing.
    """
    middle = batch.num_rows // 2
    for part, mark in ((batch.slice(0, middle), "a"), (batch.slice(middle), "b")):
        try:
            if part.num_rows:
                insert(part, token + mark)
        except StoreRowsError as error:
            if part.num_rows == 1:
                yield part, str(error)
            else:
                yield from bad_rows(part, token + mark, insert)

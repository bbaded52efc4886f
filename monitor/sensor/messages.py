"""Flow records as they travel through a lane: Arrow streams of one batch, cut so that each fits a slot."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa


def packed(batch: pa.RecordBatch, longest: int) -> Iterator[tuple[memoryview, int]]:
    """Streams of at most `longest` bytes with all rows, each with its number of rows. ValueError: a row is longer."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    payload = sink.getvalue()
    if payload.size <= longest:
        yield memoryview(payload), batch.num_rows
        return
    if batch.num_rows == 1:
        raise ValueError(f"a flow record of {payload.size} bytes; the lane takes {longest}")
    half = batch.num_rows // 2
    for part in (batch.slice(0, half), batch.slice(half)):
        yield from packed(part, longest)


def unpacked(payload: bytes) -> pa.RecordBatch:
    """The batch of one stream."""
    with pa.ipc.open_stream(payload) as stream:
        return stream.read_next_batch()

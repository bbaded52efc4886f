"""The beginning of one side of a TCP connection put together from segments, whatever their order and overlap.

What came first wins where segments overlap. A byte's place counts from the side's first payload byte; nothing beyond
STREAM_BYTES is kept. What the bytes mean is up to `naming`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.flows.copying import copy_bytes
from monitor.flows.first_payload import STREAM_BYTES
from monitor.jit import Integer, inlined, inner


@inlined
def _is_marked(marks: Any, place: Integer) -> bool:
    return bool((np.int64(marks[place >> 3]) >> (place & 7)) & 1)


@inner
def place(stream: Any, marks: Any, joined: Integer, high: Integer, offset: Integer, data: Any, at: Integer,
          size: Integer) -> tuple[Integer, Integer]:  # fmt: skip
    """Put `data[at:at + size]` at `offset` (>= 0) of the stream: `joined` and `high` afterwards.

    `stream`: STREAM_BYTES bytes, without a gap up to `joined`, with gaps up to `high`; `marks`: a bit for each byte
    behind `joined` that came, all others clear.
    """
    end = min(offset + size, STREAM_BYTES)
    if offset <= joined and high == joined:  # the usual case: in order, and nothing waits behind a gap
        copy_bytes(stream, joined, data, at + joined - offset, end - joined)
        return max(joined, end), max(high, end)
    for i in range(max(offset, joined), end):
        if not _is_marked(marks, i):
            stream[i] = data[at + i - offset]
            marks[i >> 3] = np.int64(marks[i >> 3]) | (1 << (i & 7))
    while joined < STREAM_BYTES and _is_marked(marks, joined):
        joined += 1
    return joined, max(high, end)

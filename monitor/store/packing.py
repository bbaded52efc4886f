"""Flow records as the tables store them: without what `derived` gives back from the others, bit by bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from monitor.flows.community import COMMUNITY_ID_BYTES, community_id
from monitor.jit import Integer, kernel
from monitor.stack import stack_f32, stack_u8
from monitor.store.derived import DERIVED, SHAPE

if TYPE_CHECKING:
    import pyarrow as pa

_LONGEST_GAP = 1 << 30
"""µs; the squares of fifteen such sum up to less than 2⁶⁴."""


def packed(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch with the schema of `flows.schema` with the columns that are stored; one that has them is given back."""
    import pyarrow as pa

    if "community_id" not in batch.schema.names:
        return batch
    kept = {name: batch.column(name) for name in batch.schema.names if name not in DERIVED}
    kept["community_id_other"] = _other_ids(batch)
    kept["shape_other"] = _shapes(batch)
    fields = [pa.field(name, array.type, nullable=False) for name, array in kept.items()]  # nulls cost an insert's half
    return pa.RecordBatch.from_arrays(list(kept.values()), schema=pa.schema(fields))


def _other_ids(batch: pa.RecordBatch) -> pa.Array:
    import pyarrow as pa

    n, given = batch.num_rows, batch.column("community_id")
    offsets, text = _list_offsets(given), _flat(given, 2, np.dtype(np.uint8))
    ends = np.empty((n, 4), np.uint64)
    for place, name in enumerate(("src_ip", "dst_ip")):
        column = batch.column(name)
        raw = _flat(column, 1, np.dtype(">u8"))[2 * column.offset : 2 * (column.offset + n)]
        ends[:, 2 * place : 2 * place + 2] = raw.reshape(n, 2)
    proto, src_port, dst_port = (batch.column(name).to_numpy() for name in ("proto", "src_port", "dst_port"))
    other = np.empty(n, np.bool_)
    _differ(ends, proto, src_port, dst_port, offsets, text, other)
    if not other.any():
        nothing = pa.py_buffer(np.zeros(n + 1, np.int32))
        return pa.Array.from_buffers(pa.string(), n, [None, nothing, pa.py_buffer(b"")])
    import pyarrow.compute as pc

    return given if other.all() else pc.if_else(pa.array(other), given, "")


def _shapes(batch: pa.RecordBatch) -> pa.Array:
    import pyarrow as pa

    n, sizes, gaps = batch.num_rows, batch.column("splt_len"), batch.column("splt_iat")
    figures = np.empty((n, len(SHAPE)), np.float32)
    for place, name in enumerate(SHAPE):
        figures[:, place] = batch.column(name).to_numpy()
    src, dst = (batch.column(f"{side}_packets").to_numpy() for side in ("src", "dst"))
    size_at, gap_at = _list_offsets(sizes), _list_offsets(gaps)
    kept = np.empty(n, np.bool_)
    _unlike(src, dst, size_at, sizes.values.to_numpy(), gap_at, gaps.values.to_numpy(), figures, kept)
    offsets = np.zeros(n + 1, np.int32)
    np.cumsum(kept * np.int32(len(SHAPE)), out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(figures[kept].reshape(-1)))


def _list_offsets(column: Any) -> np.ndarray[Any, np.dtype[np.int32]]:
    """n + 1 places where the strings or lists begin and end."""
    return _flat(column, 1, np.dtype(np.int32))[column.offset : column.offset + len(column) + 1]


def _flat(column: Any, buffer: int, kind: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """A whole buffer of a column, of which a slice of a batch has only a part."""
    held = column.buffers()[buffer]
    return np.frombuffer(held, kind, held.size // kind.itemsize) if held is not None else np.empty(0, kind)


@kernel
def _differ(ends: Any, proto: Any, src_port: Any, dst_port: Any, offsets: Any, text: Any, other: Any) -> None:
    """Tell the rows whose text is not the Community ID of their ends.

    ends: (n, 4) uint64; offsets: (n + 1,) places in text, uint8; other: (n,) bool, filled.
    """
    block, digest, out = stack_u8(64), stack_u8(20), stack_u8(COMMUNITY_ID_BYTES)
    for i in range(len(other)):
        begin = offsets[i]
        other[i] = True
        mapped = ends[i, 0] == 0 and ends[i, 1] >> np.uint64(32) == 0xFFFF
        if offsets[i + 1] - begin != COMMUNITY_ID_BYTES or mapped != (
            ends[i, 2] == 0 and ends[i, 3] >> np.uint64(32) == 0xFFFF
        ):
            continue
        community_id(
            ends[i, 0], ends[i, 1], ends[i, 2], ends[i, 3], np.int64(proto[i]), np.int64(src_port[i]),
            np.int64(dst_port[i]), block, digest, out, 0,
        )  # fmt: skip
        same = True
        for k in range(COMMUNITY_ID_BYTES):
            same = same and out[k] == text[begin + k]
        other[i] = not same


@kernel
def _unlike(
    src_packets: Any, dst_packets: Any, len_at: Any, lens: Any, iat_at: Any, iats: Any, figures: Any, kept: Any
) -> None:
    """Tell the rows whose figures the lists do not give.

    len_at, iat_at: (n + 1,) places in lens and iats; figures: (n, 16) float32 in the order of SHAPE; kept: (n,) bool,
    filled.
    """
    found = stack_f32(16)
    for i in range(len(kept)):
        begin, n = len_at[i], len_at[i + 1] - len_at[i]
        whole = np.uint64(n) == src_packets[i] + dst_packets[i] and iat_at[i + 1] - iat_at[i] == n
        same = whole and _side(lens, iats, begin, iat_at[i], n, 1, found, 0) == src_packets[i]
        same = same and _side(lens, iats, begin, iat_at[i], n, -1, found, 8) == dst_packets[i]
        for k in range(16):
            same = same and found[k] == figures[i, k]
        kept[i] = not same


@kernel
def _side(
    lens: Any, iats: Any, len_at: Integer, iat_at: Integer, n: Integer, sign: Integer, found: Any, at: Integer
) -> Any:
    """Fill found[at:at + 8] with the figures of one side; its packets, or 2⁶⁴ - 1 when a gap is too long for them."""
    packets, now, before = np.int64(0), np.int64(0), np.int64(0)
    size_sum, size_squares, least, most = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    gap_sum, gap_squares, shortest, longest = np.int64(0), np.uint64(0), np.int64(0), np.int64(0)
    for k in range(n):
        now += np.int64(iats[iat_at + k])
        size = np.int64(lens[len_at + k]) * sign
        if size <= 0:
            continue
        size_sum, size_squares = size_sum + size, size_squares + size * size
        least, most = (min(least, size), max(most, size)) if packets else (size, size)
        if packets:
            gap = now - before
            if gap > _LONGEST_GAP:
                return np.uint64(0xFFFFFFFFFFFFFFFF)
            gap_sum, gap_squares = gap_sum + gap, gap_squares + np.uint64(gap * gap)
            shortest, longest = (min(shortest, gap), max(longest, gap)) if packets > 1 else (gap, gap)
        before = now
        packets += 1
    _figures(found, at, packets, size_sum, np.float64(size_squares), least, most, 1.0)
    _figures(found, at + 4, max(packets - 1, 0), gap_sum, np.float64(gap_squares), shortest, longest, 1e-6)
    return np.uint64(packets)


@kernel
def _figures(
    found: Any, at: Integer, n: Integer, total: Integer, squares: Any, least: Integer, most: Integer, unit: Any
) -> None:
    if n == 0:
        found[at : at + 4] = 0
        return
    mean = np.float64(total) / n
    found[at], found[at + 3] = least * unit, most * unit
    found[at + 1] = mean * unit
    found[at + 2] = np.sqrt(max(squares / n - mean * mean, 0.0)) * unit

"""Reads stored flow records back as the batches that were inserted, hour by hour, so that a month fits in memory.

Questions about flows are asked in SQL (`Store.query`); this is for what takes whole records: training, scoring anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from monitor.event_time import microseconds
from monitor.flows.schema import NAMES, column
from monitor.store.arrow import LARGEST_INSERT

if TYPE_CHECKING:
    import pyarrow as pa

    from monitor.store.store import Store

_HOUR = 3_600_000_000
_WITHIN = (
    "run_id = {run:String} AND start >= fromUnixTimestamp64Micro({first:Int64}, 'UTC') "
    "AND start < fromUnixTimestamp64Micro({last:Int64}, 'UTC') "
    "AND cityHash64(if(direction = 'inbound', dst_ip, src_ip)) % {one_in:UInt32} = 0"
)
_EARLIEST, _LATEST = -2_208_988_800_000_000, 10_413_792_000_000_000 - 1
"""Bounds of event time, µs since 1970, when none are given: what DateTime64(6) can hold (1900 to 2299)."""


def flow_batches(
    store: Store,
    run_id: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    columns: Sequence[str] = NAMES,
    one_in: int = 1,
) -> Iterator[pa.RecordBatch]:
    """Records of a run (`''`: live) that start from `since` until before `until`, in order of start.

    Types are those of `flows.schema`, in `LARGEST_INSERT` rows or so a batch at most. `one_in` n: the flows of
    about one in n inside hosts, the same ones each time. Raises StoreError.
    """
    for begin, end in _stretches(store, run_id, _micro(since, _EARLIEST), _micro(until, _LATEST), one_in):
        sql = f"SELECT {', '.join(columns)} FROM flows WHERE {_WITHIN} ORDER BY start, flow_id, part"  # noqa: S608  (our names)
        table = store.query(sql, {"run": run_id, "first": begin, "last": end, "one_in": one_in})
        yield from _typed(table, columns).to_batches()


def flow_count(store: Store, run_id: str, *, since: datetime | None = None, until: datetime | None = None) -> int:
    """Records that `flow_batches` would give. Raises StoreError."""
    asked = {"run": run_id, "first": _micro(since, _EARLIEST), "last": _micro(until, _LATEST), "one_in": 1}
    found = store.query(f"SELECT count() AS flows FROM flows WHERE {_WITHIN}", asked)  # noqa: S608  (our words)
    return int(found["flows"][0].as_py())


def _stretches(store: Store, run_id: str, first: int, last: int, one_in: int) -> Iterator[tuple[int, int]]:
    """Parts of the time asked about in which there are flows: an hour each, less where an hour holds too many."""
    hour = "toUnixTimestamp64Micro(toDateTime64(toStartOfHour(start), 6)) AS hour"
    sql = f"SELECT {hour}, count() AS flows FROM flows WHERE {_WITHIN} GROUP BY hour ORDER BY hour"  # noqa: S608
    hours = store.query(sql, {"run": run_id, "first": first, "last": last, "one_in": one_in})
    for row in hours.to_pylist():
        parts = -(-row["flows"] // LARGEST_INSERT)
        bounds = [row["hour"] + _HOUR * part // parts for part in range(parts + 1)]
        for begin, end in pairwise(bounds):
            if max(begin, first) < min(end, last):
                yield max(begin, first), min(end, last)


def _typed(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    import pyarrow as pa

    schema = pa.schema([pa.field(name, column(name).arrow, nullable=False) for name in columns])
    arrays = [_cast(table[name], field.type) for name, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema).combine_chunks()


def _cast(values: Any, kind: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return values.cast(pa.string()).dictionary_encode().unify_dictionaries().cast(kind)
    return values.cast(kind)


def _micro(moment: datetime | None, otherwise: int) -> int:
    return otherwise if moment is None else microseconds(moment)

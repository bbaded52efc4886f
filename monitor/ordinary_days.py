"""Finds an ordinary day to try a model on: the last 24 hours of captures, of training's sources, or of the store.

How a model is tried on it is up to `evaluation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from monitor.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

    from monitor.config import Settings
    from monitor.past_flows import Past
    from monitor.report import Progress
    from monitor.store import Store

MOST = 300_000
"""Flows of a day that a model is tried on: enough for the figures, little enough for seconds."""
_DAY = 86_400_000_000
"""µs."""


class LastDay:
    """Keeps the flows of the last 24 hours of event time among those that pass, `MOST` at most, the latest."""

    def __init__(self) -> None:
        self._kept: list[tuple[int, pa.RecordBatch]] = []

    def see(self, batch: pa.RecordBatch) -> None:
        """Remember a batch with all columns."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if batch.num_rows == 0:
            return
        self._kept.append((pc.max(batch.column("start").cast(pa.int64())).as_py(), batch))
        self._kept.sort(key=lambda kept: kept[0])
        rows = sum(part.num_rows for _, part in self._kept)
        while len(self._kept) > 1 and (
            self._kept[0][0] < self._kept[-1][0] - _DAY or rows - self._kept[0][1].num_rows >= MOST
        ):
            rows -= self._kept.pop(0)[1].num_rows

    def table(self) -> pa.Table | None:
        """The flows in order of start; None without any."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if not self._kept:
            return None
        whole = pa.Table.from_batches([batch for _, batch in self._kept]).unify_dictionaries()
        whole = whole.sort_by([("start", "ascending"), ("flow_id", "ascending")])
        starts = whole["start"].cast(pa.int64())
        whole = whole.filter(pc.greater_equal(starts, pc.max(starts).as_py() - _DAY))
        return whole.slice(max(0, whole.num_rows - MOST)).combine_chunks()


def captured_day(captures: Sequence[str], settings: Settings, progress: Progress) -> pa.Table:
    """The flows of the last 24 hours of captures. Raises CaptureError, InputError when there are none, OSError."""
    from monitor.reading import Reading

    last = LastDay()
    for batch in Reading(captures, settings, progress).records():
        last.see(batch)
    table = last.table()
    if table is None:
        raise InputError(f"{', '.join(captures)}: no flows")
    return table


def stored_day(
    store: Store, settings: Settings, *, run_id: str = "", until: datetime | None = None
) -> tuple[pa.Table, int]:
    """The last 24 hours of flows of a run before `until` (None: the last flow), without those of incidents; one in n
    hosts where it would be too many. Raises InputError without flows, StoreError."""
    import pyarrow as pa

    from monitor.contamination import guard_of
    from monitor.store import flow_batches, flow_count

    end = until
    if end is None:
        last = store.query(
            "SELECT max(start) AS at, count() AS n FROM flows WHERE run_id = {run:String}", {"run": run_id}
        )
        end = last["at"][0].as_py() + timedelta(microseconds=1) if last["n"][0].as_py() else None
    count = flow_count(store, run_id, since=end - timedelta(days=1), until=end) if end else 0
    if end is None or not count:
        raise InputError(f"{store}: no live flows to lay canaries into; --day CAPTURE gives others")
    since, one_in = end - timedelta(days=1), -(-count // MOST)
    guard = guard_of(store, settings, run_id, since, end)
    kept = [
        batch.filter(pa.array(guard.allowed(batch)))
        for batch in flow_batches(store, run_id, since=since, until=end, one_in=one_in)
    ]
    table = pa.Table.from_batches(kept).unify_dictionaries().combine_chunks()
    if not table.num_rows:
        raise InputError(f"{store}: no ordinary flows in the last day; --day CAPTURE gives others")
    return table, one_in


def stored_flows(past: Past, settings: Settings) -> pa.Table:
    """All flows of a past of the settings' store, the first run's; one in n hosts where it would be too many.

    Raises InputError without flows, UsageError, StoreError.
    """
    import pyarrow as pa

    from monitor.places import existing_store
    from monitor.store import flow_batches, flow_count

    (run,) = past.runs
    with existing_store(settings) as store:
        count = flow_count(store, run, since=past.since, until=past.until) if store.schema.ready else 0
        if not count:
            raise InputError(f"{store}: no flows of {run or 'live traffic'} in the time asked for")
        kept = list(flow_batches(store, run, since=past.since, until=past.until, one_in=-(-count // MOST)))
    if not kept:
        raise InputError(f"{store}: no flows of {run or 'live traffic'} in the time asked for")
    return pa.Table.from_batches(kept).unify_dictionaries().combine_chunks()

"""Measures the slowest query of each dashboard over a day of many flows in an embedded store.

    python -m benchmarks.dashboards [--flows 30000000] [--keep FOLDER]

A tenth of the flows is made as in `inserts`, the others are these at later hours; they go in as live rows, through the
views that keep the roll-ups. Each query runs thrice over the whole day; the median counts.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.office import EPOCH, office_flows
from benchmarks.table import Row, against, show
from dashboards.asking import Span, expanded, sql_queries
from monitor.store import Store, open_store

DAY = 86_400
FLOWS = 30_000_000
COPIES = 10
BATCH = 500_000
BAR = 2.0
HOST = "192.168.0.7"
COMMAND = "python -m benchmarks.dashboards"


def fill(store: Store, flows: int) -> None:
    """A day of `flows` live flows, and incidents on some of them."""
    base = flows // COPIES
    part = DAY * 1_000_000 // COPIES
    for place, begin in enumerate(range(0, base, BATCH)):
        batch = _live(office_flows(min(BATCH, base - begin), seed=place, start=EPOCH, span=part))
        for copy in range(COPIES):
            store.insert_flows(_later(batch, copy * part))
    store.insert_incidents(list(_incidents(store)))


def _live(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The flows as live ones: without a run."""
    words = pa.DictionaryArray.from_arrays(pa.array([0] * batch.num_rows, pa.int32()), [""])
    place = batch.schema.get_field_index("run_id")
    return batch.set_column(place, batch.schema.field(place), words)


def _later(batch: pa.RecordBatch, shift: int) -> pa.RecordBatch:
    """The flows `shift` µs later."""
    for name in ("start", "end"):
        place = batch.schema.get_field_index(name)
        moved = pc.add(batch.column(name), pa.scalar(shift, pa.duration("us")))
        batch = batch.set_column(place, batch.schema.field(place), moved)
    return batch


def _incidents(store: Store) -> Iterator[dict[str, object]]:
    """2,000 incidents through the day, each with ten flows of the store as evidence."""
    ids = store.query("SELECT community_id FROM flows LIMIT 20000")["community_id"].to_pylist()
    morning = datetime.fromtimestamp(EPOCH / 1e6, UTC)
    for number in range(2000):
        begin = morning + timedelta(seconds=number * DAY // 2000)
        yield {
            "incident_id": f"{number:016x}",
            "detector": ("anomaly", "beacon", "port_scan")[number % 3],
            "severity": ("low", "medium", "high", "critical")[number % 4],
            "host": f"192.168.0.{number % 250}",
            "peer": "203.0.0.9",
            "service": "tls",
            "first_seen": begin,
            "last_seen": begin + timedelta(minutes=10),
            "flows": 10,
            "score": 0.8,
            "p_value": 1e-5,
            "reasons": ["called every 60 s", "no other host does"],
            "attack": ["T1071"],
            "community_ids": ids[number * 10 : number * 10 + 10],
        }


def measured(store: Store) -> list[Row]:
    """A row a dashboard: its slowest query."""
    begin = EPOCH // 1_000_000
    every = dict.fromkeys(("sensor", "zone", "severity", "detector", "state"), "$__all")
    values = {"run": "", "host": HOST, "incident": f"{7:016x}", **every}
    slowest: dict[str, tuple[float, str]] = {}
    for asked in sql_queries():
        text = expanded(asked.text, Span(begin, begin + DAY), values)
        times = []
        for _ in range(3):
            started = time.perf_counter()
            store.query(text)
            times.append(time.perf_counter() - started)
        took = statistics.median(times)
        slowest[asked.board] = max(slowest.get(asked.board, (0.0, "")), (took, asked.title.split(" · ")[0]))
    return [
        against(f"{board}: slowest query", took, BAR, "s", most=True, detail=title, command=COMMAND)
        for board, (took, title) in slowest.items()
    ]


def rows(flows: int = FLOWS, folder: str | None = None) -> list[Row]:
    """Fill a store, ask it everything."""
    with tempfile.TemporaryDirectory() as own, open_store(f"chdb://{folder or own}") as store:
        if not store.query("SELECT count() AS n FROM flows")["n"][0].as_py():
            started = time.perf_counter()
            fill(store, flows)
            print(f"filled in {time.perf_counter() - started:.0f} s", flush=True)
        return measured(store)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--flows", type=int, default=FLOWS)
    parser.add_argument("--keep", metavar="FOLDER", help="fill this folder, or use what is in it")
    given = parser.parse_args()
    show(rows(given.flows, given.keep))


if __name__ == "__main__":
    main()

"""Measures how many flow records a second go into an empty embedded store, with every column of the schema.

    python -m benchmarks.inserts [--flows 2000000] [--batch 100000] [--threads 2] [--store chdb:///path] [--writer]

With --writer they go as live rows do: through the spool on disk, with tokens, feeding the views.

The batches are synthetic but shaped like an office's traffic: mostly DNS and TLS, some plain HTTP, some scanning, few
words in the word columns. Their columns agree as a meter's do: Community IDs are those of the ends, and a flow of up to
sixteen packets has the lengths and times of its packet lists (`office`). They are built before the clock starts.
Reading is measured elsewhere.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.office import EPOCH, HOUR, office_flows
from monitor.flows.schema import COLUMNS
from monitor.store import Writer, open_store
from monitor.store.arrow import with_run_id


def measure(url: str, count: int, batch: int, threads: int) -> dict[str, float]:
    """Insert `count` flows as a replay from `threads` threads: flows/s, CPU seconds, bytes a flow on disk, memory."""
    ring = [office_flows(batch, seed=i, start=EPOCH + i * HOUR) for i in range(min(10, -(-count // batch)))]
    turns = -(-count // batch)
    with open_store(url) as store:
        store.begin_run("benchmark", sources=["synthetic"])
        begun, cpu = time.perf_counter(), time.process_time()
        with ThreadPoolExecutor(threads) as pool:
            rows = sum(pool.map(lambda turn: store.insert_flows(ring[turn % len(ring)]), range(turns)))
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
        begun = time.perf_counter()
        published = store.publish_flows()
        publishing = time.perf_counter() - begun
        on_disk = store.query("SELECT sum(bytes_on_disk) AS bytes FROM system.parts WHERE active AND table = 'flows'")
    if published != rows:
        raise AssertionError(f"{rows} flows inserted, {published} stored")
    return {
        "flows": rows,
        "seconds": seconds,
        "flows_per_second": rows / seconds,
        "cpu_seconds": cpu,
        "publish_seconds": publishing,
        "bytes_per_flow": on_disk["bytes"][0].as_py() / rows,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def measure_writer(url: str, count: int, batch: int, threads: int) -> dict[str, float]:
    """Hand `count` flows of now to a writer with `threads` senders until the store has them all: the same figures.

    Flows of now, since old ones would be packed harder at the first merge, an hour before their time.
    """
    now = time.time_ns() // 1000 - HOUR // 6
    made = [office_flows(batch, seed=i, start=now, span=HOUR // 6) for i in range(min(10, -(-count // batch)))]
    ring = [with_run_id(flows, "") for flows in made]
    turns = -(-count // batch)
    with tempfile.TemporaryDirectory(prefix="monitor-spool-") as spool, open_store(url) as store:
        with Writer(store, Path(spool), batch_rows=batch, senders=threads) as writer:
            begun, cpu = time.perf_counter(), time.process_time()
            for turn in range(turns):
                while writer.counts().spooled > 5 * batch:  # a sensor's queue is bounded too
                    time.sleep(0.002)
                writer.put(ring[turn % len(ring)])
            delivered = writer.flush(600)
            seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
            counts = writer.counts()
        summed = store.query("SELECT sum(flows) AS n FROM flows_by_minute")["n"][0].as_py()
        on_disk = store.query("SELECT sum(bytes_on_disk) AS bytes FROM system.parts WHERE active AND table = 'flows'")
    if not delivered or counts.written != turns * batch or summed != counts.written:
        raise AssertionError(f"{turns * batch} flows handed over, {counts.written} written, {summed} in the sums")
    return {
        "flows": counts.written,
        "seconds": seconds,
        "flows_per_second": counts.written / seconds,
        "cpu_seconds": cpu,
        "publish_seconds": 0.0,
        "bytes_per_flow": on_disk["bytes"][0].as_py() / counts.written,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flows", type=int, default=2_000_000)
    parser.add_argument("--batch", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--store", default="none", help="default: an embedded store in a temporary folder")
    parser.add_argument("--writer", action="store_true", help="as live rows: through the writer and its spool")
    given = parser.parse_args()
    result = (measure_writer if given.writer else measure)(given.store, given.flows, given.batch, given.threads)
    print(f"{len(COLUMNS)} columns, batches of {given.batch:,}, {given.threads} threads")
    for name, value in result.items():
        print(f"{name:20} {value:,.2f}")


if __name__ == "__main__":
    main()

"""A store that is away for half an hour while 5,000 flows/s come: what the spool takes, and how fast it is drained.

    python -m benchmarks.outage [--minutes 30] [--rate 5000]

Time is compressed: the batches that a sensor would seal every two seconds are handed over one after the other, all of
them while nothing listens at the store's address. Then an embedded store opens, and while the spool is drained new
batches go on arriving at the true rate. What is measured is the draining.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.office import HOUR, office_flows
from benchmarks.table import Row, against
from monitor.settings import StoreSettings
from monitor.store import Store, Writer, open_store
from monitor.store.arrow import with_run_id

SEAL = 2.0
"""Seconds after which a sensor seals a batch."""


def measure(minutes: float, rate: int) -> dict[str, float]:
    """Flows that came, were written, dropped; bytes in the spool; seconds and flows/s of the draining."""
    rows, turns = round(rate * SEAL), round(minutes * 60 / SEAL)
    made = with_run_id(office_flows(rows, start=time.time_ns() // 1000 - HOUR // 6, span=HOUR // 6), "")
    place = made.schema.get_field_index("flow_id")

    def numbered(turn: int) -> pa.RecordBatch:
        ids = pa.array(np.arange(turn * rows, (turn + 1) * rows, dtype=np.uint64))
        return made.set_column(place, made.schema.field(place), ids)

    with tempfile.TemporaryDirectory(prefix="monitor-outage-") as folder:
        back: list[Store] = []

        def opened() -> Store:
            return back[0] if back else open_store("http://127.0.0.1:9/away")

        limit = StoreSettings().spool_bytes
        with Writer(opened, Path(folder) / "spool", batch_rows=rows, limit=limit, senders=2) as writer:
            for turn in range(turns):
                writer.put(numbered(turn))
            held = writer.counts()
            back.append(open_store(f"chdb://{folder}/store"))
            begun, extra = time.monotonic(), 0
            writer.flush(0.01)
            while writer.counts().spooled:
                if time.monotonic() - begun >= extra * SEAL:
                    writer.put(numbered(turns + extra))
                    extra += 1
                time.sleep(0.01)
            seconds = time.monotonic() - begun
            counts = writer.counts()
        came = (turns + extra) * rows
        asked = "SELECT count() AS n, uniqExact(flow_id) AS u, max(flow_id) + 1 AS last FROM flows"
        kept = back[0].query(asked).to_pylist()[0]
        back[0].close()
    if {kept["n"], kept["u"], kept["last"]} != {came} or counts.dropped:
        raise AssertionError(f"{came} flows came, the store has {kept}, {counts.dropped} were dropped")
    return {
        "flows_away": turns * rows,
        "spool_bytes": held.spool_bytes,
        "spool_share": held.spool_bytes / limit,
        "drain_seconds": seconds,
        "drained_per_second": counts.written / seconds,
        "times_arrival": counts.written / seconds / rate,
    }


def rows() -> list[Row]:
    """The figures of the issue's table."""
    found = measure(30, 5000)
    detail = f"{found['flows_away'] / 1e6:.0f} M flows, spool {found['spool_bytes'] / 1e9:.2f} GB of its bound"
    return [
        against("store away 30 minutes at 5 k flows/s: drained, times the arrival rate, no gap", found["times_arrival"],
                10, "×", command="python -m benchmarks.outage", detail=detail)
    ]  # fmt: skip


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=int, default=5000)
    given = parser.parse_args()
    for name, value in measure(given.minutes, given.rate).items():
        print(f"{name:20} {value:,.2f}")


if __name__ == "__main__":
    main()

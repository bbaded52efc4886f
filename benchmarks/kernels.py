"""Times our scan, decode and flow-table kernels alone on B, on one thread, beside the C program `limit.c`.

    python -m benchmarks.kernels [--rounds 5]

Both walk the capture in memory, all its pages mapped, count every packet and copy every finished flow out;
neither makes columns or files of them. Both go through the capture three times in a round, and the fastest counts.
Seconds are of the thread's processor time.
"""

from __future__ import annotations

import argparse
import json
import mmap
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks.inputs import cache, capture, cut
from benchmarks.measure import run, warm
from benchmarks.table import Row, against, show
from monitor.capture.packets import PacketBatch
from monitor.capture.pcap import PcapScanner
from monitor.capture.scan import BATCH_SPAN, RowStock
from monitor.flows import meter as metering
from monitor.settings import Settings

BAR = 0.6
PARTS = ("scan", "decode", "table")
PASSES = 3


def limit_program() -> Path:
    """`limit.c`, compiled for this processor when it is newer than what is there."""
    source, program = Path(__file__).with_name("limit.c"), cache() / "limit"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["cc", "-O3", "-march=native", "-o", program, source, "-lm"], check=True)
    return program


class Memory:
    """A capture mapped with all its pages, as a window that our pcap scanner reads (see `monitor.capture.scan`)."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            flags = mmap.MAP_PRIVATE | mmap.MAP_POPULATE
            self.data = np.frombuffer(mmap.mmap(file.fileno(), 0, flags, mmap.PROT_READ), np.uint8)
        self.at, self.base, self.end, self.need = 24, 0, len(self.data), 0

    def batches(self, packets: int = 32_768) -> Iterator[PacketBatch]:
        """All packets from the first on, in batches of the product's size."""
        scanner, stock, self.at = PcapScanner(self.data[:24].tobytes()), RowStock(packets), 24
        while True:
            rows = stock.take()
            scanner.scan(self, rows, min(self.at + BATCH_SPAN, self.end))
            if not rows.count:
                return
            yield rows.batch(self.data)


def once(memory: Memory, *, named: bool) -> dict[str, float]:
    """One pass of our kernels over a capture, on this thread: packets, flows, and the seconds of each.

    `named`: read the first payload, too, whose seconds are in those of the table. The C program does not.
    """
    seconds = {"scan": 0.0, "decode": 0.0, "table": 0.0}
    meter = metering.FlowMeter(Settings().flows)
    decode = meter.decode
    if not named:
        meter._naming[:] = 0

    def scanned() -> Iterator[PacketBatch]:
        batches = memory.batches()
        while True:
            began = time.thread_time()
            batch = next(batches, None)
            seconds["scan"] += time.thread_time() - began
            if batch is None:
                return
            yield batch

    def decoded(batch: PacketBatch, rows: NDArray[Any] | None = None) -> NDArray[Any]:
        began = time.thread_time()
        packets = decode(batch, rows)
        seconds["decode"] += time.thread_time() - began
        return packets

    inline = patch.object(metering, "ahead", lambda items, *_: items)  # the meter gives each kernel a thread
    with inline, patch.object(metering.FlowMeter, "decode", lambda _, *given: decoded(*given)):
        began = time.thread_time()
        for _ in meter.ended(scanned()):
            pass
        seconds["table"] = time.thread_time() - began - seconds["scan"] - seconds["decode"]
    return {"packets": meter.counters.packets, "flows": meter.counters.flows, **seconds}


def fastest(path: Path) -> dict[str, float]:
    """The fastest of PASSES passes, after one over the beginning of A that loads the kernels."""
    once(Memory(cut("A", 20_000)), named=True)
    memory = Memory(path)
    plain, named = (
        min((once(memory, named=named) for _ in range(PASSES)), key=lambda one: sum(one[part] for part in PARTS))
        for named in (False, True)
    )
    return {**plain, "names": named["table"] - plain["table"]}


def rows(rounds: int = 5) -> list[Row]:
    """Our kernels against the limit, round by round."""
    path = capture("B")
    warm(path)
    ratios, ours, theirs = [], [], []
    for number in range(rounds):
        lines = run([limit_program(), path, str(PASSES)]).checked().output.splitlines()
        theirs.append(max((json.loads(line) for line in lines), key=lambda one: one["rate"]))
        ours.append(json.loads(run([sys.executable, "-m", "benchmarks.kernels", "--once"]).checked().output))
        ours[-1]["rate"] = ours[-1]["packets"] / sum(ours[-1][part] for part in PARTS)
        ratios.append(ours[-1]["rate"] / theirs[-1]["rate"])
        print(f"  round {number + 1}/{rounds}: {ratios[-1]:.2f} of the limit", file=sys.stderr, flush=True)
    parts = ", ".join(
        f"{part} {statistics.median(one[part] for one in ours) / ours[0]['packets'] * 1e9:.0f} ns"
        for part in (*PARTS, "names")
    )
    rate = statistics.median(one["rate"] for one in ours)
    limit = statistics.median(one["rate"] for one in theirs)
    detail = (
        f"{rate / 1e6:.2f} M packets/s, {ours[0]['flows']:,.0f} flows, a packet: {parts} (the rate is without names); "
        f"C {limit / 1e6:.2f} M packets/s, {theirs[0]['flows']:,} flows"
    )
    return [
        against(
            "decode and flow kernels alone on B, one thread", statistics.median(ratios), BAR, "× the C program",
            command="python -m benchmarks.kernels", detail=detail,
        )
    ]  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--once", action="store_true", help="only our kernels, once; prints JSON")
    chosen = parser.parse_args()
    if chosen.once:
        print(json.dumps(fastest(capture("B"))))
    else:
        show(rows(chosen.rounds))

"""Times our scan, decode and flow-table kernels alone on B, on one thread, beside the C program `limit.c`.

    python -m benchmarks.kernels [--rounds 5]

Both walk the capture where it lies in memory, count every packet and copy every finished flow out; neither makes
columns or files of them. Both go through the capture three times in a round, and the fastest counts. Seconds are of the
thread's processor time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.inputs import cache, capture
from benchmarks.measure import run, warm
from benchmarks.table import Row, against, show

BAR = 0.6
PASSES = 3


def limit_program() -> Path:
    """`limit.c`, compiled for this processor when it is newer than what is there."""
    source, program = Path(__file__).with_name("limit.c"), cache() / "limit"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["cc", "-O3", "-march=native", "-o", program, source, "-lm"], check=True)
    return program


def once(path: Path) -> dict[str, float]:
    """One pass of our kernels over a capture, one after the other: packets, flows, and the seconds of each."""
    from monitor.capture import open_captures
    from monitor.flows.account import account, drain
    from monitor.flows.meter import FlowMeter
    from monitor.settings import Settings

    meter = FlowMeter(Settings().flows)
    table = meter._table  # the meter itself overlaps the kernels in threads
    arrays = (
        table.index, table.flows, table.sides, table.free, table.wheel, table.out_flows, table.out_sides,
        table.control,
    )  # fmt: skip
    seconds = {"scan": 0.0, "decode": 0.0, "table": 0.0}

    def timed(part: str, function: Callable[..., Any], *arguments: Any) -> Any:
        began = time.thread_time()
        result = function(*arguments)
        seconds[part] += time.thread_time() - began
        return result

    def count(batch: Any, packets: Any) -> None:
        done = 0
        while done < len(packets):
            done = account(packets, done, batch.data, meter._timeouts, *arrays)
            if done < len(packets) or table.control["out"][0] > len(table.out_flows) // 2:
                meter._take()

    def finish() -> None:
        while not drain(*arrays):
            meter._take()

    with open_captures([path]) as reader:
        while (batch := timed("scan", next, reader, None)) is not None:
            timed("table", count, batch, timed("decode", meter.decode, batch))
    timed("table", finish)
    return {"packets": meter.counters.packets, "flows": meter.counters.flows, **seconds}


def fastest(path: Path) -> dict[str, float]:
    """The fastest of PASSES passes, after one over A that loads the kernels."""
    once(capture("A"))
    passes = [once(path) for _ in range(PASSES)]
    return min(passes, key=lambda one: one["scan"] + one["decode"] + one["table"])


def rows(rounds: int = 5) -> list[Row]:
    """Our kernels against the limit, round by round."""
    path = capture("B")
    warm(path)
    ratios, ours, theirs = [], [], []
    for number in range(rounds):
        lines = run([limit_program(), path, str(PASSES)]).checked().output.splitlines()
        theirs.append(max((json.loads(line) for line in lines), key=lambda one: one["rate"]))
        ours.append(json.loads(run([sys.executable, "-m", "benchmarks.kernels", "--once"]).checked().output))
        ours[-1]["rate"] = ours[-1]["packets"] / sum(ours[-1][part] for part in ("scan", "decode", "table"))
        ratios.append(ours[-1]["rate"] / theirs[-1]["rate"])
        print(f"  round {number + 1}/{rounds}: {ratios[-1]:.2f} of the limit", file=sys.stderr, flush=True)
    parts = ", ".join(
        f"{part} {statistics.median(one[part] for one in ours) / ours[0]['packets'] * 1e9:.0f} ns"
        for part in ("scan", "decode", "table")
    )
    rate = statistics.median(one["rate"] for one in ours)
    limit = statistics.median(one["rate"] for one in theirs)
    detail = (
        f"{rate / 1e6:.2f} M packets/s, {ours[0]['flows']:,.0f} flows, a packet: {parts}; "
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

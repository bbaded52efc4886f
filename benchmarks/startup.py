"""Measures how long the command takes to start: its help, and a capture of 1,000 packets with the kernels cached.

python -m benchmarks.startup [--rounds 11]
"""

from __future__ import annotations

import argparse
import statistics

from benchmarks.flows import MONITOR, flows, scratch
from benchmarks.inputs import cut
from benchmarks.measure import run
from benchmarks.table import Row, against, show

PACKETS = 1_000


def rows(rounds: int = 11) -> list[Row]:
    """Median wall times of whole processes, after one that nobody times."""
    path = cut("A", PACKETS)
    with scratch() as folder:
        output = folder / "flows.arrow"
        run([MONITOR, "--help"]).checked()
        flows(path, output)
        told = [run([MONITOR, "--help"]).checked().wall for _ in range(rounds)]
        metered = [flows(path, output).wall for _ in range(rounds)]
    return [
        against("start: `monitor --help`", statistics.median(told), 0.4, "s", most=True,
                command="monitor --help", detail=f"{rounds} runs, slowest {max(told):.2f} s"),
        against("start: `monitor flows` of 1,000 packets, kernels cached", statistics.median(metered), 2.5, "s",
                most=True, command="monitor flows cut.pcap -o flows.arrow",
                detail=f"{rounds} runs, slowest {max(metered):.2f} s"),
    ]  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    show(rows(parser.parse_args().rounds))

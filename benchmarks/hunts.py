"""All hunts over a day of flows: seconds and peak memory in the embedded engine, growth with flows.

    python -m benchmarks.hunts [--flows 1000000,10000000] [--each]

The flows are made by the engine itself: 1,000 hosts, 24 hours, services and names as an office has them, without
attacks. Each size has a process and a store of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.table import Row, against
from monitor.detect import Hunt, find_incidents, load_hunts
from monitor.store import Store, open_store

SIZES = (1_000_000, 10_000_000, 30_000_000)
DAY = datetime(2026, 11, 2, tzinfo=UTC)
RUN = "benchmark"
BLOCK = 1_000_000
"""Flows of one INSERT."""

MADE = Path(__file__).with_name("day_of_flows.sql")
"""INSERT of `{count}` flows from number `{first}` on."""


def fill(store: Store, flows: int) -> None:
    """Make `flows` flows of the run and publish them."""
    store.begin_run(RUN)
    begin = int(DAY.timestamp()) * 1_000_000
    sql = MADE.read_text("utf-8").replace("INSERT INTO flows ", "INSERT INTO flows_incoming ")
    for first in range(0, flows, BLOCK):
        asked = {"run": RUN, "begin": begin, "first": first, "count": min(BLOCK, flows - first)}
        text = sql.replace("cityHash64(number, ", f"cityHash64(number + {first}, ")
        store._client().command(text, asked)
    store.publish_flows()


def measure(flows: int) -> dict[str, float]:
    """Seconds of all hunts, asked for together as a replay does, and of each alone; incidents; peak memory in GiB.

    As in a replay the embedded store merges nothing meanwhile.
    """
    found: dict[str, float] = {}
    hunts = load_hunts()
    with tempfile.TemporaryDirectory() as folder, open_store(f"chdb://{folder}/store") as store:
        fill(store, flows)
        with store.at_rest():
            found["all"], _ = _timed(store, hunts)
            found["GiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
            for hunt in hunts:
                found[hunt.id], found[f"{hunt.id} incidents"] = _timed(store, [hunt])
    found["one after another"] = sum(found[hunt.id] for hunt in hunts)
    return found


def _timed(store: Store, hunts: Sequence[Hunt]) -> tuple[float, int]:
    """Seconds that the hunts take, and the incidents that they find."""
    began = time.perf_counter()
    incidents = find_incidents(
        store, RUN, hunts=hunts, since=DAY, until=DAY + timedelta(days=1), parameters={"conduits": "[]"}
    )
    return time.perf_counter() - began, len(incidents)


def apart(flows: int) -> dict[str, float]:
    """The same in a process of its own: its peak memory is that of this size alone."""
    command = [sys.executable, "-m", "benchmarks.hunts", "--flows", str(flows), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def rows() -> list[Row]:
    """Rows of RESULTS.md."""
    sizes = {flows: apart(flows) for flows in SIZES}
    ten = sizes[10_000_000]
    slowest = sorted((value, name) for name, value in ten.items() if name in {hunt.id for hunt in load_hunts()})[-3:]
    growth = ", ".join(f"{flows / 1e6:.0f} M {found['all']:.1f} s" for flows, found in sizes.items())
    growth += f"; 10 M one after another {ten['one after another']:.1f} s"
    detail = "slowest alone " + ", ".join(f"{name} {value:.1f} s" for value, name in reversed(slowest)) + f"; {growth}"
    command = "python -m benchmarks hunts"
    return [
        against("all hunts over 10 M flows (24 h, 1,000 hosts) in chDB", ten["all"], 20, "s", most=True,
                command=command, detail=detail),
        against("memory of that process at its peak", ten["GiB"], 6, "GiB", most=True, command=command),
    ]  # fmt: skip


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flows", default=",".join(map(str, SIZES)))
    parser.add_argument("--json", action="store_true", help="one size, as a JSON object")
    given = parser.parse_args()
    for flows in (int(word) for word in given.flows.split(",")):
        result = measure(flows) if given.json or "," not in given.flows else apart(flows)
        if given.json:
            print(json.dumps(result))
            continue
        apiece = result["one after another"]
        print(f"{flows:,} flows: {result['all']:.1f} s, one after another {apiece:.1f} s, {result['GiB']:.2f} GiB")
        for name, value in sorted(result.items(), key=lambda entry: -entry[1]):
            if f"{name} incidents" in result:
                print(f"  {name:20} {value:6.2f} s  {result[f'{name} incidents']:.0f} incidents")


if __name__ == "__main__":
    main()

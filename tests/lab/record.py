"""Record a session of the town: lay it out, let staff work and adversaries attack, write capture and ground truth.

python -m tests.lab.record --seconds 300 -o tests/lab/town.pcapng.xz
"""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from . import attacks, services, truth
from .compact import compact
from .plan import EVERYONE, host
from .staff import Day
from .town import MIRROR, SENSOR, Town


class Recorder:
    """dumpcap on the mirror; use as a context manager, so that the file is whole when the block ends."""

    def __init__(self, town: Town, capture: Path) -> None:
        self.capture = capture
        self._log = town.folder / f"dumpcap.{SENSOR}.log"
        self._town = town

    def __enter__(self) -> Recorder:
        self._process = self._town.spawn(
            SENSOR, "dumpcap", "-q", "-i", MIRROR, "-s", "0", "-B", "32", "-w", str(self.capture)
        )
        deadline = time.monotonic() + 10
        while not self.capture.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise OSError(f"dumpcap did not start: {self._log.read_text().strip()}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait(20)

    def lost(self) -> int:
        """Packets that the recorder itself dropped."""
        match = re.search(r"received/dropped on interface.*?: (\d+)/(\d+)", self._log.read_text())
        if not match:
            raise OSError(f"dumpcap left no count: {self._log.read_text().strip()}")
        return int(match.group(2))


def attack_all(town: Town, seconds: float) -> list[truth.Behaviour]:
    """Run every attack at its moment, side by side; returns when all have ended."""
    done: list[truth.Behaviour] = []
    begin = time.monotonic()

    def one(entry: attacks.Attack) -> None:
        time.sleep(max(0.0, begin + entry.at - time.monotonic()))
        start = time.time()
        entry.run(town, seconds - entry.at)
        end = time.time()
        who, whom = host(entry.host).address, entry.peer if "/" in entry.peer else host(entry.peer).address
        done.append(truth.Behaviour(entry.behaviour, who, whom, start, end, entry.tool, entry.note, entry.filter))
        print(f"{entry.behaviour}: {entry.tool}, {end - start:.1f} s", file=sys.stderr)

    threads = [threading.Thread(target=one, args=(entry,)) for entry in attacks.ATTACKS if entry.at < seconds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


def record(seconds: float, output: Path, *, seed: int = 1) -> None:
    """Record a session into `output` (.pcapng.xz) and its ground truth beside it (.yaml)."""
    with Town(EVERYONE) as town:
        raw = town.folder / "town.pcapng"
        services.start_all(town)
        with Recorder(town, raw) as recorder:
            time.sleep(1)
            day = Day(town, seed=seed)
            day.start()
            behaviours = attack_all(town, seconds)
            day.stop()
            time.sleep(2)
        if recorder.lost():
            print(f"record: the recorder dropped {recorder.lost()} packets", file=sys.stderr)
        exact = [truth.measured(behaviour, raw) for behaviour in behaviours]
        compact(raw, output)
        truth.write(output.with_suffix("").with_suffix(".yaml"), output.name, exact)
        summary = subprocess.run(["capinfos", "-T", "-r", "-c", "-d", "-u", str(raw)], capture_output=True, text=True)
        print(summary.stdout.strip(), f"-> {output.stat().st_size / 1e6:.2f} MB", file=sys.stderr)


def main() -> None:
    """Parse the command line and record."""
    parser = argparse.ArgumentParser(description="Record a session of the lab town.")
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_name("town.pcapng.xz"))
    asked = parser.parse_args()
    record(asked.seconds, asked.output, seed=asked.seed)


if __name__ == "__main__":
    main()

"""Record a session of the town: lay it out, let staff work and adversaries attack, write capture and ground truth.

python -m tests.lab.record --seconds 300 -o tests/lab/town.pcapng.xz
"""

from __future__ import annotations

import argparse
import re
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

from . import attacks, farside, services, truth
from .attack import Attack
from .compact import compact, pack
from .plan import EVERYONE
from .staff import Day
from .town import Town
from .wiring import MIRROR, SENSOR


class Recorder:
    """dumpcap on the mirror; the file is whole when the `with` ends, and `lost` says what the recorder dropped."""

    def __init__(self, town: Town, capture: Path) -> None:
        self.capture = capture
        self.lost = 0
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
        counts = re.search(r"received/dropped on interface.*?: (\d+)/(\d+)", self._log.read_text())
        if not counts:
            raise OSError(f"dumpcap left no count: {self._log.read_text().strip()}")
        self.lost = int(counts.group(2))


def attack_all(town: Town, seconds: float) -> list[truth.Behaviour]:
    """Run every attack at its moment, side by side; returns when all have ended, raises if one could not run."""
    begin = time.monotonic()
    done: list[truth.Behaviour] = []

    def one(entry: Attack) -> None:
        time.sleep(max(0.0, begin + entry.at - time.monotonic()))
        start = time.time()
        entry.run(town, seconds - entry.at)
        end = time.time()
        print(f"{entry.behaviour}: {entry.tool}, {end - start:.1f} s", file=sys.stderr)
        ends = entry.address(entry.host), entry.address(entry.peer)
        done.append(truth.Behaviour(entry.behaviour, *ends, start, end, entry.tool, entry.note, entry.display_filter()))

    entries = [entry for entry in attacks.ATTACKS if entry.at < seconds]
    threads = [threading.Thread(target=one, args=(entry,), daemon=True) for entry in entries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(done) < len(entries):
        raise RuntimeError(f"{len(entries) - len(done)} attacks could not run; their traces are above")
    return done


def record(seconds: float, output: Path, *, seed: int = 1) -> bool:
    """Record a session into `output` (.pcapng.xz) and its ground truth beside it (.yaml); False if one is not whole."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        raw, small = Path(folder, "raw.pcapng"), Path(folder, "small.pcapng")
        with Town(EVERYONE) as town:
            services.start_all(town)
            farside.start_all(town)
            attacks.write_lists(town.folder)
            with Recorder(town, raw) as recorder:
                time.sleep(1)
                with Day(town, seed=seed):
                    behaviours = attack_all(town, seconds)
                time.sleep(2)
        packets = compact(raw, small)
        exact = [(behaviour, truth.measured(behaviour, small)) for behaviour in behaviours]
        pack(small, output)
    truth.write(output.with_suffix("").with_suffix(".yaml"), output.name, [seen for _, seen in exact if seen])
    unseen = [f"{behaviour.behaviour} ({behaviour.tool})" for behaviour, seen in exact if not seen]
    print(f"{output}: {packets} packets, {output.stat().st_size / 1e6:.2f} MB", file=sys.stderr)
    if unseen:
        print(f"left no packet, so not in the ground truth: {', '.join(unseen)}", file=sys.stderr)
    if recorder.lost:
        print(f"the recorder dropped {recorder.lost} packets: record again on a quieter machine", file=sys.stderr)
    return not unseen and not recorder.lost


def main() -> None:
    """Parse the command line and record."""
    parser = argparse.ArgumentParser(description="Record a session of the lab town.")
    parser.add_argument("--seconds", type=float, default=attacks.SESSION)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, default=Path("build/lab/town.pcapng.xz"))
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("record: asked to end; taking the town down"))
    if not record(asked.seconds, asked.output, seed=asked.seed):
        sys.exit(1)


if __name__ == "__main__":
    main()

"""How many packets a second a listener on a veth pair takes before it loses any; all listeners share it in turn.

A rate is lost when more than one packet in a thousand is missing. All share the two cores with tcpreplay, which is what
limits a pair without a wire.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import peers
from benchmarks.table import Row, against
from tests.sensor.summary import ending
from tests.sensor.wire import Wire, sensor, wire

LADDER = (5_000, 10_000, 20_000, 40_000, 80_000, 120_000, 160_000, 240_000, 320_000, 480_000, 0)
"""Packets a second; 0: as fast as tcpreplay goes."""
SECONDS = 5
MOST_LOST = 0.001
PACKETS = 100_000
_NFSTREAM = """\
import sys
from nfstream import NFStreamer
if __name__ == "__main__":
    for flow in NFStreamer(source=sys.argv[1], n_dissections=0, statistical_analysis=True, performance_report=1,
                           idle_timeout=10, active_timeout=10):
        pass
"""

Play = Callable[[], None]


def by_tcpdump(line: Wire, play: Play) -> int:
    """Packets that tcpdump wrote to /dev/null while `play` sent."""
    command = line.on(line.sensor, "tcpdump", "-i", "span0", "-s", "0", "-w", "/dev/null")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as dump:
        assert dump.stderr is not None
        assert any("listening" in said for said in dump.stderr)
        play()
        time.sleep(1)
        dump.send_signal(signal.SIGINT)
        found = re.search(r"(\d+) packets captured", dump.stderr.read())
        assert found is not None
        return int(found[1])


def by_us(line: Wire, play: Play) -> int:
    """Packets that `monitor live` metered, scored and stored, two workers on two cores."""
    with tempfile.TemporaryDirectory() as folder, sensor(line, Path(folder), "--workers", "2", lean=False) as live:
        live.listening()
        play()
        time.sleep(1)
        live.stop()
        end = ending(live.log.read_text())
        return end.packets - end.dropped.get("ring_full", 0)


def by_nfstream(line: Wire, play: Play) -> int:
    """Packets that NFStream says it processed, by its own report of each second."""
    command = line.on(line.sensor, peers.nfstream(Path("x"))[0], "-u", "-c", _NFSTREAM, "span0")
    with tempfile.TemporaryFile("w+") as told, subprocess.Popen(command, stdout=told, stderr=told) as nfstream:
        time.sleep(5)
        play()
        time.sleep(3)
        children = subprocess.run(["pgrep", "-P", str(nfstream.pid)], capture_output=True, text=True, check=False)
        nfstream.send_signal(signal.SIGINT)
        try:
            nfstream.wait(5)
        except subprocess.TimeoutExpired:
            nfstream.kill()
        subprocess.run(["kill", "-9", *children.stdout.split()], check=False, stderr=subprocess.DEVNULL)
        told.seek(0)
        reports = [json.loads(row) for row in told if row.startswith("{")]
    return max((int(report["packets_processed"]) for report in reports), default=0)


LISTENERS = {"tcpdump": by_tcpdump, "monitor live": by_us, "NFStream": by_nfstream}


def knee_of(name: str, line: Wire, capture: Path) -> tuple[int, bool]:
    """The highest rate of the ladder without loss (packets/s, as reached), and whether it was tcpreplay's highest."""
    best = 0
    for rate in LADDER:
        sent, reached = 0, 0.0

        def play(rate: int = rate) -> None:
            nonlocal sent, reached
            loops = max(1, (rate or 400_000) * SECONDS // PACKETS)
            speed = f"--pps={rate}" if rate else "--topspeed"
            said = line.play(capture, "-K", speed, f"--loop={loops}")
            sent = int(re.search(r"Successful packets:\s+(\d+)", said)[1])  # type: ignore[index]
            reached = float(re.search(r"([\d.]+) pps", said)[1])  # type: ignore[index]

        got = LISTENERS[name](line, play)
        lost = max(1 - got / sent, 0.0)
        asked = f"{rate:,}" if rate else "top speed"
        print(f"  {name}: {asked}: {reached:,.0f} packets/s, {lost:.2%} lost", file=sys.stderr, flush=True)
        if lost > MOST_LOST:
            return best, False
        best = max(best, round(reached))
    return best, True


def knee(capture: Path) -> list[Row]:
    """Climb the ladder with each listener until it loses packets, or tcpreplay can do no more."""
    with wire() as line:
        found = {name: knee_of(name, line, capture) for name in LISTENERS}
    told = ", ".join(
        f"{name} {rate:,}" + (" (the end of tcpreplay)" if end else "") for name, (rate, end) in found.items()
    )
    ours, end = found["monitor live"]
    theirs = found["NFStream"][0] or LADDER[0]
    command = "python -m benchmarks.live knee"
    return [
        Row("Live on a veth pair, 2 cores shared with tcpreplay: no drop at tcpreplay's top speed",
            f"knee in packets/s: {told}", "none dropped", end, command),
        against("Live: knee over NFStream's", ours / theirs, 5, "×", command=command,
                detail="" if found["NFStream"][0] else f"NFStream loses packets at {LADDER[0]:,} already"),
    ]  # fmt: skip

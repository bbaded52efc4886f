"""The live sensor on a veth pair: knee beside tcpdump and NFStream, a SYN flood, and a soak. Needs root.

    python -m benchmarks.live knee | flood [--seconds 60] | soak [--minutes 30] [--rate 50000]

The knee is the highest rate of a ladder at which a listener loses no more than one packet in a thousand; all listeners
share the machine with tcpreplay, which is what limits a pair without a wire.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import peers
from benchmarks.inputs import cut
from benchmarks.table import Row, against, show
from tests.sensor.summary import ending
from tests.sensor.wire import Wire, sensor, wire

LADDER = (10_000, 20_000, 40_000, 80_000, 120_000, 160_000, 240_000, 320_000, 480_000)
SECONDS = 6
MOST_LOST = 0.001
PACKETS = 100_000
LIVE_NFSTREAM = """\
import signal, sys
from nfstream import NFStreamer
if __name__ == "__main__":
    stream = NFStreamer(source=sys.argv[1], n_dissections=0, statistical_analysis=True, performance_report=1,
                        idle_timeout=10, active_timeout=10)
    print("ready", flush=True)
    for flow in stream:
        pass
"""


def counted_by_tcpdump(line: Wire, play: Callable[[], None]) -> int:
    """Packets that tcpdump wrote to /dev/null while `play` sent."""
    command = line.on(line.sensor, "tcpdump", "-i", "span0", "-s", "0", "-w", "/dev/null")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as dump:
        assert dump.stderr is not None
        assert any("listening" in said for said in dump.stderr)
        play()
        time.sleep(1)
        dump.send_signal(signal.SIGINT)
        return int(re.search(r"(\d+) packets captured", dump.stderr.read())[1])  # type: ignore[index]


def counted_by_us(line: Wire, play: Callable[[], None]) -> int:
    """Packets that `monitor live` metered, scored and stored."""
    with tempfile.TemporaryDirectory() as folder, sensor(line, Path(folder), "--workers", "1") as live:
        live.listening()
        play()
        time.sleep(1)
        live.stop()
        said = re.search(r"([\d,]+) packets = .*? \+ ([\d,]+) dropped(.*)", live.log.read_text())
        assert said is not None
        lost = re.search(r"ring_full ([\d,]+)", said[3])
        return int(said[1].replace(",", "")) - (int(lost[1].replace(",", "")) if lost else 0)


def counted_by_nfstream(line: Wire, play: Callable[[], None]) -> int:
    """Packets that NFStream says it processed, by its own report of each second."""
    python = peers.nfstream(Path("x"))[0]
    command = line.on(line.sensor, python, "-u", "-c", LIVE_NFSTREAM, "span0")
    with tempfile.TemporaryFile("w+") as told, subprocess.Popen(command, stdout=told, stderr=told) as nfstream:
        time.sleep(5)
        play()
        time.sleep(3)
        nfstream.send_signal(signal.SIGINT)
        try:
            nfstream.wait(5)
        except subprocess.TimeoutExpired:
            children = subprocess.run(["pgrep", "-P", str(nfstream.pid)], capture_output=True, text=True, check=False)
            subprocess.run(["kill", "-9", *children.stdout.split()], check=False)
            nfstream.kill()
        told.seek(0)
        reports = [json.loads(row) for row in told if row.startswith("{")]
    return max((int(report["packets_processed"]) for report in reports), default=0)


LISTENERS = {"tcpdump -w /dev/null": counted_by_tcpdump, "monitor live": counted_by_us, "NFStream": counted_by_nfstream}


def knee(capture: Path) -> list[Row]:
    """Climb the ladder with each listener in turn until it loses packets, or tcpreplay cannot go on."""
    knees: dict[str, int] = {}
    with wire() as line:
        for name, counted in LISTENERS.items():
            for rate in LADDER:
                sent, reached = 0, 0.0

                def play(rate: int = rate) -> None:
                    nonlocal sent, reached
                    loops = max(1, rate * SECONDS // PACKETS)
                    said = line.play(capture, "-K", f"--pps={rate}", f"--loop={loops}")
                    sent = int(re.search(r"Successful packets:\s+(\d+)", said)[1])  # type: ignore[index]
                    reached = float(re.search(r"([\d.]+) pps", said)[1])  # type: ignore[index]

                got = counted(line, play)
                lost = 1 - got / sent
                print(f"{name}: {reached:,.0f} packets/s, {max(lost, 0):.2%} lost", file=sys.stderr, flush=True)
                if lost > MOST_LOST:
                    break
                knees[name] = round(reached)
                if reached < 0.9 * rate:  # tcpreplay's own end
                    break
    ours, theirs = knees.get("monitor live", 0), knees.get("NFStream", 0)
    told = ", ".join(f"{name} {rate:,}" for name, rate in knees.items())
    ratio = ours / (theirs or LADDER[0])
    detail = told + ("" if theirs else f"; NFStream loses packets at {LADDER[0]:,} already")
    return [against("Knee on a veth pair, 2 cores shared with tcpreplay, over NFStream's", ratio, 5, "x",
                    command="python -m benchmarks.live knee", detail=detail)]  # fmt: skip


@contextmanager
def sampled(line: Wire, live: object, every: float = 2.0) -> Iterator[list[dict[str, float]]]:
    """Samples of a sensor while the context lasts: see `sample`."""
    import threading

    samples: list[dict[str, float]] = []
    over = threading.Event()
    began = time.monotonic()

    def watch() -> None:
        while not over.wait(every):
            samples.append(sample(line, live, began))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


def sample(line: Wire, live, began: float) -> dict[str, float]:  # type: ignore[no-untyped-def]
    """Seconds passed, own memory (MB) of all processes, s of processors, s that /metrics took, and its counters."""
    pids = [live.process.pid, *live.workers()]
    memory = processor = 0.0
    for pid in pids:
        roll = Path(f"/proc/{pid}/smaps_rollup").read_text()
        memory += int(re.search(r"^Pss:\s+(\d+)", roll, re.MULTILINE)[1]) / 1024  # type: ignore[index]
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        processor += (int(fields[11]) + int(fields[12])) / 100
    asked = time.monotonic()
    counts = live.metrics(line)
    return {"at": asked - began, "memory": memory, "processor": processor, "asked": time.monotonic() - asked, **counts}


def flood(seconds: int) -> list[Row]:
    """A SYN flood with random sources as fast as hping3 goes, beside a conversation a second that must be exported."""
    with wire() as line, tempfile.TemporaryDirectory() as folder:
        neighbour = ("neigh", "add", "10.99.0.2", "lladdr", "02:00:00:00:00:02", "dev", "wire0")
        for command in (("addr", "add", "10.99.0.1/24", "dev", "wire0"), neighbour):
            subprocess.run(["ip", "-n", line.sender, *command], check=True)
        settings = "[live]\nhunt_interval = 10\n"
        with sensor(line, Path(folder), settings=settings) as live:
            live.listening()
            attack = line.on(line.sender, "hping3", "--flood", "--rand-source", "-S", "-p", "80", "-q", "10.99.0.2")
            with sampled(line, live) as samples:
                subprocess.run(["timeout", str(seconds), *attack], capture_output=True, check=False)
            live.process.send_signal(signal.SIGTERM)
            live.process.wait(30)
            log = live.log.read_text()
    late = [one["memory"] for one in samples if one["at"] > 20]
    spread = (max(late) - min(late)) / (sum(late) / len(late)) * 50 if late else 100.0
    rate = samples[-1]["monitor_packets_total"] / (samples[-1]["at"])
    opened = len(re.findall("incident opened", log))
    return [
        against("SYN flood, random sources: memory after 20 s, ± of its mean", spread, 5, "%", most=True,
                command=f"python -m benchmarks.live flood --seconds {seconds}",
                detail=f"{rate / 1e3:,.0f} k packets/s, kernel drops {samples[-1]['monitor_kernel_drops_total']:,.0f}, "
                f"{opened} incidents opened"),
        against("SYN flood: slowest /metrics, with its client's start", max(one["asked"] for one in samples), 1, "s",
                most=True, command=f"python -m benchmarks.live flood --seconds {seconds}"),
    ]  # fmt: skip


def soak(capture: Path, minutes: float, rate: int) -> list[Row]:
    """Mixed traffic for a while: growth of memory after the first sixth of the time, balance, and a drawing of it."""
    with wire() as line, tempfile.TemporaryDirectory() as folder, sensor(line, Path(folder), "--workers", "2") as live:
        live.listening()
        loops = max(1, round(minutes * 60 * rate / PACKETS))
        with sampled(line, live, every=max(2.0, minutes * 60 / 200)) as samples:
            said = line.play(capture, "-K", f"--pps={rate}", f"--loop={loops}", patience=minutes * 120 + 60)
        time.sleep(2)
        live.process.send_signal(signal.SIGTERM)
        live.process.wait(30)
        log = live.log.read_text()
    sent = int(re.search(r"Successful packets:\s+(\d+)", said)[1])  # type: ignore[index]
    told = ending(log)
    settled = [one for one in samples if one["at"] > minutes * 10]
    slope = slope_of([one["at"] / 60 for one in settled], [one["memory"] for one in settled])
    from benchmarks.drawing import draw

    draw(Path(__file__).with_name("soak.svg"), samples, f"{minutes:g} minutes of {rate:,} packets/s, 2 workers")
    command = f"python -m benchmarks.live soak --minutes {minutes:g} --rate {rate}"
    used = (samples[-1]["processor"] - samples[0]["processor"]) / (samples[-1]["at"] - samples[0]["at"])
    mean = sum(one["memory"] for one in settled) / len(settled)
    dropped, whole = told.dropped.get("ring_full", 0), told.packets == sent and told.flows == told.stored
    balance = f"{told.packets - sent:+,} packets, {told.flows - told.stored:+,} flows"
    return [
        against(f"Soak of {minutes:g} min: growth of memory", slope, 1, "MB/min", most=True, command=command,
                detail=f"mean {mean:,.0f} MB, {used:.2f} processors, {dropped:,} packets dropped"),
        Row(f"Soak: {sent:,} packets sent and {told.flows:,} flows made; accounted for more, stored less", balance,
            "0, 0", whole and told.balanced(), command),
    ]  # fmt: skip


def slope_of(x: list[float], y: list[float]) -> float:
    """Least-squares slope."""
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    spread = sum((a - mean_x) ** 2 for a in x)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / spread if spread else 0.0


def main() -> None:
    """Run the part that is named and show its rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("knee", "flood", "soak"))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=int, default=50_000)
    chosen = parser.parse_args()
    if chosen.part == "flood":
        show(flood(chosen.seconds))
    elif chosen.part == "knee":
        show(knee(cut("A", PACKETS)))
    else:
        show(soak(cut("A", PACKETS), chosen.minutes, chosen.rate))


if __name__ == "__main__":
    main()

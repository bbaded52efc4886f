"""The live sensor under load for a while, on a veth pair: a SYN flood beside legitimate traffic, and a soak."""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from benchmarks.drawing import draw
from benchmarks.live_watch import watched
from benchmarks.table import Row, against
from tests.packets import Packet, tcp_session, write_pcap
from tests.sensor.summary import ending
from tests.sensor.wire import sensor, stored, wire

PACKETS = 100_000
CONVERSATIONS = 20
"""Legitimate ones a second."""
VICTIM, SERVER = "10.99.0.2", "203.0.113.10"
SOAK = Path(__file__).with_name("soak.svg")


def conversations(seconds: int) -> Iterator[Packet]:
    """Whole connections of as many hosts, spread over the time, each of 14 packets."""
    packets: list[Packet] = []
    for number in range(seconds * CONVERSATIONS):
        source = f"10.50.{number >> 8}.{number & 255}"
        begin = number * 1_000_000 // CONVERSATIONS
        packets += tcp_session(begin, source, SERVER, 40_000 + number % 20_000, 443, bytes(300), bytes(3000))
    yield from sorted(packets, key=lambda packet: packet[0])


def flood(seconds: int) -> list[Row]:
    """A SYN flood with random sources as fast as hping3 goes, beside conversations that must all be exported."""
    with ExitStack() as stack:
        line = stack.enter_context(wire())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        neighbour = ("neigh", "add", VICTIM, "lladdr", "02:00:00:00:00:02", "dev", "wire0")
        for command in (("addr", "add", "10.99.0.1/24", "dev", "wire0"), neighbour):
            subprocess.run(["ip", "-n", line.sender, *command], check=True)
        legitimate = write_pcap(folder / "legitimate.pcap", conversations(seconds - 5))
        live = stack.enter_context(sensor(line, folder, "--workers", "2", lean=False))
        live.listening()
        attack = line.on(line.sender, "hping3", "--flood", "--rand-source", "-S", "-p", "80", "-q", VICTIM)
        play = line.on(line.sender, "tcpreplay", "-q", "-i", "wire0", legitimate)
        began = time.time()
        with watched(line, live) as samples, subprocess.Popen(play, stdout=subprocess.DEVNULL):
            subprocess.run(["timeout", str(seconds), *attack], capture_output=True, check=False)
        took = live.stop()
        log = live.log.read_text()
        exported, whole = legitimate_flows(live.store)
    sent = (seconds - 5) * CONVERSATIONS
    late = [one.memory for one in samples if one.at > 20]
    spread = max(max(late) - (mean := sum(late) / len(late)), mean - min(late)) / mean * 100
    end = ending(log)
    command = f"python -m benchmarks.live flood --seconds {seconds}"
    about = (
        f"{end.packets / seconds / 1e3:,.0f} k packets/s, {end.dropped.get('ring_full', 0) / end.packets:.1%} dropped"
    )
    opened = until_incident(log, began)
    return [
        against("Live, SYN flood of random sources: memory after 20 s, ± of its mean", spread, 5, "%", most=True,
                command=command, detail=f"mean {mean:,.0f} MB; {about}; ended in {took:.1f} s"),
        against("Live, SYN flood: slowest answer of /metrics", max(one.asked for one in samples), 1, "s", most=True,
                command=command),
        Row("Live, SYN flood: legitimate conversations beside it that were exported",
            f"{exported:,} of {sent:,} ({whole:,} whole)", "all", exported == sent, command),
        against("Live, SYN flood: from its first packet to the incident", opened, 60, "s", most=True, command=command),
        Row("Live, SYN flood: every packet and flow accounted for", f"{end.packets:,} packets, {end.flows:,} flows: "
            f"{end.stored:,} stored, {end.spooled:,} spooled, lost {end.lost}", "balanced", end.balanced(), command),
    ]  # fmt: skip


def legitimate_flows(store: str) -> tuple[int, int]:
    """Conversations in the store, and how many of them are there as they were sent."""
    sql = (
        "SELECT uniqExact(src_ip) AS exported, "
        "countIf(state = 'SF' AND src_payload = 300 AND dst_payload = 3000) AS whole "
        f"FROM flows WHERE dst_ip = toIPv6('::ffff:{SERVER}') AND dst_port = 443"
    )
    row = stored(store, sql)[0]
    return int(str(row["exported"])), int(str(row["whole"]))


def until_incident(log: str, began: float) -> float:
    """Seconds from `began` until the log tells of a flood; infinite when it never does."""
    found = re.search(r"monitor: (\S+) incident opened: \w+ \w+ flood ", log)
    return datetime.strptime(found[1], "%Y-%m-%dT%H:%M:%S%z").timestamp() - began if found else float("inf")


def soak(capture: Path, minutes: float, rate: int) -> list[Row]:
    """Mixed traffic for a while: growth of memory after the first sixth of the time, balance, and a drawing of it."""
    with (
        wire() as line,
        tempfile.TemporaryDirectory() as folder,
        sensor(line, Path(folder), "--workers", "2", lean=False) as live,
    ):
        live.listening()
        loops = max(1, round(minutes * 60 * rate / PACKETS))
        with watched(line, live, every=max(2.0, minutes * 60 / 200)) as samples:
            said = line.play(capture, "-K", f"--pps={rate}", f"--loop={loops}", patience=minutes * 120 + 60)
        time.sleep(2)
        live.stop()
        end = ending(live.log.read_text())
    sent = int(re.search(r"Successful packets:\s+(\d+)", said)[1])  # type: ignore[index]
    settled = [one for one in samples if one.at > minutes * 10]
    growth = slope([one.at / 60 for one in settled], [one.memory for one in settled])
    draw(SOAK, samples, f"{minutes:g} minutes of {rate:,} packets/s, 2 workers")
    command = f"python -m benchmarks.live soak --minutes {minutes:g} --rate {rate}"
    used = (samples[-1].processor - samples[0].processor) / (samples[-1].at - samples[0].at)
    mean = sum(one.memory for one in settled) / len(settled)
    names = max(one.metrics['monitor_fill_ratio{buffer="payload"}'] for one in samples)
    dropped, whole = end.dropped.get("ring_full", 0), end.packets == sent and end.flows == end.stored
    balance = f"{end.packets - sent:+,} packets, {end.flows - end.stored:+,} flows"
    return [
        against(f"Soak of {minutes:g} min: growth of memory", growth, 1, "MB/min", most=True, command=command,
                detail=f"mean {mean:,.0f} MB, {used:.2f} processors, {dropped:,} packets dropped, payload {names:.0%}"),
        Row(f"Soak: {sent:,} packets sent and {end.flows:,} flows made; accounted for more, stored less", balance,
            "0, 0", whole and end.balanced(), command),
    ]  # fmt: skip


def slope(x: list[float], y: list[float]) -> float:
    """Least-squares slope."""
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    spread = sum((a - mean_x) ** 2 for a in x)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / spread if spread else 0.0

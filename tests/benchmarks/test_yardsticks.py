"""What measures is right itself: the C program's flows, processes that overrun, ratios and rows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import packets
import pytest

from benchmarks import kernels, measure, table


def run_of(wall: float) -> measure.Run:
    return measure.Run(wall=wall, processor=wall, resident=0, own=0, status=0, output="", errors="")


def limit(path: Path) -> dict[str, float]:
    printed = subprocess.run([kernels.limit_program(), path], check=True, capture_output=True, text=True).stdout
    return dict(json.loads(printed))


def test_the_c_program_counts_the_flows_that_we_count(tmp_path: Path) -> None:
    second, made = 1_000_000, []
    for client in range(40):
        a, b = f"192.168.1.{client + 1}", "198.51.100.7"
        made += packets.tcp_session(packets.START + client * 1000, a, b, 40_000 + client, 443)
        made += [(packets.START + client * 1000, packets.udp(a, b, 5000, 53, b"q"))]
        made += [(packets.START + 90 * second + client, packets.udp(a, b, 5000, 53, b"later: a flow of its own"))]
        made += [(packets.START + 500, packets.icmp(a, b, 8)), (packets.START + 600, packets.icmp(b, a, 0))]
        made += [(packets.START + 700, packets.tcp(f"2001:db8::{client:x}", "2001:db8:1::1", 1, 22))]
    made.sort(key=lambda one: one[0])
    path = packets.write_pcap(tmp_path / "made.pcap", made)
    theirs, ours = limit(path), kernels.once(kernels.Memory(path), named=False)
    assert theirs["packets"] == theirs["decoded"] == ours["packets"] == len(made)
    assert theirs["flows"] == ours["flows"] == 40 * 5


@pytest.mark.parametrize("size", [0, 10, 23, 24, 30, 60])
def test_the_c_program_ends_on_a_cut_capture(tmp_path: Path, size: int) -> None:
    path = tmp_path / "cut.pcap"
    path.write_bytes(packets.pcap([(packets.START, packets.tcp("10.0.0.1", "10.0.0.2", 1, 2))])[:size])
    done = subprocess.run([kernels.limit_program(), path], capture_output=True, text=True, check=False)
    assert done.returncode == (1 if size < 24 else 0)


def test_a_run_tells_time_memory_and_output() -> None:
    program = (
        "import time; kept = bytearray(150 << 20); kept[::4096] = b'x' * len(kept[::4096]); time.sleep(0.3); print(7)"
    )
    done = measure.run([sys.executable, "-c", program]).checked()
    assert done.output == "7\n"
    assert 0.3 <= done.wall < 30
    assert 150 << 20 <= done.own < 1 << 30
    assert done.resident >= done.own


def test_a_run_that_takes_too_long_is_ended_with_its_children() -> None:
    program = "import subprocess, time; subprocess.Popen(['sleep', '60']); time.sleep(60)"
    done = measure.run([sys.executable, "-c", program], limit=1)
    assert done.status is None
    assert done.wall < 20
    with pytest.raises(RuntimeError, match="exit status None"):
        done.checked()


def test_a_run_that_fails_says_its_last_words() -> None:
    done = measure.run([sys.executable, "-c", "raise SystemExit('no such capture')"])
    with pytest.raises(RuntimeError, match="exit status 1: no such capture"):
        done.checked()


def test_a_bound_on_memory_holds() -> None:
    done = measure.run([sys.executable, "-c", "bytearray(2 << 30)"], address_space=1 << 30)
    assert done.status == 1
    assert "MemoryError" in done.errors


def test_the_ratio_is_the_median_of_the_rounds() -> None:
    ours, theirs = [run_of(wall) for wall in (1, 2, 4)], [run_of(wall) for wall in (10, 40, 44)]
    assert measure.times_as_fast(ours, theirs) == 11
    assert measure.wall(ours) == 2


@pytest.mark.parametrize(
    ("value", "most", "met"), [(12.0, False, True), (11.99, False, False), (0.39, True, True), (0.4, True, False)]
)
def test_a_row_says_whether_its_bar_is_met(value: float, most: bool, met: bool) -> None:
    row = table.against("speed", value, 0.4 if most else 12, "×", most=most)
    assert row.met is met
    assert ("**no**" in table.markdown([row])) is not met

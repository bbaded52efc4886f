"""A capture searched in stretches has the packets, the order and the damage of one read from its first byte."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest
from capture.capture_builder import pcap
from packets import START

from monitor.capture import PacketBatch, open_captures
from monitor.capture.finding import open_window
from monitor.capture.formats import scanner_for
from monitor.capture.pcap import PcapScanner
from monitor.capture.stretches import Stretches
from monitor.capture.windows import MappedWindow

Facts = list[tuple[int, int, int, bytes]]


def facts(batch: PacketBatch) -> Facts:
    return [
        (int(time), int(wire), int(size), batch.data[at : at + size].tobytes())
        for time, wire, size, at in zip(batch.time, batch.wire, batch.captured.astype(int), batch.offset, strict=True)
    ]


def in_stretches(path: Path, stretch: int, rows: int = 100) -> tuple[Facts, int, str]:
    """Packets, where reading ended and why."""
    window = open_window(str(path))
    assert isinstance(window, MappedWindow)
    scanner = scanner_for(window)
    assert isinstance(scanner, PcapScanner)
    found: Facts = []
    last, wrong = window.at, None
    for one in Stretches(window.descriptor, scanner, window.at, rows, stretch).read(facts):
        assert wrong is None
        found += [row for batch in one.found for row in batch]
        last, wrong = one.last, one.wrong
    window.close()
    return found, last, wrong or ""


def from_the_start(path: Path) -> tuple[Facts, int, str]:
    reader = open_captures([path])
    found = [row for batch in reader for row in facts(batch)]
    damage = reader.damage[0] if reader.damage else None
    return found, damage.offset if damage else path.stat().st_size, damage.reason if damage else ""


def misleading(seed: int) -> list[tuple[int, bytes, int, int]]:
    """Packets of all sizes; many hold what looks like records: captures, zeros, their own time again and again."""
    draw, rows = random.Random(seed), []
    for n in range(400):
        size = draw.choice((1, 60, 700, 1500, 1500, 9000, 70_000 if n % 90 == 5 else 40))
        inner = pcap([(START + n * 1000 + k, bytes(k % 7 * 9), k % 7 * 9, 1) for k in range(1, size // 40 + 2)])[24:]
        content = draw.choice((inner, bytes(size), draw.randbytes(size)))[:size] or b"x"
        rows.append((START + n * 1000, content, len(content) + draw.choice((0, 0, 4)), 1))
    return rows


@pytest.mark.parametrize("stretch", [500, 4096, 50_000, 1 << 20])
@pytest.mark.parametrize("form", [{}, {"magic": 0xA1B23C4D, "order": ">"}, {"magic": 0xA1B2CD34}])
def test_the_packets_are_those_of_a_reader_that_begins_at_the_start(
    tmp_path: Path, stretch: int, form: dict[str, object]
) -> None:
    path = tmp_path / "all.pcap"
    path.write_bytes(pcap(misleading(stretch), **form))  # type: ignore[arg-type]
    assert in_stretches(path, stretch) == from_the_start(path)


@pytest.mark.parametrize("cut", [1, 5, 17, 30_000])
def test_a_cut_or_broken_capture_ends_where_it_does_and_says_why(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "cut.pcap"
    whole = pcap(misleading(cut))
    path.write_bytes(whole[:-cut])
    assert in_stretches(path, 4096) == from_the_start(path)
    found, _, _ = from_the_start(path)
    at = 24 + sum(16 + size for _, _, size, _ in found[:300])
    path.write_bytes(whole[: at + 8] + b"\xff\xff\xff\x7f" + whole[at + 12 :])
    ours = in_stretches(path, 4096)
    assert ours == from_the_start(path)
    assert (len(ours[0]), ours[1]) == (300, at)
    assert "claims 2147483647 captured bytes" in ours[2]


def test_records_out_of_the_ordinary_cost_time_and_nothing_else(tmp_path: Path) -> None:
    """No guess comes true: empty packets, ones longer than on the wire, times all over the place."""
    rows = [(START + n * 86_400_000_000 * (n % 3), bytes(n % 5 * 30), n % 4, 1) for n in range(900)]
    path = tmp_path / "odd.pcap"
    path.write_bytes(pcap(rows))
    assert in_stretches(path, 2000) == from_the_start(path)


def test_a_file_that_shrinks_meanwhile_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "all.pcap"
    path.write_bytes(pcap(misleading(1)))
    window = open_window(str(path))
    assert isinstance(window, MappedWindow)
    scanner = scanner_for(window)
    assert isinstance(scanner, PcapScanner)
    stretches = Stretches(window.descriptor, scanner, window.at, 100, 4096)
    os.truncate(path, path.stat().st_size // 2)
    *_, last = stretches.read(facts)
    assert "made shorter" in (last.wrong or "")
    window.close()


@pytest.mark.parametrize("in_any_order", [True, False])
def test_a_search_tells_its_packets_and_counts_them_all(tmp_path: Path, in_any_order: bool) -> None:
    path = tmp_path / "all.pcap"
    path.write_bytes(pcap([(START + n, n.to_bytes(4) * 200, 800, 1) for n in range(20_000)]))  # several stretches

    def each_seventh(batch: PacketBatch) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return (batch.time - START) % 7 == 0

    reader = open_captures([path], batch_packets=3000)
    times = [t for batch, chosen in reader.search(each_seventh, in_any_order=in_any_order) for t in batch.time[chosen]]
    assert times == list(range(START, START + 20_000, 7))
    assert (reader.packets, reader.bytes_read, reader.damage) == (20_000, path.stat().st_size, [])

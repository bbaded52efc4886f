"""Captures of several taps come as one stream in time order, every packet once, whatever the batches."""

from __future__ import annotations

from pathlib import Path

import pytest
from capture.capture_builder import Row, pcap
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.capture import merge_captures

START = 1_700_000_000_000_000


def read(paths: list[Path], batch_packets: int) -> list[tuple[int, bytes]]:
    reader = merge_captures(paths, batch_packets=batch_packets)
    rows = [
        (int(batch.time[n]), batch.data[batch.offset[n] : batch.offset[n] + batch.captured[n]].tobytes())
        for batch in reader
        for n in range(len(batch))
    ]
    assert reader.packets == len(rows)
    assert reader.bytes_read == reader.total_bytes
    assert not reader.damage
    return rows


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 40), max_size=30).map(sorted), min_size=2, max_size=4),
    st.sampled_from([1, 2, 7, 32768]),
)
def test_all_packets_in_time_order(tmp_path_factory: pytest.TempPathFactory, taps: list[list[int]], size: int) -> None:
    folder, every = tmp_path_factory.mktemp("taps"), []
    for number, times in enumerate(taps):
        rows: list[Row] = [(START + at, bytes([number, n]) * (n % 9 + 1), 60, 1) for n, at in enumerate(times)]
        (folder / f"{number}.pcap").write_bytes(pcap(rows))
        every += [(time, content) for time, content, _, _ in rows]
    found = read([folder / f"{number}.pcap" for number in range(len(taps))], size)
    assert sorted(found) == sorted(every)
    assert [time for time, _ in found] == sorted(time for time, _ in every)
    for number in range(len(taps)):
        own = [content for _, content in found if content[0] == number]
        assert own == [content for _, content in every if content[0] == number]


def test_a_capture_out_of_order_stays_in_its_own_order(tmp_path: Path) -> None:
    early: list[Row] = [(START + at, bytes([1, at]), 60, 1) for at in (5, 2, 9)]
    late: list[Row] = [(START + at, bytes([2, at]), 60, 1) for at in (6, 7)]
    (tmp_path / "a.pcap").write_bytes(pcap(early))
    (tmp_path / "b.pcap").write_bytes(pcap(late))
    assert [content for _, content in read([tmp_path / "a.pcap", tmp_path / "b.pcap"], 2)] == [
        bytes([1, 5]), bytes([1, 2]), bytes([2, 6]), bytes([2, 7]), bytes([1, 9])
    ]  # fmt: skip


def test_damage_of_one_tap_ends_only_that_one(tmp_path: Path) -> None:
    rows: list[Row] = [(START + at, bytes(9), 60, 1) for at in range(10)]
    (tmp_path / "a.pcap").write_bytes(pcap(rows)[:-3])
    (tmp_path / "b.pcap").write_bytes(pcap(rows))
    reader = merge_captures([tmp_path])
    assert sum(len(batch) for batch in reader) == 19
    assert [damage.file for damage in reader.damage] == [str(tmp_path / "a.pcap")]

"""pcapng: sections, interfaces, clocks and packet blocks, as the reader hands them on."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import pytest
from capture_builder import EPB, PB, SPB, Row, block, interface, packet, pcapng, read, section, some_rows
from hypothesis import given, settings
from hypothesis import strategies as st

EARLIEST, LATEST = -2_208_988_800_000_000, 10_413_791_999_999_999
COMMENT = struct.pack("<HH", 1, 4) + b"note" + struct.pack("<HH", 0, 0)


def write(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "x"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("batch_packets", [1, 2, 100])
def test_all_packet_blocks_of_several_interfaces(tmp_path: Path, order: str, batch_packets: int) -> None:
    now = 1_700_000_000_123_456
    content = (
        section(order)
        + interface(order, link=1, snaplen=50)
        + interface(order, link=101, resolution=9)
        + block(order, 5, b"statistics.." * 3)
        + packet(order, b"a" * 61, ticks=now, wire=99)
        + packet(order, b"b" * 20, ticks=now * 1000 + 999, number=1, kind=PB)
        + block(order, 0xBAD, b"custom")
        + packet(order, b"c" * 30, kind=SPB)
        + packet(order, b"d" * 50, wire=1500, kind=SPB)
        + interface(order, link=113)
        + packet(order, b"", ticks=now + 1, number=2, options=COMMENT if order == "<" else b"")
    )
    assert read(write(tmp_path, content), batch_packets) == [
        (now, b"a" * 61, 99, 1),
        (now, b"b" * 20, 20, 101),
        (now, b"c" * 30, 30, 1),
        (now, b"d" * 50, 1500, 1),
        (now + 1, b"", 0, 113),
    ]


def test_sections_of_both_byte_orders_forget_the_interfaces_before(tmp_path: Path) -> None:
    rows = some_rows(5)
    other = section(">") + interface(">", link=101) + packet(">", b"z", ticks=7)
    content = pcapng(rows) + other + pcapng(rows, ">") + section("<", version=(1, 2)) + section("<")
    assert read(write(tmp_path, content)) == [*rows, (7, b"z", 1, 101), *rows]


@pytest.mark.parametrize("order", ["<", ">"])
def test_walking_ahead_changes_nothing(tmp_path: Path, order: str) -> None:
    rows = some_rows(20_000)
    path = write(tmp_path, pcapng(rows, order))
    assert read(path) == rows
    assert read(path, batch_packets=7_001) == rows


def test_more_interfaces_than_the_table_begins_with(tmp_path: Path) -> None:
    described = b"".join(interface("<", link=i, offset=i) for i in range(300))
    packets = b"".join(packet("<", b"x", ticks=5, number=i) for i in reversed(range(300)))
    expected: list[Row] = [(5 + i * 1_000_000, b"x", 1, 101 if i in (12, 14) else i) for i in reversed(range(300))]
    assert read(write(tmp_path, section() + described + packets)) == expected


def exact_time(resolution: int, offset: int, ticks: int) -> int:
    unit = Fraction(1, 2 ** (resolution & 0x7F) if resolution & 0x80 else 10**resolution)
    micros = ticks * unit * 1_000_000 // 1
    return max(EARLIEST, min(LATEST, min(micros, LATEST) + offset * 1_000_000))


@settings(max_examples=300, deadline=None)
@given(
    resolution=st.one_of(st.integers(0, 255), st.sampled_from([0, 3, 6, 7, 9, 12, 25, 26, 0x80, 0x80 | 20, 0x80 | 63])),
    offset=st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**32), 2**32), st.just(0)),
    seconds=st.integers(0, 2**34),
    ticks=st.integers(0, 2**64 - 1),
)
def test_every_clock_is_exact(
    tmp_path_factory: pytest.TempPathFactory, resolution: int, offset: int, seconds: int, ticks: int
) -> None:
    """Truncated to µs, never overflowing: checked against fractions."""
    per_second = 2 ** (resolution & 0x7F) if resolution & 0x80 else 10**resolution
    counts = [ticks, min(seconds * per_second, 2**64 - 1), min(seconds * per_second + ticks % per_second, 2**64 - 1)]
    path = tmp_path_factory.getbasetemp() / "clock"
    content = section() + interface("<", resolution=resolution, offset=offset)
    path.write_bytes(content + b"".join(packet("<", b"x", ticks=count, kind=EPB) for count in counts))
    assert [row[0] for row in read(path)] == [exact_time(resolution, offset, count) for count in counts]

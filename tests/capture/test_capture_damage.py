"""Damaged captures: all that is before the damage, where it is and why; and nothing worse on any bytes at all."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from capture_builder import (
    COMPRESSORS,
    EPB,
    PB,
    SPB,
    Row,
    block,
    collect,
    interface,
    packet,
    pcap,
    pcapng,
    section,
    some_rows,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.capture import CaptureError, Damage, open_captures

ROWS = some_rows(6, size=40)
HEAD = len(pcapng([]))
BLOCK = len(packet("<", b"x" * 40))


def outcome(path: Path, content: bytes, batch_packets: int = 4) -> tuple[list[Row], Damage]:
    """Packets and the one damage of a capture of these bytes."""
    path.write_bytes(content)
    reader = open_captures([path], batch_packets=batch_packets)
    rows = collect(reader)
    [damage] = reader.damage
    assert damage.file == str(path)
    assert str(damage).isprintable()
    return rows, damage


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("batch_packets", [1, 6, 100])
def test_pcap_cut_at_every_byte(tmp_path: Path, order: str, batch_packets: int) -> None:
    whole = pcap(ROWS, order=order)
    for length in range(4, len(whole)):
        if length >= 24 and (length - 24) % 56 == 0:
            continue  # between two packets: nothing is missed
        complete = max(length - 24, 0) // 56
        rows, damage = outcome(tmp_path / "x", whole[:length], batch_packets)
        assert rows == ROWS[:complete]
        assert damage.offset == (24 + complete * 56 if length >= 24 else 0)
        assert "cut short" in damage.reason


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_cut_at_every_byte(tmp_path: Path, order: str) -> None:
    whole = pcapng(ROWS, order)
    ends = {0, len(section()), *(HEAD + i * BLOCK for i in range(7))}
    for length in range(4, len(whole)):
        if length in ends:
            continue
        rows, damage = outcome(tmp_path / "x", whole[:length])
        assert rows == ROWS[: max(length - HEAD, 0) // BLOCK]
        assert damage.offset == max(end for end in ends if end < length)
        assert "cut short" in damage.reason


@pytest.mark.parametrize(
    ("content", "offset", "says"),
    [
        (pcap([])[:4] + b"\x09\0" + pcap([])[6:], 0, "version 9.4"),
        (pcap([], network=0x10001), 0, "link type 0x10001"),
        (pcap(ROWS) + struct.pack("<IIII", 1, 1, 262_145, 262_145) + bytes(300_000), 24 + 6 * 56, "262145 captured"),
        (pcap(ROWS) + b"\xff" * 100, 24 + 6 * 56, "4294967295 captured"),
    ],
)
def test_what_cannot_be_true_in_pcap(tmp_path: Path, content: bytes, offset: int, says: str) -> None:
    rows, damage = outcome(tmp_path / "x", content)
    assert rows == (ROWS if offset else [])
    assert damage.offset == offset
    assert says in damage.reason


def test_link_types_that_carry_messages_may_have_long_ones(tmp_path: Path) -> None:
    message: list[Row] = [(1, bytes(300_000), 300_000, 231)]
    for compress in (bytes, COMPRESSORS["zstd"]):
        (tmp_path / "x").write_bytes(compress(pcap(message, network=231)))
        assert collect(open_captures([tmp_path / "x"])) == message
        content = section() + interface(link=231) + packet("<", message[0][1], ticks=1)
        (tmp_path / "x").write_bytes(compress(content))
        assert collect(open_captures([tmp_path / "x"])) == message


def with_length(whole: bytes, length: int, trailer: int | None = None) -> bytes:
    """A block whose lengths say something else."""
    last = struct.pack("<I", length if trailer is None else trailer)
    return whole[:4] + struct.pack("<I", length) + whole[8:-4] + last


GOOD = packet("<", b"x" * 40)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (with_length(GOOD, 8), "length of 8"),
        (with_length(GOOD, 0), "length of 0"),
        (with_length(GOOD, BLOCK - 2), f"length of {BLOCK - 2}"),
        (with_length(GOOD, 2**31), f"length of {2**31}"),
        (with_length(GOOD, BLOCK, BLOCK + 4), "does not end with its length"),
        (with_length(GOOD, BLOCK - 4, BLOCK - 4), "does not end with its length"),
        (block("<", EPB, bytes(12)), "too short"),
        (block("<", PB, bytes(16)), "too short"),
        (block("<", SPB, b""), "too short"),
        (block("<", 1, b""), "too short"),
        (packet("<", b"x", number=1), "not among the 1"),
        (packet("<", b"x", number=0xFFFFFFFF), "not among the 1"),
        (packet("<", b"x", number=1, kind=PB), "not among the 1"),
        (block("<", EPB, struct.pack("<IIIII", 0, 0, 0, 9, 9) + bytes(8)), "more captured bytes than its b"),
        (
            block("<", EPB, struct.pack("<IIIII", 0, 0, 0, 2**32 - 1, 9) + bytes(8)),
            "more captured bytes than its b",
        ),
        (block("<", SPB, struct.pack("<I", 9) + bytes(8)), "more captured bytes than its b"),
        (
            block("<", EPB, struct.pack("<IIIII", 0, 0, 0, 262_145, 9) + bytes(262_148)),
            "more captured bytes than its l",
        ),
        (section(version=(2, 0)), "version 2.0"),
        (with_length(section(), 24), "length of 24"),
        (with_length(section(), 30), "length of 30"),
        (with_length(section(), len(section()), 28), "does not end with its length"),
        (section()[:8] + bytes(4) + section()[12:], "byte-order magic"),
    ],
)
@pytest.mark.parametrize("batch_packets", [3, 100])
def test_what_cannot_be_true_in_pcapng(tmp_path: Path, bad: bytes, says: str, batch_packets: int) -> None:
    rows, damage = outcome(tmp_path / "x", pcapng(ROWS) + bad + GOOD, batch_packets)
    assert rows == ROWS
    assert damage.offset == HEAD + 6 * BLOCK
    assert says in damage.reason


def test_a_simple_packet_before_any_interface_is_damage(tmp_path: Path) -> None:
    assert outcome(tmp_path / "x", section() + packet("<", b"x", kind=SPB))[0] == []


def test_options_of_an_interface_that_make_no_sense_are_passed_over(tmp_path: Path) -> None:
    """Cut short, of a wrong size, or claiming more than there is: the default clock."""
    for options in (
        b"\x09\0",
        b"\x09\0\x01\0",
        b"\x09\0\x02\0\x09\x09\0\0",
        b"\x0e\0\xff\xff\0\0\0\0",
        b"\x0e\0\x04\0\1\0\0\0",
    ):
        body = block("<", 1, struct.pack("<HHI", 1, 0, 0) + options)
        (tmp_path / "x").write_bytes(section() + body + packet("<", b"x", ticks=77))
        assert collect(open_captures([tmp_path / "x"])) == [(77, b"x", 1, 1)]


def test_interfaces_without_end_are_bounded(tmp_path: Path) -> None:
    content = section() + interface() * 65_537
    assert "65536 interfaces" in outcome(tmp_path / "x", content)[1].reason


MIXED = (
    section()
    + interface(snaplen=30)
    + interface(resolution=0x80 | 30, offset=-5, link=101)
    + b"".join(packet("<", b"y" * n, ticks=n << 33, number=n % 2, kind=(EPB, PB, SPB)[n % 3]) for n in range(12))
    + pcapng(ROWS, ">")
)
SEEDS = [pcap(ROWS), pcap(ROWS, order=">", magic=0xA1B23C4D), pcapng(ROWS), MIXED]
SEEDS += [compress(content) for compress in COMPRESSORS.values() for content in (SEEDS[0], MIXED)]
EDITS = st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=6), st.integers(0, 6)), max_size=4)


@settings(max_examples=400, deadline=None)
@given(seed=st.sampled_from(SEEDS), edits=EDITS, keep=st.integers(0, 3000), tail=st.binary(max_size=80))
def test_any_bytes_end_well(
    tmp_path_factory: pytest.TempPathFactory, seed: bytes, edits: list[tuple[int, bytes, int]], keep: int, tail: bytes
) -> None:
    """A valid capture, edited, cut and appended to: packets and damage, or CaptureError; the same in any batches."""
    content = seed
    for at, new, removed in edits:
        content = content[:at] + new + content[at + removed :]
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(content[:keep] + tail)
    results = []
    for batch_packets in (1, 1000):
        try:
            reader = open_captures([path], batch_packets=batch_packets)
        except CaptureError as error:
            results.append((str(error),))
            continue
        rows = collect(reader)
        assert len(reader.damage) <= 1
        results.append((rows, reader.damage, reader.bytes_read))
    if keep >= len(content) and not tail and not edits:
        assert len(results[0]) == 3
    assert results[0] == results[1]


def test_kernels_stay_within_bounds() -> None:
    """The test above in a process whose kernels check every access: one outside would be an IndexError."""
    if os.environ.get("NUMBA_BOUNDSCHECK") == "1":
        pytest.skip("already runs with checked kernels")
    here = Path(__file__)
    tests = [
        f"{here}::test_any_bytes_end_well",
        str(here.with_name("test_pcapng.py")),
        str(here.with_name("test_pcap.py")),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        env=os.environ | {"NUMBA_BOUNDSCHECK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout

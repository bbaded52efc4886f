"""Classic pcap: every magic and byte order, as the reader hands it on."""

from __future__ import annotations

from pathlib import Path

import pytest
from capture_builder import Row, pcap, read, some_rows

ROWS: list[Row] = [
    (1_700_000_000_000_005, b"a" * 60, 60, 1),
    (1_700_000_000_999_999, b"b" * 20, 1500, 1),
    (4_294_967_295_000_000, b"", 0, 1),
    (0, b"c", 4_294_967_295, 1),
]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("magic", [0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34])
@pytest.mark.parametrize("batch_packets", [1, 3, 1000])
def test_every_variant_gives_the_same_packets(tmp_path: Path, order: str, magic: int, batch_packets: int) -> None:
    path = tmp_path / "x"
    path.write_bytes(pcap(ROWS, order=order, magic=magic, extra=999))
    assert read(path, batch_packets) == ROWS


@pytest.mark.parametrize(
    ("network", "link"), [(0x24000001, 1), (0x04000071, 113), (0xFFFF, 0xFFFF), (12, 101), (14, 101)]
)
def test_link_type_is_the_registrys(tmp_path: Path, network: int, link: int) -> None:
    """Frame check sequence bits are no part of it, and raw IP under its DLT numbers is LINKTYPE_RAW."""
    path = tmp_path / "x"
    path.write_bytes(pcap(ROWS, network=network))
    assert {row[3] for row in read(path)} == {link}


def test_packets_longer_than_the_files_own_limit_are_kept_whole(tmp_path: Path) -> None:
    """As Wireshark does: the snapshot length in the header is often wrong, the packet is there."""
    path = tmp_path / "x"
    path.write_bytes(pcap(ROWS, snaplen=10))
    assert read(path) == ROWS


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("spread", [1, 200_000_000])
def test_walking_ahead_changes_nothing(tmp_path: Path, order: str, spread: int) -> None:
    """Long records over many walks, with times that the guesses believe in and such that they do not."""
    rows = [(time % 10**12 * spread % 2**52, *rest) for time, *rest in some_rows(20_000)]
    path = tmp_path / "x"
    path.write_bytes(pcap(rows, order=order))
    assert read(path) == rows
    assert read(path, batch_packets=7_001) == rows


def test_payload_that_looks_like_records_misleads_nobody(tmp_path: Path) -> None:
    inner = pcap(some_rows(30, size=40))[24:]
    rows = [(1_700_000_000_000_000 + i, inner[i % 16 :], len(inner), 1) for i in range(3000)]
    path = tmp_path / "x"
    path.write_bytes(pcap(rows))
    assert read(path) == rows


def test_rows_are_not_used_again_while_a_batch_is_kept(tmp_path: Path) -> None:
    from monitor.capture import open_captures

    rows = some_rows(1000)
    path = tmp_path / "x"
    path.write_bytes(pcap(rows))
    batches = list(open_captures([path], batch_packets=10))
    assert [int(time) for batch in batches for time in batch.time] == [row[0] for row in rows]

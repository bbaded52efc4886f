"""Classic pcap: every magic and byte order, as the reader hands it on."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from monitor.capture import CaptureError, open_captures

PACKETS = [(1_700_000_000, 5, b"a" * 60, 60), (1_700_000_000, 999_999, b"b" * 20, 1500), (4_294_967_295, 0, b"", 0)]


def pcap(order: str, *, magic: int = 0xA1B2C3D4, network: int = 1, nanosecond: int = 0) -> bytes:
    """A capture of PACKETS, with `nanosecond` added to each time if the magic has such."""
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, network)
    for seconds, micros, packet, wire in PACKETS:
        fraction = micros * 1000 + nanosecond if magic == 0xA1B23C4D else micros
        out += struct.pack(order + "IIII", seconds, fraction, len(packet), wire)
        if magic == 0xA1B2CD34:
            out += struct.pack(order + "IHBB", 3, 0x800, 0, 0)
        out += packet
    return out


def contents(path: Path, batch_packets: int = 32768) -> list[tuple[int, bytes, int, int]]:
    """(time, captured bytes, wire length, link) of every packet."""
    out = []
    for batch in open_captures([path], batch_packets=batch_packets):
        assert 0 < len(batch) <= batch_packets
        for i in range(len(batch)):
            at, length = int(batch.offset[i]), int(batch.captured[i])
            out.append(
                (int(batch.time[i]), batch.data[at : at + length].tobytes(), int(batch.wire[i]), int(batch.link[i]))
            )
    return out


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("magic", [0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34])
@pytest.mark.parametrize("batch_packets", [1, 2, 1000])
def test_every_variant_gives_the_same_packets(tmp_path: Path, order: str, magic: int, batch_packets: int) -> None:
    path = tmp_path / "x"
    path.write_bytes(pcap(order, magic=magic, nanosecond=999))
    expected = [(s * 1_000_000 + us, packet, wire, 1) for s, us, packet, wire in PACKETS]
    assert contents(path, batch_packets) == expected


def test_frame_check_sequence_bits_are_no_link_type(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(pcap("<", network=0x24000001))
    assert {row[3] for row in contents(path)} == {1}


@pytest.mark.parametrize("content", [b"", b"hello, this is text\n", b"\xd4"])
def test_what_is_no_capture_is_an_error_of_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.pcap"
    path.write_bytes(content)
    with pytest.raises(CaptureError, match=r"notes\.pcap") as caught:
        open_captures([path])
    assert "\n" not in str(caught.value)

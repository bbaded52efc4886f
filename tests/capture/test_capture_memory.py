"""Memory while reading: it does not grow with the file, plain or compressed, and chunks have no seam."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import pytest
from capture_builder import COMPRESSORS, Row, collect, pcap, pcapng, some_rows

from monitor.capture import open_captures

MEGABYTE = 1 << 20


def grown(path: Path, small: Path, touch: str) -> tuple[int, int]:
    """Packets read by a process of its own, and by how many MB its peak memory grew over that for a small file."""
    script = f"""
import resource
from monitor.capture import open_captures
total = 0
def read(path):
    global total
    total = 0
    for batch in open_captures([path]):
        total += len(batch)
        {touch}
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
read({str(small)!r})
before = peak()
read({str(path)!r})
print(total, peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    packets, kilobytes = map(int, done.stdout.split())
    return packets, kilobytes // 1024


def sparse(path: Path, size: int, packet: int) -> int:
    """A capture of packets that are holes in the file; returns how many."""
    with path.open("wb") as file:
        file.write(pcap([]))
        count = 0
        while file.tell() < size:
            file.write(struct.pack("<IIII", 1_700_000_000 + count, 0, packet, packet))
            file.seek(packet - 1, 1)
            file.write(b"x")
            count += 1
    return count


@pytest.mark.parametrize("packet", [1514, 65536])
def test_plain_file(tmp_path: Path, packet: int) -> None:
    """300 MB, every byte of which is touched as a flow meter would."""
    pytest.importorskip("resource")
    small, path = tmp_path / "small", tmp_path / "x"
    sparse(small, 100_000, packet)
    count = sparse(path, 300 * MEGABYTE, packet)
    packets, growth = grown(path, small, "batch.data[batch.offset[0]:batch.offset[-1] + batch.captured[-1]].max()")
    assert packets == count
    assert growth < 80


def test_compressed_file(tmp_path: Path) -> None:
    small, path, plain = tmp_path / "small", tmp_path / "x", tmp_path / "plain"
    sparse(plain, 100_000, 1514)
    small.write_bytes(COMPRESSORS["zstd"](plain.read_bytes()))
    count = sparse(plain, 300 * MEGABYTE, 1514)
    path.write_bytes(COMPRESSORS["zstd"](plain.read_bytes()))
    packets, growth = grown(path, small, "pass")
    assert packets == count
    assert growth < 80


@pytest.mark.parametrize("build", [pcap, pcapng])
@pytest.mark.parametrize("batch_packets", [999, 10**6])
def test_chunks_have_no_seam(tmp_path: Path, build: type, batch_packets: int) -> None:
    """14 MB through chunks of 4 MB: the record at the end of one begins the next."""
    rows = some_rows(20_000)
    path = tmp_path / "x"
    path.write_bytes(COMPRESSORS["lz4"](build(rows)))
    assert collect(open_captures([path], batch_packets=batch_packets)) == rows


def test_a_packet_longer_than_a_chunk(tmp_path: Path) -> None:
    rows: list[Row] = [(i, bytes([i]) * n, n, 231) for i, n in enumerate([9_000_000, 5, 30_000_000, 100])]
    path = tmp_path / "x"
    path.write_bytes(COMPRESSORS["zstd"](pcap(rows, network=231)))
    assert collect(open_captures([path])) == rows

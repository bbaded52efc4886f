"""Writes captures byte by byte with `struct`, in every format and variant that the reader knows; reads them back.

Nothing here uses the reader's own code but `open_captures` itself.
"""

from __future__ import annotations

import gzip
import lzma
import struct
from collections.abc import Callable, Iterable
from pathlib import Path

import lz4.frame
import zstandard

from monitor.capture import CaptureReader, open_captures

Row = tuple[int, bytes, int, int]
"""Event time in µs, captured bytes, length on the wire, link type."""

EPB, PB, SPB = 6, 2, 3

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
    "xz": lzma.compress,
    "lz4": lambda content: lz4.frame.compress(content, content_checksum=True),
}


def pcap(
    rows: Iterable[Row],
    *,
    order: str = "<",
    magic: int = 0xA1B2C3D4,
    network: int = 1,
    snaplen: int = 65535,
    extra: int = 0,
) -> bytes:
    """Classic pcap; `extra` nanoseconds are added to each time if the magic has them."""
    out = bytearray(struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snaplen, network))
    for time, packet, wire, _ in rows:
        fraction = time % 1_000_000
        if magic == 0xA1B23C4D:
            fraction = fraction * 1000 + extra
        out += struct.pack(order + "IIII", time // 1_000_000, fraction, len(packet), wire)
        if magic == 0xA1B2CD34:
            out += struct.pack(order + "IHBB", 3, 0x800, 0, 0)
        out += packet
    return bytes(out)


def block(order: str, kind: int, body: bytes) -> bytes:
    """A pcapng block with its two lengths; the body is padded to four bytes."""
    body += b"\0" * (-len(body) % 4)
    length = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + length + body + length


def section(order: str = "<", *, version: tuple[int, int] = (1, 0), length: int = -1) -> bytes:
    """Section Header Block with an option to step over."""
    option = struct.pack(order + "HH", 4, 5) + b"tests\0\0\0" + struct.pack(order + "HH", 0, 0)
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, *version, length) + option)


def interface(
    order: str = "<", *, link: int = 1, snaplen: int = 0, resolution: int | None = None, offset: int | None = None
) -> bytes:
    """Interface Description Block, with if_tsresol and if_tsoffset if they are given."""
    options = struct.pack(order + "HH", 2, 5) + b"eth\x30\0\0\0\0"
    if resolution is not None:
        options += struct.pack(order + "HHB3x", 9, 1, resolution)
    if offset is not None:
        options += struct.pack(order + "HHq", 14, 8, offset)
    return block(order, 1, struct.pack(order + "HHI", link, 0, snaplen) + options + struct.pack(order + "HH", 0, 0))


def packet(
    order: str,
    content: bytes,
    *,
    ticks: int = 0,
    wire: int | None = None,
    number: int = 0,
    kind: int = EPB,
    options: bytes = b"",
) -> bytes:
    """A packet in an Enhanced, obsolete or Simple Packet Block."""
    original = len(content) if wire is None else wire
    if kind == SPB:
        return block(order, SPB, struct.pack(order + "I", original) + content)
    source = struct.pack(order + "I", number) if kind == EPB else struct.pack(order + "HH", number, 7)
    head = source + struct.pack(order + "IIII", ticks >> 32, ticks & 0xFFFFFFFF, len(content), original)
    return block(order, kind, head + content + b"\0" * (-len(content) % 4) + options)


def pcapng(rows: Iterable[Row], order: str = "<") -> bytes:
    """One section, one Ethernet interface with the default clock, an Enhanced Packet Block for each row."""
    packets = (packet(order, content, ticks=time, wire=wire) for time, content, wire, _ in rows)
    return section(order) + interface(order) + b"".join(packets)


def some_rows(count: int, *, start: int = 1_700_000_000_000_000, size: int = 0) -> list[Row]:
    """Rows that differ in everything; `size` bytes each, or of mixed sizes."""
    sizes = [size or (i * 37) % 1400 + 1 for i in range(count)]
    return [(start + i * 997, bytes([i % 251]) * n, n + i % 3, 1) for i, n in enumerate(sizes)]


def collect(reader: CaptureReader) -> list[Row]:
    """What the reader hands on, checked for what every batch must keep to."""
    rows: list[Row] = []
    for batch in reader:
        assert len(batch) > 0
        assert not batch.data.flags.writeable
        for i in range(len(batch)):
            at, length = int(batch.offset[i]), int(batch.captured[i])
            assert 0 <= at <= at + length <= len(batch.data)
            content = batch.data[at : at + length].tobytes()
            rows.append((int(batch.time[i]), content, int(batch.wire[i]), int(batch.link[i])))
    assert reader.packets == len(rows)
    return rows


def read(path: Path, batch_packets: int = 32768) -> list[Row]:
    """All packets of an undamaged capture."""
    reader = open_captures([path], batch_packets=batch_packets)
    rows = collect(reader)
    assert reader.damage == []
    assert reader.bytes_read == reader.total_bytes == path.stat().st_size
    return rows

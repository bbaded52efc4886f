"""Make a recording small enough to keep: bulk payload is cut off, as sensors do with a snap length; times stay exact.

Each TCP and UDP flow keeps its first bytes whole; later packets keep their headers and their original length. Look-ups
and fragments stay whole. Nothing about the recording machine (system, hardware, interface) is carried over.
"""

from __future__ import annotations

import lzma
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

SECTION, INTERFACE, ENHANCED = 0x0A0D0D0A, 1, 6  # pcapng block types, draft-ietf-opsawg-pcapng
WHOLE = 4_000  # payload bytes of a flow that are kept whole
ETHERNET = 1
DOMAIN = struct.pack(">H", 53)


def compact(raw: Path, small: Path, *, whole: int = WHOLE) -> int:
    """Rewrite dumpcap's pcapng of one Ethernet interface, little-endian, in ns; returns the number of packets."""
    kept: dict[bytes, int] = {}
    packets = 0
    with raw.open("rb") as source, small.open("wb") as target:
        target.write(_block(SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
        for kind, body in _blocks(source):
            if kind == INTERFACE:
                # if_name, if_tsresol = 10^-9 as dumpcap records, end of options
                options = struct.pack("<HH8s", 2, 7, b"mirror0") + struct.pack("<HHB3x", 9, 1, 9) + bytes(4)
                target.write(_block(INTERFACE, struct.pack("<HHI", ETHERNET, 0, 0) + options))
            elif kind == ENHANCED:
                interface, high, low, captured, original = struct.unpack_from("<IIIII", body)
                frame = body[20 : 20 + captured]
                frame = frame[: _length_to_keep(frame, kept, whole)]
                header = struct.pack("<IIIII", interface, high, low, len(frame), original)
                target.write(_block(ENHANCED, header + frame + bytes(-len(frame) % 4)))
                packets += 1
    return packets


def pack(plain: Path, packed: Path) -> None:
    """Compress a file with xz, as small as it goes."""
    with plain.open("rb") as source, lzma.open(packed, "wb", preset=9) as target:
        shutil.copyfileobj(source, target)


def _blocks(source: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Type and body of each block."""
    while head := source.read(8):
        kind, length = struct.unpack("<II", head)
        body = source.read(length - 12)
        source.read(4)
        yield kind, body


def _block(kind: int, body: bytes) -> bytes:
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def _length_to_keep(frame: bytes, kept: dict[bytes, int], whole: int) -> int:
    """How many bytes of this frame stay: all of it, or its headers once its flow has had its share."""
    if frame[12:14] == b"\x08\x00" and not (frame[20] & 0x3F or frame[21]):  # fragments stay whole
        at, proto, ends = 14 + 4 * (frame[14] & 15), frame[23], (frame[26:30], frame[30:34])
    elif frame[12:14] == b"\x86\xdd":
        at, proto, ends = 54, frame[20], (frame[22:38], frame[38:54])
    else:
        return len(frame)
    if proto == 6:
        headers = at + 4 * (frame[at + 12] >> 4)
    elif proto == 17 and DOMAIN not in (frame[at : at + 2], frame[at + 2 : at + 4]):
        headers = at + 8
    else:
        return len(frame)
    left, right = sorted((ends[0] + frame[at : at + 2], ends[1] + frame[at + 2 : at + 4]))
    flow = bytes([proto]) + left + right
    kept[flow] = kept.get(flow, 0) + len(frame) - headers
    return len(frame) if kept[flow] <= whole else headers

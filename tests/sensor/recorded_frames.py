"""Frames of the town's recording, and odd ones made here, as captures to be played on a wire."""

from __future__ import annotations

import struct
from pathlib import Path

from packets import ethernet, ip

from monitor.capture import open_captures

TOWN = Path(__file__).resolve().parents[1] / "lab" / "town.pcapng.xz"
BEGIN, END = 20.0, 28.0
"""Seconds of the town's recording that are played."""


def pcap(path: Path, packets: list[tuple[int, bytes]]) -> Path:
    """Write Ethernet frames with their times (µs) as a capture; what was cut off counts as never sent."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        for time, frame in packets:
            file.write(struct.pack("<IIII", time // 1_000_000, time % 1_000_000, len(frame), len(frame)) + frame)
    return path


def town(begin: float, end: float) -> list[tuple[int, bytes]]:
    """Frames of the town's recording from `begin` until `end` seconds after its start."""
    found: list[tuple[int, bytes]] = []
    first = None
    for batch in open_captures([TOWN]):
        for at, length, time in zip(batch.offset, batch.captured, batch.time, strict=True):
            first = int(time) if first is None else first
            if begin * 1e6 <= time - first < end * 1e6:
                found.append((int(time), batch.data[at : at + length].tobytes()))
    return found


def odd_frames(begin: int) -> list[tuple[int, bytes]]:
    """What the kernel treats in its own way: VLAN tags, one and two, and fragments beside whole packets of a flow."""
    found = []
    for number in range(40):
        there, here = (f"10.7.{number}.1", "10.8.0.1")[:: 1 if number % 2 else -1]
        udp = struct.pack(">HHHH", 5000, 5000, 8 + 1400, 0) + bytes(1400)
        plain = ip(there, here, 17, struct.pack(">HHHH", 5000, 5000, 8 + 10, 0) + bytes(10))
        frames = [ethernet(plain)]
        for tags in ([7], [100, 200]):
            head, rest = frames[0][:12], frames[0][12:]
            for tag in reversed(tags):
                rest = struct.pack(">HH", 0x8100, tag) + rest
            frames.append(head + rest)
        for offset, more in ((0, 0x2000), (704, 0)):
            piece = udp[offset : offset + 704]
            header = bytearray(ip(there, here, 17, piece))
            header[4:8] = struct.pack(">HH", 1000 + number, more | offset // 8)
            frames.append(ethernet(bytes(header)))
        found += [(begin + 150_000 * number + 7_000 * place, frame) for place, frame in enumerate(frames)]
    return found

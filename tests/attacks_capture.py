"""A small capture whose truth is known: two attacks, a beacon, and ordinary visits."""

from __future__ import annotations

from collections.abc import Iterator

import packets


def attacks() -> Iterator[packets.Packet]:
    """A scan of ports, a sweep for SMB, a beacon every 30 s, ten ordinary visits, and two packets that are no flow."""
    start = packets.START
    for port in range(1, 200):
        yield start + port * 20_000, packets.tcp("10.0.0.66", "10.0.1.5", 40000 + port, port, "S", seq=7)
        yield start + port * 20_000 + 500, packets.tcp("10.0.1.5", "10.0.0.66", port, 40000 + port, "RA", ack=8)
    for host in range(100):
        yield start + host * 10_000 + 7, packets.tcp("10.0.0.88", f"10.0.2.{host}", 50000 + host, 445, "S")
    for beat in range(120):
        when = start + beat * 30_000_000 + (beat * 7919 % 13) * 50_000
        yield from packets.tcp_session(when, "10.0.0.77", "203.0.113.9", 50000 + beat, 443, b"x" * 200, b"y" * 300)
    for visit in range(10):
        when = start + visit * visit * 7_000_000
        yield from packets.tcp_session(when, "10.0.0.5", f"198.51.100.{visit}", 51000 + visit, 443, b"GET", b"z" * 9000)
    for second in (1, 2):
        yield start + second * 1_000_000, packets.ethernet(b"\0\1\x08\0\6\4\0\1" + bytes(20), ethertype=0x0806)

"""Packets to break and ways to break them: every frame that `envelopes` builds, and edits of their bytes.

Both the property test and the seeded long run draw edits from the same small language, so that a failure of either can
be written down as a line of a test.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
from envelopes import FRAMES, WRAPS
from packets import ICMP, ICMPV6, SCTP, START, TCP, UDP, ethernet, icmp_message, ip, tcp_segment, udp_datagram

from monitor.capture import PacketBatch
from monitor.flows.link import SUPPORTED

A4, B4, A6, B6 = "10.1.2.3", "192.0.2.9", "2001:db8::3", "2001:db8::9"
EXTENSIONS = [(0, b"\0" + bytes(6)), (43, b"\0\0\0" + bytes(4)), (60, b"\0" + bytes(6))]


def transports(a: str, b: str) -> list[tuple[int, bytes]]:
    """(protocol, transport packet) of each kind that has a header of its own, and one that has none."""
    echo = (ICMPV6, 128) if ":" in a else (ICMP, 8)
    hello = b"\x16\x03\x01\x00\x40\x01\x00\x00\x3c\x03\x03" + bytes(range(48))
    query = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x03com\x00\x00\x01\x00\x01"
    return [
        (TCP, tcp_segment(a, b, 40000, 443, "S", seq=1, options=b"\x02\x04\x05\xb4")),
        (TCP, tcp_segment(a, b, 40000, 443, "PA", hello, seq=2, ack=9)),
        (TCP, tcp_segment(b, a, 443, 40000, "FA", b"x" * 1000, seq=9, ack=2)),
        (UDP, udp_datagram(a, b, 40000, 53, query)),
        (echo[0], icmp_message(a, b, echo[1], body=b"ping" * 10)),
        (SCTP, struct.pack("!HHII", 5000, 5001, 1, 2) + b"\0\3\0\x10" + bytes(12)),
        (89, bytes(24)),
    ]


def corpus() -> list[tuple[int, bytes]]:
    """(link type, frame): each link layer and each encapsulation with each transport, fragments and options."""
    packets = []
    for a, b in ((A4, B4), (A6, B6)):
        for proto, body in transports(a, b):
            packets.append(ip(a, b, proto, body))
            packets.append(ip(a, b, proto, body[:24], ident=7, more_fragments=True))
            packets.append(ip(a, b, proto, body[24:48], ident=7, fragment_offset=24))
    packets.append(ip(A4, B4, TCP, transports(A4, B4)[0][1], options=b"\x07\x07\x04" + bytes(4)))
    packets.append(ip(A6, B6, UDP, transports(A6, B6)[3][1], extensions=EXTENSIONS))
    packets.append(ip(A6, B6, 51, bytes([TCP, 4, 0, 0]) + bytes(20) + transports(A6, B6)[1][1]))
    frames = [(link, frame(packet)) for (link, frame, _, _), packet in product(FRAMES.values(), packets)]
    frames += [(1, ethernet(wrap(packet))) for (wrap, _), packet in product(WRAPS.values(), packets)]
    frames += [
        (1, ethernet(outer(inner(packets[0])))) for (outer, _), (inner, _) in product(WRAPS.values(), WRAPS.values())
    ]
    return frames


CORPUS = corpus()


class Edit(NamedTuple):
    """At `place` (of 65536 parts of the frame): xor a byte, write one, write two, delete, repeat, or splice in."""

    kind: int
    place: int
    value: int


EDITS = 6


@dataclass(frozen=True, slots=True)
class Broken:
    """One packet: which of CORPUS, what is done to it, and what the capture says of it."""

    seed: int
    edits: tuple[Edit, ...]
    keep: int
    """Of 256 parts of the frame, how many were captured; 256: all."""
    wire: int
    """Bytes that the wire length is more (or less) than the frame."""
    link: int
    """0: its own; else an index into SUPPORTED, from 1."""
    step: int
    """µs since the packet before it; may be negative."""


def edited(frame: bytes, edits: tuple[Edit, ...]) -> bytes:
    """The frame after the edits."""
    for kind, place, value in edits:
        at = place * len(frame) >> 16
        if kind == 0:
            frame = frame[:at] + bytes(byte ^ (value & 0xFF) for byte in frame[at : at + 1]) + frame[at + 1 :]
        elif kind == 1:
            frame = frame[:at] + bytes([value & 0xFF]) + frame[at + 1 :]
        elif kind == 2:
            frame = frame[:at] + struct.pack("!H", value) + frame[at + 2 :]
        elif kind == 3:
            frame = frame[:at] + frame[at + value % 40 :]
        elif kind == 4:
            frame = frame[:at] + frame[at : at + value % 64] * 2 + frame[at + value % 64 :]
        else:
            frame = frame[:at] + CORPUS[value % len(CORPUS)][1]
    return frame


def broken_batch(packets: list[Broken], filler: int) -> PacketBatch:
    """The packets of a batch, each followed by 64 bytes of `filler` that no one may look at."""
    pieces, captured, wire, links, times = [], [], [], [], []
    time = START
    for packet in packets:
        link, frame = CORPUS[packet.seed % len(CORPUS)]
        frame = edited(frame, packet.edits)
        kept = frame[: len(frame) * packet.keep >> 8]
        pieces.append(kept + bytes([filler]) * 64)
        captured.append(len(kept))
        wire.append(max(len(frame) + packet.wire, 0))
        links.append(SUPPORTED[packet.link - 1] if packet.link else link)
        time += packet.step
        times.append(time)
    content = b"".join(pieces)
    ends = np.cumsum([0] + [len(piece) for piece in pieces[:-1]])
    return PacketBatch(
        data=np.frombuffer(content, np.uint8),
        offset=ends.astype(np.int64),
        captured=np.array(captured, np.uint32),
        wire=np.array(wire, np.uint32),
        time=np.array(times, np.int64),
        link=np.array(links, np.uint16),
    )


_CHOICES = struct.Struct("<HB BHH BHH BHH BBHBi")
BROKEN_BYTES = _CHOICES.size


def from_bytes(choices: bytes) -> Broken:
    """A broken packet from BROKEN_BYTES of choices; zeros leave a packet whole, so that counter-examples shrink."""
    seed, count, *edits, cut, longer, more, relink, step = _CHOICES.unpack(choices)
    lots = [Edit(edits[i] % EDITS, edits[i + 1], edits[i + 2]) for i in range(0, 9, 3)]
    return Broken(
        seed=seed % len(CORPUS),
        edits=tuple(lots[: count % 4]),
        keep=256 - cut if cut >= 128 else 256,
        wire=more - 2000 if longer >= 200 else 0,
        link=relink - 255 + len(SUPPORTED) if relink > 255 - len(SUPPORTED) else 0,
        step=step if step % 64 == 63 else step % 20_000,
    )


def at_random(rng: np.random.Generator, count: int) -> list[Broken]:
    """Broken packets from a seeded generator."""
    edits = [
        tuple(Edit(kind, place, value) for kind, place, value in zip(*lots, strict=True))
        for lots in (
            (
                rng.integers(0, EDITS, n).tolist(),
                rng.integers(0, 65536, n).tolist(),
                np.where(rng.random(n) < 0.2, rng.choice([0, 1, 0x7FFF, 0xFFFF]), rng.integers(0, 65536, n)).tolist(),
            )
            for n in rng.poisson(1.5, count)
        )
    ]
    keep = np.where(rng.random(count) < 0.6, 256, rng.integers(0, 256, count)).tolist()
    wire = np.where(rng.random(count) < 0.8, 0, rng.integers(-100, 70000, count)).tolist()
    link = np.where(rng.random(count) < 0.9, 0, rng.integers(1, len(SUPPORTED) + 1, count)).tolist()
    step = np.where(rng.random(count) < 0.999, rng.integers(-500, 20_000, count), rng.integers(-(10**9), 10**10, count))
    seeds = rng.integers(0, len(CORPUS), count).tolist()
    return [Broken(*fields) for fields in zip(seeds, edits, keep, wire, link, step.tolist(), strict=True)]

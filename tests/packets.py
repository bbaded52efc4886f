"""Builds packets (Ethernet, IPv4, IPv6, TCP, UDP, ICMP) with right checksums, and the captures that hold them.

For tests that need traffic whose truth they know. Capture formats beyond classic pcap are built by the tests of
`monitor.capture`; nothing here parses.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import numpy as np

from monitor.capture.packets import PacketBatch

Packet = tuple[int, bytes]
"""Event time in µs since 1970 UTC, and the frame."""

START = 1_700_000_000_000_000
"""A time to begin at: 2023-11-14 22:13:20 UTC, in µs."""

ETHERNET = 1
RAW_IP = 101
TCP, UDP, ICMP, ICMPV6, SCTP = 6, 17, 1, 58, 132
IPV4, IPV6, DOT1Q, QINQ = 0x0800, 0x86DD, 0x8100, 0x88A8
_FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32, "E": 64, "C": 128}


def checksum(content: bytes) -> int:
    """Internet checksum (RFC 1071)."""
    if len(content) % 2:
        content += b"\0"
    total = sum(struct.unpack(f"!{len(content) // 2}H", content))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _pseudo(src: str, dst: str, proto: int, length: int) -> bytes:
    a, b = ip_address(src), ip_address(dst)
    if isinstance(a, IPv4Address):
        return a.packed + b.packed + struct.pack("!BBH", 0, proto, length)
    return a.packed + b.packed + struct.pack("!II", length, proto)


def _transport_checksum(src: str, dst: str, proto: int, segment: bytes, at: int) -> bytes:
    value = checksum(_pseudo(src, dst, proto, len(segment)) + segment)
    if value == 0 and proto == UDP:
        value = 0xFFFF
    return segment[:at] + struct.pack("!H", value) + segment[at + 2 :]


def tcp_segment(
    src: str,
    dst: str,
    sport: int,
    dport: int,
    flags: str = "S",
    payload: bytes = b"",
    *,
    seq: int = 0,
    ack: int = 0,
    window: int = 64240,
    options: bytes = b"",
) -> bytes:
    """TCP header and payload (RFC 9293). `flags` are letters of FSRPAUEC; `options` are padded to 4 bytes."""
    options += b"\0" * (-len(options) % 4)
    bits = sum(_FLAGS[letter] for letter in flags)
    header = struct.pack(
        "!HHIIBBHHH", sport, dport, seq % 2**32, ack % 2**32, (5 + len(options) // 4) << 4, bits, window, 0, 0
    )
    return _transport_checksum(src, dst, TCP, header + options + payload, 16)


def udp_datagram(src: str, dst: str, sport: int, dport: int, payload: bytes = b"") -> bytes:
    """UDP header and payload (RFC 768)."""
    return _transport_checksum(src, dst, UDP, struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload, 6)


def icmp_message(
    src: str, dst: str, kind: int = 8, code: int = 0, rest: bytes = b"\0\1\0\1", body: bytes = b""
) -> bytes:
    """ICMP (RFC 792) or, between IPv6 addresses, ICMPv6 (RFC 4443) message; `rest` is the second header word."""
    message = struct.pack("!BBH", kind, code, 0) + rest + body
    if isinstance(ip_address(src), IPv6Address):
        return _transport_checksum(src, dst, ICMPV6, message, 2)
    return message[:2] + struct.pack("!H", checksum(message)) + message[4:]


def ip(
    src: str,
    dst: str,
    proto: int,
    payload: bytes,
    *,
    ttl: int = 64,
    ident: int = 0,
    options: bytes = b"",
    more_fragments: bool = False,
    fragment_offset: int = 0,
    extensions: Sequence[tuple[int, bytes]] = (),
) -> bytes:
    """IPv4 (RFC 791) or IPv6 (RFC 8200) packet, by the addresses.

    `fragment_offset` is in bytes. `options` are IPv4's, padded to 4 bytes. `extensions` are IPv6's in order, each
    (header number, the header without its first byte): the next-header byte is filled in.
    """
    a, b = ip_address(src), ip_address(dst)
    if isinstance(a, IPv4Address):
        options += b"\0" * (-len(options) % 4)
        length = 20 + len(options) + len(payload)
        fragment = (0x2000 if more_fragments else 0) | fragment_offset // 8
        header = struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, 0, length, ident, fragment, ttl, proto, 0)
        header += a.packed + b.packed + options
        return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload
    if more_fragments or fragment_offset:
        extensions = [*extensions, (44, struct.pack("!BHI", 0, fragment_offset | more_fragments, ident))]
    numbers = [number for number, _ in extensions] + [proto]
    chain = b"".join(bytes([following]) + rest for following, (_, rest) in zip(numbers[1:], extensions, strict=True))
    return (
        struct.pack("!IHBB", 6 << 28, len(chain) + len(payload), numbers[0], ttl)
        + a.packed
        + b.packed
        + chain
        + payload
    )


def ethernet(
    payload: bytes,
    *,
    ethertype: int = 0,
    vlans: Sequence[int] = (),
    src: str = "020000000001",
    dst: str = "020000000002",
    pad: bool = False,
) -> bytes:
    """Ethernet II frame; `ethertype` 0 is taken from the IP version; two or more VLANs are QinQ; `pad` to 60 bytes."""
    if not ethertype:
        ethertype = IPV6 if payload[:1] and payload[0] >> 4 == 6 else IPV4
    tags = b""
    for depth, vlan in enumerate(vlans):
        outer = len(vlans) > 1 and depth == 0
        tags += struct.pack("!HH", QINQ if outer else DOT1Q, vlan)
    frame = bytes.fromhex(dst) + bytes.fromhex(src) + tags + struct.pack("!H", ethertype) + payload
    return frame + b"\0" * (60 - len(frame)) if pad else frame


def tcp(src: str, dst: str, sport: int, dport: int, flags: str = "S", payload: bytes = b"", **fields: int) -> bytes:
    """Frame with a TCP segment; `fields` as in `tcp_segment`."""
    return ethernet(ip(src, dst, TCP, tcp_segment(src, dst, sport, dport, flags, payload, **fields)))  # type: ignore[arg-type]


def udp(src: str, dst: str, sport: int, dport: int, payload: bytes = b"") -> bytes:
    """Frame with a UDP datagram."""
    return ethernet(ip(src, dst, UDP, udp_datagram(src, dst, sport, dport, payload)))


def icmp(src: str, dst: str, kind: int = 8, code: int = 0, rest: bytes = b"\0\1\0\1", body: bytes = b"") -> bytes:
    """Frame with an ICMP or ICMPv6 message."""
    proto = ICMPV6 if isinstance(ip_address(src), IPv6Address) else ICMP
    return ethernet(ip(src, dst, proto, icmp_message(src, dst, kind, code, rest, body)))


def tcp_session(
    start: int,
    src: str,
    dst: str,
    sport: int,
    dport: int,
    request: bytes = b"",
    response: bytes = b"",
    *,
    rtt: int = 10_000,
    mss: int = 1460,
    isn: tuple[int, int] = (1000, 5000),
) -> Iterator[Packet]:
    """A whole connection: handshake, request, response in segments of `mss` each acknowledged, FIN from both sides."""
    now, a, b = start, isn[0], isn[1]
    yield now, tcp(src, dst, sport, dport, "S", seq=a)
    yield now + rtt // 2, tcp(dst, src, dport, sport, "SA", seq=b, ack=a + 1)
    now, a, b = now + rtt, a + 1, b + 1
    yield now, tcp(src, dst, sport, dport, "A", seq=a, ack=b)
    for at in range(0, len(request), mss):
        now += rtt
        piece = request[at : at + mss]
        yield now, tcp(src, dst, sport, dport, "PA", piece, seq=a, ack=b)
        a += len(piece)
        yield now + rtt // 2, tcp(dst, src, dport, sport, "A", seq=b, ack=a)
    for at in range(0, len(response), mss):
        now += rtt
        piece = response[at : at + mss]
        yield now, tcp(dst, src, dport, sport, "PA", piece, seq=b, ack=a)
        b += len(piece)
        yield now + rtt // 2, tcp(src, dst, sport, dport, "A", seq=a, ack=b)
    now += rtt
    yield now, tcp(src, dst, sport, dport, "FA", seq=a, ack=b)
    yield now + rtt // 2, tcp(dst, src, dport, sport, "FA", seq=b, ack=a + 1)
    yield now + rtt, tcp(src, dst, sport, dport, "A", seq=a + 1, ack=b + 1)


def pcap(
    packets: Iterable[Packet],
    *,
    link: int = ETHERNET,
    order: str = "<",
    nanoseconds: bool = False,
    snaplen: int = 262144,
) -> bytes:
    """Classic pcap file (draft-ietf-opsawg-pcap): `order` is `<` or `>`; packets longer than `snaplen` are cut."""
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    pieces = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snaplen, link)]
    for time, frame in packets:
        seconds, micros = divmod(time, 1_000_000)
        kept = frame[:snaplen]
        fraction = micros * 1000 if nanoseconds else micros
        pieces.append(struct.pack(order + "IIII", seconds, fraction, len(kept), len(frame)) + kept)
    return b"".join(pieces)


def write_pcap(path: Path, packets: Iterable[Packet], *, link: int = ETHERNET) -> Path:
    """Write a little-endian µs pcap; returns the path."""
    path.write_bytes(pcap(packets, link=link))
    return path


def batch(packets: Iterable[Packet], *, link: int = ETHERNET) -> PacketBatch:
    """The packets as a source would hand them on, without a file between."""
    rows = list(packets)
    lengths = np.array([len(frame) for _, frame in rows], np.uint32)
    offset = np.zeros(len(rows), np.int64)
    np.cumsum(lengths[:-1], out=offset[1:])
    return PacketBatch(
        data=np.frombuffer(b"".join(frame for _, frame in rows), np.uint8),
        offset=offset,
        captured=lengths,
        wire=lengths.copy(),
        time=np.array([time for time, _ in rows], np.int64),
        link=np.full(len(rows), link, np.uint16),
    )

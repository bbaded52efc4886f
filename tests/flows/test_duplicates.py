"""Mirror faults and fragments: what is delivered twice counts once, and what is in pieces stays together."""

from __future__ import annotations

from typing import Any

import pytest
from conversations import CLIENT, SERVER, flows, only
from packets import ICMP, START, TCP, UDP, batch, ethernet, icmp_message, ip, tcp_segment, udp_datagram

from monitor.flows import FlowMeter
from monitor.settings import FlowSettings

SEGMENT = tcp_segment(CLIENT, SERVER, 40000, 443, "PA", b"hello", seq=1, ack=1)
A6, B6 = "2001:db8::3", "2001:db8::9"


def dropped(*frames: tuple[int, bytes], dedup: bool = True) -> tuple[int, int]:
    """Packets that count and packets dropped as duplicates; `frames` are (µs after the start, frame)."""
    meter = FlowMeter(FlowSettings(dedup=dedup))
    meter.decode(batch([(START + at, frame) for at, frame in frames]))
    counters = meter.counters
    assert counters.packets == counters.decoded + sum(counters.dropped.values())
    return counters.decoded, counters.dropped.get("duplicate", 0)


PACKET = {"ident": 77, "ttl": 64}
COPIES: dict[str, bytes] = {
    "the same": ethernet(ip(CLIENT, SERVER, TCP, SEGMENT, **PACKET)),  # type: ignore[arg-type]
    "behind a router": ethernet(ip(CLIENT, SERVER, TCP, SEGMENT, ident=77, ttl=63)),
    "in a VLAN": ethernet(ip(CLIENT, SERVER, TCP, SEGMENT, ident=77), vlans=[12]),
    "other MAC addresses": ethernet(ip(CLIENT, SERVER, TCP, SEGMENT, ident=77), src="02000000000a"),
    "padded": ethernet(ip(CLIENT, SERVER, TCP, SEGMENT, ident=77), pad=True),
}


@pytest.mark.parametrize("name", COPIES)
def test_the_second_copy_is_dropped(name: str) -> None:
    """A port mirrored in and out would double every byte and fill the records with retransmissions."""
    first = COPIES["the same"]
    assert dropped((0, first), (40, COPIES[name])) == (1, 1)
    assert dropped((0, first), (40, COPIES[name]), dedup=False) == (2, 0)
    assert dropped((0, first), (6000, COPIES[name])) == (2, 0), "later than a mirror is late"


ORIGINALS: dict[str, bytes] = {
    "retransmission": ip(CLIENT, SERVER, TCP, SEGMENT, ident=78),
    "another segment": ip(
        CLIENT, SERVER, TCP, tcp_segment(CLIENT, SERVER, 40000, 443, "PA", b"hello", seq=6, ack=1), ident=77
    ),
    "another payload": ip(
        CLIENT, SERVER, TCP, tcp_segment(CLIENT, SERVER, 40000, 443, "PA", b"hallo", seq=1, ack=1), ident=77
    ),
    "another port": ip(
        CLIENT, SERVER, TCP, tcp_segment(CLIENT, SERVER, 40001, 443, "PA", b"hello", seq=1, ack=1), ident=77
    ),
    "the other way": ip(
        SERVER, CLIENT, TCP, tcp_segment(SERVER, CLIENT, 443, 40000, "PA", b"hello", seq=1, ack=1), ident=77
    ),
}


@pytest.mark.parametrize("name", ORIGINALS)
def test_originals_stay(name: str) -> None:
    """What a host sent twice, or only looks alike, is traffic."""
    assert dropped((0, COPIES["the same"]), (40, ethernet(ORIGINALS[name]))) == (2, 0)


def test_a_flood_of_equal_packets_stays_a_flood() -> None:
    """Datagrams and bare resets without an IP id, sent again and again, are no mirror's fault."""
    datagram = ethernet(ip(CLIENT, SERVER, UDP, udp_datagram(CLIENT, SERVER, 40000, 53, b"x")))
    assert dropped(*((i * 10, datagram) for i in range(500))) == (500, 0)


def test_ipv6_fragments_are_not_each_others_copies() -> None:
    """Fragments of two datagrams differ in nothing but their identification."""
    body = udp_datagram(A6, B6, 40000, 53, bytes(2000))
    frames = []
    for ident in range(1, 20):
        frames.append(ethernet(ip(A6, B6, UDP, body[:1232], ident=ident, more_fragments=True)))
        frames.append(ethernet(ip(A6, B6, UDP, body[1232:], ident=ident, fragment_offset=1232)))
    segment = tcp_segment(A6, B6, 40000, 443, "PA", bytes(2000))
    for ident in range(20, 40):
        frames.append(ethernet(ip(A6, B6, TCP, segment[1232:], ident=ident, fragment_offset=1232)))
    numbered = [(i * 10, frame) for i, frame in enumerate(frames)]
    assert dropped(*numbered) == (len(frames), 0)
    copies = [(at + 5, frame) for at, frame in numbered]
    assert dropped(*sorted(numbered + copies)) == (len(frames), len(frames)), "but their copies are"


def pieces(proto: int, body: bytes, src: str = CLIENT, dst: str = SERVER, *, ident: int = 9) -> list[bytes]:
    """Three fragments of a datagram."""
    return [
        ethernet(ip(src, dst, proto, body[at : at + 400], ident=ident, fragment_offset=at, more_fragments=at < 800))
        for at in (0, 400, 800)
    ]


@pytest.mark.parametrize("ends", [(CLIENT, SERVER), (A6, B6)], ids=["v4", "v6"])
def test_fragments_join_their_flow(ends: tuple[str, str]) -> None:
    """Otherwise every large datagram is two flows, one of them without ports."""
    body = udp_datagram(*ends, 40000, 53, bytes(1000))
    assert len(body) == 1008
    flow = only([(START + i, frame) for i, frame in enumerate(pieces(UDP, body, *ends))])
    assert (flow["src_port"], flow["dst_port"], flow["src_packets"]) == (40000, 53, 3)
    header = 20 if ends[0] == CLIENT else 48
    assert flow["src_bytes"] == 1008 + 3 * header
    assert flow["src_payload"] == 1000


def test_fragments_of_pings_join_theirs() -> None:
    body = icmp_message(CLIENT, SERVER, 8, body=bytes(1000))
    reply = icmp_message(SERVER, CLIENT, 0, body=bytes(1000))
    packets = pieces(ICMP, body) + pieces(ICMP, reply, SERVER, CLIENT)
    flow = only([(START + i, frame) for i, frame in enumerate(packets)])
    assert (flow["src_packets"], flow["dst_packets"], flow["icmp_type"]) == (3, 3, 8)


def test_fragments_of_two_datagrams_keep_apart() -> None:
    """The identification says whose they are."""
    one = pieces(UDP, udp_datagram(CLIENT, SERVER, 40001, 53, bytes(1000)), ident=1)
    two = pieces(UDP, udp_datagram(CLIENT, SERVER, 40002, 53, bytes(1000)), ident=2)
    mixed = [one[0], two[0], two[1], one[1], one[2], two[2]]
    found = flows([(START + i, frame) for i, frame in enumerate(mixed)])
    assert [(flow["src_port"], flow["src_packets"]) for flow in found] == [(40001, 3), (40002, 3)]


def test_fragments_without_their_first_are_seen() -> None:
    """A flood of fragments is traffic, and an attack: a flow without ports, as in NetFlow."""
    frames: list[tuple[int, bytes]] = []
    for ident in range(100):
        frames += [(START + ident, pieces(UDP, bytes(1008), ident=ident)[1])]
    flow: dict[str, Any] = only(frames)
    assert (flow["src_port"], flow["dst_port"], flow["src_packets"], flow["src_payload"]) == (0, 0, 100, 40_000)


def test_an_old_first_fragment_is_forgotten() -> None:
    """Identifications come round again: after half a minute a number says nothing."""
    first, second, _ = pieces(UDP, udp_datagram(CLIENT, SERVER, 40000, 53, bytes(1000)))
    assert [flow["dst_port"] for flow in flows([(START, first), (START + 30_000_000, second)])] == [53]
    assert [flow["dst_port"] for flow in flows([(START, first), (START + 30_000_001, second)])] == [53, 0]

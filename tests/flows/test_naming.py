"""Names in flow records: segments in any order and cut, batches of any size, memory that runs out, and no secrets."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from conversations import CLIENT, CPORT, MS, SECOND, SERVER, SPORT, Talk, flows, only
from hellos import alpn, client_hello, extension, records, server_hello, sni, versions
from hypothesis import given, settings
from hypothesis import strategies as st
from initials import initial, spread
from packets import START, Packet, batch, tcp, tcp_session, udp

from monitor.capture import PacketBatch
from monitor.flows import FlowMeter, Zones
from monitor.flows.names import TEXT_FIELDS
from monitor.settings import FlowSettings

NAMED = (
    *TEXT_FIELDS,
    "service",
    "service_on_odd_port",
    "tls_version",
    "http_status",
    "dns_type",
    "dns_rcode",
    "dns_ttl",
)


def hello(name: str, room: int = 0) -> bytes:
    """A ClientHello in TLS records, longer by `room` bytes in front of its names (a post-quantum key share, say)."""
    padding = [extension(51, bytes(room))] if room else []
    return records(client_hello([*padding, sni(name.encode()), alpn(b"h2"), versions(0x0304, 0x0303)]))


ANSWER = records(server_hello([extension(43, b"\x03\x04")]))
QUERY = bytes.fromhex("1234 0100 0001 0000 0000 0000 03777777076578616d706c6503636f6d00 0001 0001")
REPLY = bytes.fromhex("1234 8180 0001 0001 0000 0000 03777777076578616d706c6503636f6d00 0001 0001") + bytes.fromhex(
    "c00c 0001 0001 0000012c 0004 c0000201"
)


def names(flow: dict[str, Any]) -> dict[str, Any]:
    """What the first payload said."""
    return {name: flow[name] for name in NAMED}


def segments(who: str, stream: bytes, cuts: Sequence[int], overlap: int) -> list[tuple[str, int, bytes]]:
    """The stream cut at those places; each segment repeats `overlap` bytes of the one before."""
    ends = sorted({cut % len(stream) for cut in cuts} | {0, len(stream)})
    return [(who, max(a - overlap, 0), stream[max(a - overlap, 0) : b]) for a, b in pairwise(ends)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 10_000), max_size=12), st.integers(0, 40), st.randoms(use_true_random=False),
    st.sampled_from([0, 1700, 4000]), st.integers(1, 30),
)  # fmt: skip
def test_segments_in_any_order(cuts: list[int], overlap: int, chance: random.Random, room: int, size: int) -> None:
    """However the hellos are cut, overlap and arrive: the names are those of one piece, whatever the batches."""
    sent = {"c": hello("segments.example", room), "s": ANSWER}
    whole = Talk().shake().c("PA", sent["c"]).s("PA", sent["s"])
    expected = names(only(whole, max_flows=1024))
    assert (expected["server_name"], expected["alpn"], expected["tls_version"]) == ("segments.example", "h2", "TLSv1.3")
    pieces = segments("c", sent["c"], cuts, overlap) + segments("s", sent["s"], cuts[:3], overlap)
    chance.shuffle(pieces)
    talk = Talk(isn=(2**32 - 700, 5000)).shake()
    first = {"c": talk.next["c"], "s": talk.next["s"]}
    for who, at, piece in pieces:
        say = talk.c if who == "c" else talk.s
        say("A", piece, seq=(first[who] + at) % 2**32, ack=first["s" if who == "c" else "c"])
    lots = [batch(talk.packets[i : i + size]) for i in range(0, len(talk.packets), size)]
    found = [flow for lot in FlowMeter(FlowSettings(max_flows=1024)).records(lots) for flow in lot.to_pylist()]
    assert len(found) == 1
    assert names(found[0]) == expected


def test_first_bytes_win_where_segments_overlap() -> None:
    """A second, different copy of bytes that are there already changes nothing."""
    stream = hello("first.example", 1000)
    forged = stream.replace(b"first", b"other")
    talk = Talk().shake()
    base = talk.next["c"]
    talk.c("A", stream[900:], seq=base + 900).c("A", forged[850:], seq=base + 850).c("A", stream[:850], seq=base)
    assert only(talk)["server_name"] == "first.example"


def test_a_stray_segment_hides_nothing() -> None:
    """A forged segment far ahead does not end the reading."""
    talk = Talk().shake()
    base = talk.next["c"]
    talk.c("A", b"\0" * 100, seq=base + 60_000)
    talk.c("A", hello("seen.example"), seq=base)
    assert only(talk)["server_name"] == "seen.example"


def test_a_keep_alive_is_no_beginning() -> None:
    """An idle connection is seen first by a probe, whose number is one below that of what follows."""
    talk = Talk().c("A", seq=999).s("A", ack=1000).c("PA", b"GET / HTTP/1.1\r\nHost: idle.example\r\n\r\n", seq=1000)
    assert only(talk)["server_name"] == "idle.example"


def test_a_server_that_is_seen_first_is_read_as_one() -> None:
    """Mid-stream the ports tell who is asked; the flow's direction stays as it was seen."""
    talk = Talk().s("PA", b"HTTP/1.1 200 OK\r\n\r\n").c("PA", b"GET /n HTTP/1.1\r\nHost: next.example\r\n\r\n")
    flow = only(talk)
    assert (flow["src_port"], flow["server_name"], flow["http_status"]) == (SPORT, "next.example", 200)


def test_mid_stream_and_datagrams() -> None:
    """Names without a handshake in view, and of a question and its answer."""
    talk = Talk().c("PA", b"GET /a HTTP/1.1\r\nHost: mid.example\r\n\r\n").s("PA", b"HTTP/1.1 404 Not Found\r\n\r\n")
    found = only(talk)
    assert (found["server_name"], found["http_status"], found["service"]) == ("mid.example", 404, "http")
    assert found["service_on_odd_port"], "on 443"
    packets = [(START, udp(CLIENT, SERVER, 5000, 53, QUERY)), (START + MS, udp(SERVER, CLIENT, 53, 5000, REPLY))]
    found = only(packets)
    assert (found["dns_query"], found["dns_type"], found["dns_rcode"]) == ("www.example.com", "A", "NOERROR")
    assert (found["dns_answers"], found["dns_ttl"]) == (["192.0.2.1"], 300)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 1500), max_size=5), st.randoms(use_true_random=False), st.booleans())
def test_quic_hello_in_any_order(cuts: list[int], chance: random.Random, answered: bool) -> None:
    """CRYPTO frames over several datagrams in any order, the server's answer and other packets between."""
    message = client_hello([extension(51, bytes(1200)), sni(b"quic.example"), alpn(b"h3"), versions(0x0304)])
    frames = spread(message, sorted({cut % len(message) for cut in cuts} - {0}))
    chance.shuffle(frames)
    sent = [udp(CLIENT, SERVER, 5000, 443, initial(frame, number=i)) for i, frame in enumerate(frames)]
    sent.insert(1, udp(CLIENT, SERVER, 5000, 443, b"\x40" + bytes(40)))
    if answered:
        sent.insert(1, udp(SERVER, CLIENT, 443, 5000, initial(b"\x01" + bytes(40))))
    flow = only([(START + i * MS, frame) for i, frame in enumerate(sent)], max_flows=1024, dedup=False)
    assert (flow["service"], flow["server_name"], flow["alpn"]) == ("quic", "quic.example", "h3")
    assert flow["ja4"].startswith("q13d")


def test_every_part_of_a_long_flow_has_the_names() -> None:
    talk = Talk().shake().c("PA", hello("long.example")).s("PA", ANSWER)
    for _ in range(5):
        talk.wait(SECOND).c("PA", b"x").s("PA", b"y")
    parts = flows(talk, active=2)
    assert len(parts) > 1
    assert {part["server_name"] for part in parts} == {"long.example"}
    assert {part["service"] for part in parts} == {"tls"}


def crowd(count: int) -> list[Packet]:
    """Overlapping conversations of several protocols, some never finished, in time order."""
    packets: list[Packet] = []
    for i in range(count):
        src, start = f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}", START + i * 300
        if i % 4 == 0:
            packets += tcp_session(start, src, SERVER, 2000, 443, hello(f"h{i}.example", 1500), ANSWER)
        elif i % 4 == 1:
            packets += [(start, udp(src, SERVER, 2000, 53, QUERY)), (start + MS, udp(SERVER, src, 53, 2000, REPLY))]
        elif i % 4 == 2:
            packets.append((start, tcp(src, SERVER, 2000, 443, "PA", hello(f"u{i}.example", 2000)[:1400], seq=7)))
        else:
            request = f"GET /{i} HTTP/1.1\r\nHost: w{i}.example\r\n\r\n".encode()
            packets += tcp_session(start, src, SERVER, 2000, 80, request, b"HTTP/1.1 200 OK\r\n\r\n", mss=20)
    return sorted(packets, key=lambda packet: packet[0])


def metered(packets: Sequence[Packet], size: int, memory: int) -> tuple[list[dict[str, Any]], int]:
    """Flows of the packets in batches of that size, and how many remained unnamed."""
    meter = FlowMeter(FlowSettings(first_payload_memory=memory))
    lots = (batch(packets[i : i + size]) for i in range(0, len(packets), size))
    return [flow for lot in meter.records(lots) for flow in lot.to_pylist()], meter.counters.unnamed


def test_batches_do_not_matter_even_when_memory_is_short() -> None:
    """Who loses its place is decided by the packets alone."""
    packets = crowd(4000)
    whole, unnamed = metered(packets, len(packets), 1 << 20)
    assert unnamed > 100, "memory was not short"
    for size in (1, 997):
        again, unnamed_again = metered(packets, size, 1 << 20)
        assert again == whole
        assert unnamed_again == unnamed
    roomy, none = metered(packets, 997, 128 << 20)
    assert none == 0
    assert [flow["flow_id"] for flow in roomy] == [flow["flow_id"] for flow in whole]
    assert sum(flow["server_name"] != "" for flow in roomy) == 2000
    assert sum(flow["dns_query"] != "" for flow in whole) == 1000


def hello_flood(lots: int, count: int) -> Iterable[PacketBatch]:
    """SYN-less ClientHellos from forged sources, half of them never completed."""
    rng = np.random.default_rng(5)
    whole = hello("flood.example", 700)
    pieces = (whole, hello("flood.example", 1400)[: len(whole)])
    frames_of = [np.frombuffer(tcp("1.2.3.4", SERVER, 1, 443, "PA", piece, seq=1), np.uint8) for piece in pieces]
    for lot in range(lots):
        frames = np.tile(frames_of[lot % 2], (count, 1))
        frames[:, 26:30] = rng.integers(0, 256, (count, 4))
        frames[:, 34:36] = rng.integers(0, 256, (count, 2))
        yield PacketBatch(
            data=np.frombuffer(frames.tobytes(), np.uint8),
            offset=np.arange(count, dtype=np.int64) * frames.shape[1],
            captured=np.full(count, frames.shape[1], np.uint32),
            wire=np.full(count, frames.shape[1], np.uint32),
            time=START + (lot * count + np.arange(count, dtype=np.int64)) // 10,
            link=np.ones(count, np.uint16),
        )


def test_a_flood_of_hellos_costs_names_but_no_flow() -> None:
    """Memory stays what the setting says; every flow comes out; names become scarce, and that is counted."""
    meter = FlowMeter(FlowSettings(max_flows=200_000, first_payload_memory=2 << 20, dedup=False))
    assert meter._payload.bytes <= 2 << 20
    named = total = 0
    for lot in meter.records(hello_flood(10, 10_000)):
        total += lot.num_rows
        named += sum(name.as_py() == "flood.example" for name in lot["server_name"])
    counters = meter.counters
    assert counters.packets == counters.decoded == 100_000
    assert counters.flows == total >= 99_990
    assert 1_000 < named < 50_000
    assert counters.unnamed > 10_000


SECRETS = ("hunter2", "c2VjcmV0OnBhc3M", "tokenvalue", "cookievalue")
LEAKY = (
    b"GET http://user:hunter2@proxy.example/path?session=tokenvalue HTTP/1.1\r\nHost: user:hunter2@proxy.example\r\n"
    b"Authorization: Basic c2VjcmV0OnBhc3M=\r\nProxy-Authorization: Basic c2VjcmV0OnBhc3M=\r\n"
    b"Cookie: id=cookievalue\r\nReferer: http://a.example/?session=tokenvalue\r\n\r\n"
)


@pytest.mark.parametrize("cut", [0, 20, 60, 200])
def test_nothing_leaks(cut: int) -> None:
    """No credential and no query string is in any column of the record, however the request came."""
    talk = Talk().shake()
    for piece in (LEAKY[:cut], LEAKY[cut:]):
        if piece:
            talk.c("PA", piece)
    flow = only(talk)
    assert (flow["server_name"], flow["http_uri"]) == ("proxy.example", "/path")
    assert not [secret for secret in SECRETS if secret in repr(flow)]
    kept = only(talk, keep_query=True)
    assert kept["http_uri"] == "/path?session=tokenvalue"
    assert not [secret for secret in ("hunter2", "c2VjcmV0OnBhc3M", "cookievalue") if secret in repr(kept)]


def test_a_reload_keeps_queries_from_then_on() -> None:
    """Or no longer; flows of which the first payload was read before stay as they were."""
    meter = FlowMeter(FlowSettings(max_flows=1024))
    for minute, keep in enumerate((False, True, False)):
        meter.renew(FlowSettings(max_flows=1024, keep_query=keep), Zones({}, ()))
        talk = Talk(start=START + 60 * SECOND * minute).shake().c("PA", LEAKY)
        list(meter.push(batch(talk.packets)))
        (flow,) = (row for lot in meter.drain() for row in meter.columns(lot).to_pylist())
        assert flow["http_uri"] == ("/path?session=tokenvalue" if keep else "/path")


def test_how_full_the_memory_is_told() -> None:
    """It rises with each ClientHello of which the rest is to come, and falls to nothing when the flows are over."""
    meter = FlowMeter(FlowSettings(max_flows=1024, first_payload_memory=1 << 20))
    told = [meter.payload_filled()]
    for number in range(4):
        talk = (
            Talk(cport=CPORT + number, start=START + SECOND * number)
            .shake()
            .c("PA", hello("half.example", 1700)[:1200])
        )
        list(meter.push(batch(talk.packets)))
        told.append(meter.payload_filled())
    assert told[0] == 0
    assert told == sorted(set(told))
    assert told[4] == pytest.approx(4 * told[1])
    list(meter.drain())
    assert meter.payload_filled() == 0


def test_logins_of_mail_and_files_are_not_kept() -> None:
    talk = Talk().shake().s("PA", b"220 files.example FTP ready\r\n")
    talk.c("PA", b"USER clerk\r\n").s("PA", b"331 Password\r\n").c("PA", b"PASS hunter2\r\n")
    assert "hunter2" not in repr(only(talk))


def test_content_rules_the_port_out() -> None:
    """Noise on the port of a service that is always known by its first bytes is not that service."""
    noise = bytes(range(128, 168)) * 3
    found = only(Talk().shake().c("PA", noise).s("PA", noise))
    assert (found["service"], found["service_on_odd_port"]) == ("unknown", True)
    mid = only(Talk().c("PA", noise))
    assert (mid["service"], mid["service_on_odd_port"]) == ("tls", False), "its beginning was not seen"
    assert SPORT == 443
    assert CPORT > 1024

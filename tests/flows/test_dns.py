from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from monitor.flows import dns
from monitor.flows.address_text import put_ipv4, put_ipv6
from monitor.flows.names import DONE, MORE, NOT, new_rows, read_names
from monitor.flows.words import rcode_word, type_word


def name(text: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) + b"\0"


def question(text: str, kind: int = 1) -> bytes:
    return name(text) + struct.pack("!HH", kind, 1)


def answer(owner: bytes, kind: int, data: bytes, ttl: int = 300) -> bytes:
    return owner + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


def message(questions: Sequence[bytes], answers: Sequence[bytes] = (), flags: int = 0x0100, number: int = 7) -> bytes:
    return struct.pack("!6H", number, flags, len(questions), len(answers), 0, 0) + b"".join([*questions, *answers])


ASK = message([question("www.Example.org", 28)])
POINTER = b"\xc0\x0c"


def test_query() -> None:
    names = dns.parse(ASK)
    assert (names.dns_query, names.dns_type, names.dns_rcode) == ("www.Example.org", 28, None)


def test_response_with_every_kind_that_is_shown() -> None:
    answers = [
        answer(POINTER, 5, name("a.b.c"), 60),
        answer(POINTER, 1, bytes([192, 0, 2, 1]), 20),
        answer(POINTER, 28, ipaddress.IPv6Address("2001:db8::1").packed),
        answer(POINTER, 15, b"\x00\x0a\x02mx" + POINTER),
        answer(POINTER, 16, b"\x03abc\x02de"),
        answer(POINTER, 33, struct.pack("!3H", 1, 2, 443) + name("s.example")),
        answer(POINTER, 65, b"\0\1\0"),
        answer(POINTER, 99, b"xyz"),
    ]
    names = dns.parse(message([question("www.example.org", 255)], answers, 0x8180))
    assert names.dns_answers == (
        "a.b.c",
        "192.0.2.1",
        "2001:db8::1",
        "10 mx.www.example.org",
        "abcde",
        "1 2 443 s.example",
        "1 .",
        "\\# 3",
    )
    assert (names.dns_rcode, names.dns_ttl, names.dns_query) == (0, 20, "www.example.org")


def test_sixteen_answers_at_most_and_lowest_ttl_of_all() -> None:
    answers = [answer(POINTER, 1, bytes([10, 0, 0, i]), 100 - i) for i in range(40)]
    names = dns.parse(message([question("many.example")], answers, 0x8180))
    assert names.dns_answers == tuple(f"10.0.0.{i}" for i in range(16))
    assert names.dns_ttl == 61


def test_negative_answer() -> None:
    names = dns.parse(message([question("no.example")], (), 0x8183))
    assert (names.dns_rcode, names.dns_answers, names.dns_ttl) == (3, (), None)


@pytest.mark.parametrize(
    "broken",
    [
        b"\xc0\x0c",  # to itself
        b"\x01a\xc0\x0c",  # a loop that grows
        b"\xff\xff",  # outside
        b"\x3fabc",  # label past the end
        b"\x80\x00",  # reserved kind of label
        b"",
    ],
)
def test_broken_names_end(broken: bytes) -> None:
    with pytest.raises(ValueError, match="not dns"):
        dns.parse(struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + broken)


def test_long_and_odd_names_are_kept() -> None:
    labels = b"".join(b"\x3f" + bytes([65 + i]) * 63 for i in range(5)) + b"\0"
    long = dns.parse(message([labels + b"\0\1\0\1"]))
    assert long.dns_query is not None
    assert len(long.dns_query) == 255
    odd = dns.parse(message([b"\x03\xff\x00\x07\0\0\1\0\1"]))
    assert odd.dns_query == "\\xff\x00\x07"
    assert dns.parse(message([b"\0\0\x02\0\1"])).dns_query == "."


def test_answer_belongs_to_first_question() -> None:
    row = new_rows(1)[0]
    for payload, status in [
        (ASK, DONE),
        (message([question("other.example")], (), 0x8183, number=8), MORE),
        (message([question("www.Example.org", 28)], (), 0x8180), DONE),
    ]:
        assert dns.over_udp(np.frombuffer(payload, np.uint8), 0, len(payload), row) == status
    assert read_names(row).dns_rcode == 0


def test_stream_needs_its_whole_first_message() -> None:
    stream = struct.pack("!H", len(ASK)) + ASK
    assert dns.parse_stream(stream).dns_query == "www.Example.org"
    for size in range(len(stream)):
        with pytest.raises(ValueError, match="incomplete"):
            dns.parse_stream(stream[:size])
    with pytest.raises(ValueError, match="not dns"):
        dns.parse_stream(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")


def test_off_its_port_a_message_must_look_like_one() -> None:
    row = new_rows(1)[0]
    assert dns.message(np.frombuffer(ASK, np.uint8), 0, len(ASK), row, False) == DONE
    two = message([question("a.b"), question("c.d")])
    assert dns.message(np.frombuffer(two, np.uint8), 0, len(two), row, False) == NOT


@given(st.binary(min_size=16, max_size=16))
def test_ipv6_text_is_canonical(address: bytes) -> None:
    out = np.zeros(39, np.uint8)
    size = put_ipv6(out, 0, np.frombuffer(address, np.uint8), 0)
    plain = ipaddress.IPv6Address(int.from_bytes(address, "big"))
    assume(plain.ipv4_mapped is None)
    assert out[:size].tobytes().decode() == plain.compressed


@given(st.lists(st.sampled_from([0, 0, 0, 1, 0x10, 0x100, 0xFFFF]), min_size=8, max_size=8))
def test_ipv6_text_with_many_zeros(groups: list[int]) -> None:
    address = struct.pack("!8H", *groups)
    out = np.zeros(39, np.uint8)
    size = put_ipv6(out, 0, np.frombuffer(address, np.uint8), 0)
    assert out[:size].tobytes().decode() == ipaddress.IPv6Address(address).compressed


@given(st.binary(min_size=4, max_size=4))
def test_ipv4_text(address: bytes) -> None:
    out = np.zeros(15, np.uint8)
    size = put_ipv4(out, 0, np.frombuffer(address, np.uint8), 0)
    assert out[:size].tobytes().decode() == str(ipaddress.IPv4Address(address))


def test_words() -> None:
    assert [type_word(n) for n in (0, 1, 65, 65280)] == ["", "A", "HTTPS", "TYPE65280"]
    assert [rcode_word(n) for n in (0xFFFF, 0, 3, 23)] == ["", "NOERROR", "NXDOMAIN", "RCODE23"]

"""Services that are recognised and not read further: what matches, and how seldom chance does."""

from __future__ import annotations

import struct
from typing import Any

import hellos
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.flows import datagrams, recognise, streams
from monitor.flows.names import DEFER, DONE, MORE, NOT, clear, new_rows, read_names
from monitor.flows.services import SERVICE_NAMES
from monitor.jit import kernel

TCP, UDP = 6, 17
KERBEROS = bytes.fromhex("6a81a0 30819d a103020105 a20302010a") + bytes(147)
RPC = struct.pack("!10I", 7, 0, 2, 100003, 3, 0, 0, 0, 0, 0)

STREAMS = [
    ("bittorrent", b"\x13BitTorrent protocol" + bytes(48)),
    ("ldap", bytes.fromhex("300c 020101 6007 020103 0400 8000")),
    ("kerberos", struct.pack("!I", len(KERBEROS)) + KERBEROS),
    ("mqtt", bytes.fromhex("101000044d51545404020 03c0004".replace(" ", "")) + b"abcd"),
    ("rtsp", b"OPTIONS rtsp://cam/ RTSP/1.0\r\n\r\n"),
    ("sip", b"INVITE sip:a@b SIP/2.0\r\n"),
    ("vnc", b"RFB 003.008\n"),
    ("rsync", b"@RSYNCD: 31.0\n"),
    ("mysql", bytes.fromhex("4a000000 0a") + b"8.0.36\0" + bytes(66)),
    ("postgres", bytes.fromhex("00000008 04d2162f")),
    ("postgres", bytes.fromhex("00000014 00030000") + b"user\0me\0\0\0\0\0"),
    ("mssql", bytes.fromhex("1201002f 00000100") + bytes(39)),
    ("oracle", struct.pack("!HHBBH", 60, 0, 1, 0, 0) + bytes(26) + b"(DESCRIPTION=(X=1))".ljust(26)),
    ("mongodb", struct.pack("<IIII", 60, 1, 0, 2013) + bytes(44)),
    ("redis", b"*2\r\n$4\r\nINFO\r\n$3\r\nall\r\n"),
    ("memcached", b"stats\r\n"),
    ("amqp", b"AMQP\0\0\x09\x01"),
    ("git", b"0032git-upload-pack /x.git\0host=a\0"),
    ("bgp", b"\xff" * 16 + b"\0\x1d\1\4\0\1\0\0\0\0\0\0\0"),
    ("telnet", bytes.fromhex("fffd18 fffd20")),
    ("rtmp", b"\3" + bytes(1536)),
    ("dcerpc", bytes.fromhex("05000b03 10000000 4800 0000 01000000") + bytes(56)),
    ("nfs", struct.pack("!I", 0x80000000 | len(RPC)) + RPC),
    ("mining", b'{"id":1,"method":"mining.subscribe","params":[]}\n'),
    ("mining", b'{"method":"login","params":{"login":"x","pass":"y","agent":"XMRig"}}\n'),
    ("adb", b"CNXN\0\0\0\1\0\0\4\0"),
    ("iec104", bytes.fromhex("680407000000")),
    ("enip", bytes.fromhex("65000400") + bytes(24)),
    ("s7comm", bytes.fromhex("03000016 11e00000 000100 c00109 c1020100 c2020102")),
    ("edonkey", b"\xe3" + struct.pack("<I", 60) + b"\x01" + bytes(59)),
    ("gnutella", b"GNUTELLA CONNECT/0.6\r\n"),
    ("whatsapp", b"WA\x06\x03" + bytes(20)),
    ("zabbix", b"ZBXD\1" + bytes(20)),
    ("ica", b"\x7f\x7fICA\0"),
    ("pptp", bytes.fromhex("009c0001 1a2b3c4d 00010000")),
    ("openvpn", bytes.fromhex("000e 38") + b"session!" + bytes(5)),
    ("svn", b"( success ( 2 2 ( ) ( edit-pipeline ) ) )"),
    ("stun", bytes.fromhex("00010000 2112a442") + bytes(12)),
]

DATAGRAMS = [
    ("stun", bytes.fromhex("00010008 2112a442") + bytes(12) + bytes.fromhex("80220004 74657374")),
    ("stun", bytes.fromhex("00010008") + bytes(16) + bytes.fromhex("00030004 00000006")),
    ("wireguard", b"\1\0\0\0" + bytes(144)),
    ("wireguard", b"\2\0\0\0" + bytes(88)),
    ("wireguard", b"\4\0\0\0" + bytes(60)),
    ("openvpn", b"\x38session!" + bytes(5)),
    ("openvpn", b"\x40session!" + b"\1" + bytes(16)),
    ("openvpn", b"\x38session!" + b"h" * 20 + b"\0\0\0\1time" + bytes(5)),
    ("openvpn", b"\x38session!\0\0\0\1time" + b"t" * 37),
    ("bittorrent", b"d1:ad2:id20:" + b"i" * 20 + b"e1:q4:ping1:t2:aa1:y1:qe"),
    ("bittorrent", bytes.fromhex("00000417 27101980 00000000 12345678")),
    ("bittorrent", bytes.fromhex("41001234 00000001 00000000 00100000 00010000")),
    ("snmp", bytes.fromhex("3026 020101 0406 7075626c6963 a019 020101 020100 020100 300e300c06082b060102010101000500")),
    ("dhcp", b"\1\1\6\0" + bytes(232) + bytes.fromhex("63825363 350101ff")),
    ("tftp", b"\0\1boot.cfg\0octet\0"),
    ("ike", bytes(range(1, 9)) + bytes(8) + bytes.fromhex("21202208 00000000 0000001c")),
    ("ike", bytes(4) + bytes(range(1, 9)) + bytes(8) + bytes.fromhex("21202208 00000000 0000001c")),
    ("rtcp", bytes.fromhex("80c80006") + bytes(24) + bytes.fromhex("81ca0001") + bytes(4)),
    ("syslog", b"<34>Oct 11 22:14:15 host su: failed"),
    ("ssdp", b"M-SEARCH * HTTP/1.1\r\n"),
    ("ssdp", b"NOTIFY * HTTP/1.1\r\n"),
    ("sip", b"REGISTER sip:b SIP/2.0\r\n"),
    ("steam", b"\xff\xff\xff\xffTSource Engine Query\0"),
    ("bacnet", bytes.fromhex("810a0011 0104020200 000c0c023fffff19")),
    ("kerberos", KERBEROS),
    ("ldap", bytes.fromhex("300c 020101 6307 0400 0a0100 8000")),
    ("dnscrypt", b"r6fnvWj8" + bytes(40)),
    ("ntp", b"\x23" + bytes(39) + bytes(range(8))),
    ("nfs", RPC),
]


@pytest.mark.parametrize(("service", "payload"), STREAMS)
def test_streams(service: str, payload: bytes) -> None:
    assert streams.parse(payload).service == service
    assert recognise.parse(payload).service == service


@pytest.mark.parametrize(("service", "payload"), DATAGRAMS)
def test_datagrams(service: str, payload: bytes) -> None:
    assert datagrams.parse(payload).service == service
    assert recognise.parse(payload, proto=UDP, src_port=40000, dst_port=40001).service == service


@pytest.mark.parametrize(
    ("service", "port", "payload"),
    [
        ("ntp", 123, b"\x24\2\6\xe9" + bytes(range(44))),
        ("nbns", 137, bytes.fromhex("0001 0110 0001 0000 0000 0000 20") + b"C" * 32 + bytes.fromhex("00 0020 0001")),
        ("coap", 5683, bytes.fromhex("4001 1234 b1 61 00 00")),
        ("radius", 1812, bytes.fromhex("01 05 0014") + bytes(16)),
        ("dns", 53, bytes.fromhex("0001 0100 0001 0000 0000 0000 01 61 00 0001 0001")),
        ("mdns", 5353, bytes.fromhex("0000 8400 0000 0001 0000 0000 01 61 00 0001 0001 00000001 0004 c0000201")),
        ("llmnr", 5355, bytes.fromhex("0001 0000 0001 0000 0000 0000 01 61 00 0001 0001")),
    ],
)
def test_datagrams_that_count_on_their_port_alone(service: str, port: int, payload: bytes) -> None:
    assert recognise.parse(payload, proto=UDP, src_port=40000, dst_port=port).service == service
    if service != "dns":
        try:
            assert recognise.parse(payload, proto=UDP, src_port=40000, dst_port=40001).service in ("dns", "unknown")
        except ValueError:
            return


def test_google_quic_names_its_server() -> None:
    tags = [(b"SNI\0", b"www.example.com"), (b"UAID", b"Chrome/60")]
    table, values = b"", b""
    for tag, value in tags:
        values += value
        table += tag + struct.pack("<I", len(values))
    chlo = b"CHLO" + struct.pack("<HH", len(tags), 0) + table + values
    payload = b"\x0dconn--idQ035\1" + bytes(12) + b"\xa0\1\0\4" + chlo
    names = recognise.parse(payload, proto=UDP)
    assert (names.service, names.server_name, names.user_agent) == ("quic", "www.example.com", "Chrome/60")
    for size in range(13, len(payload)):
        recognise.parse(payload[:size].ljust(30, b"\0"), proto=UDP)


def test_dns_over_tcp_on_any_port_needs_a_plausible_message() -> None:
    query = bytes.fromhex("0001 0100 0001 0000 0000 0000 01 61 00 0001 0001")
    assert recognise.parse(struct.pack("!H", len(query)) + query, dst_port=853).service == "dns"
    with pytest.raises(ValueError, match="no protocol"):
        recognise.parse(b"\0\x14" + bytes(20), dst_port=53)


def test_one_side_names_the_service_for_the_other() -> None:
    row = new_rows(1)[0]
    hello = np.frombuffer(hellos.records(hellos.chrome_hello()), np.uint8)
    for size in range(5, len(hello), 50):
        assert recognise.feed(hello, 0, size, True, TCP, 40000, 443, row) == MORE
    assert read_names(row).service == "tls"
    assert recognise.feed(hello, 0, len(hello), True, TCP, 40000, 443, row) == DONE
    noise = np.frombuffer(b"\0" * 40, np.uint8)
    assert recognise.feed(noise, 0, 40, False, TCP, 40000, 443, row) == DONE
    assert read_names(row).service == "tls"


def test_other_transports_are_not_looked_at() -> None:
    assert recognise.feed(np.zeros(40, np.uint8), 0, 40, True, 132, 1, 2, new_rows(1)[0]) == NOT


@kernel
def count_hits(buf: Any, count: int, proto: int, from_client: bool, port: int, row: Any, hits: Any) -> None:
    """Show `count` pieces of random bytes as first payloads; half of them begin like text."""
    for i in range(count):
        start = (i * 61) % (buf.size - 1600)
        size = 8 + (i * 37) % (60 if i & 1 else 1400)
        clear(row, 0)
        recognise.feed(buf, start, start + size, from_client, proto, 50000, port, row)
        hits[row.service] += 1


@pytest.mark.parametrize("proto", [TCP, UDP])
@pytest.mark.parametrize("from_client", [True, False])
@pytest.mark.parametrize("port", [443, 12345])
def test_chance_matches_less_than_once_in_a_hundred_thousand(proto: int, from_client: bool, port: int) -> None:
    buf = np.random.default_rng(proto).integers(0, 256, 1 << 22, np.uint8)
    buf.flags.writeable = False
    hits = np.zeros(256, np.int64)
    count_hits(buf, 500_000, proto, from_client, port, new_rows(1)[0], hits)
    found = {SERVICE_NAMES[i]: int(n) for i, n in enumerate(hits) if n and i}
    assert sum(found.values()) <= 5, found


@given(st.binary(max_size=100), st.sampled_from([b"", *[payload[:12] for _, payload in STREAMS + DATAGRAMS]]))
def test_any_bytes_are_a_result_or_value_error(octets: bytes, first: bytes) -> None:
    for parse in (streams.parse, datagrams.parse):
        try:
            parse(first + octets)
        except ValueError:
            continue


@given(
    st.binary(max_size=100),
    st.sampled_from([b"", *[payload[:12] for _, payload in STREAMS + DATAGRAMS]]),
    st.sampled_from([TCP, UDP]),
    st.booleans(),
    st.sampled_from([0, 21, 53, 110, 137, 443, 5353, 5938]),
    st.binary(max_size=30),
)
def test_bytes_around_a_payload_change_nothing(
    octets: bytes, first: bytes, proto: int, from_client: bool, port: int, around: bytes
) -> None:
    payload = first + octets
    rows = new_rows(2)
    wide = np.frombuffer(around + payload + around, np.uint8)
    one = recognise.feed(np.frombuffer(payload, np.uint8), 0, len(payload), from_client, proto, 40000, port, rows[0])
    at = len(around)
    two = recognise.feed(wide, at, at + len(payload), from_client, proto, 40000, port, rows[1])
    assert one == two
    assert one in (DONE, MORE, NOT, DEFER)
    assert rows[0] == rows[1]

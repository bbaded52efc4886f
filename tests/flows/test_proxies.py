"""SOCKS, RDP, SMB and DTLS: what is agreed before, or beside, TLS over TCP."""

from __future__ import annotations

import struct

import hellos
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.flows import dtls, rdp, smb, socks
from monitor.flows.names import DONE, MORE, IncompleteError, new_rows, read_names

HELLO = hellos.records(hellos.chrome_hello(b"inner.example.jp"))
ANSWER = hellos.records(hellos.server_hello([hellos.extension(43, b"\3\4")]))


@pytest.mark.parametrize(
    ("opening", "server_name"),
    [
        (bytes.fromhex("050100 05010003 0c") + b"host.example" + b"\x01\xbb", "host.example"),
        (bytes.fromhex("05020002 05010001 c0000201 01bb"), "192.0.2.1"),
        (bytes.fromhex("050100 05010004 20010db8000000000000000000000001 01bb"), "2001:db8::1"),
        (bytes.fromhex("0501 02 01 02 7573 03 707764 05010003 01") + b"h" + b"\x01\xbb", "h"),
        (bytes.fromhex("0401 01bb c0000201") + b"user\0", "192.0.2.1"),
        (bytes.fromhex("0401 01bb 00000001") + b"user\0host.example\0", "host.example"),
    ],
)
def test_socks(opening: bytes, server_name: str) -> None:
    names = socks.parse(opening + HELLO)
    assert (names.server_name, names.alpn) == (server_name, "h2")
    for size in range(len(opening)):
        with pytest.raises(IncompleteError):
            socks.parse(opening[:size])


def test_socks_keeps_no_password() -> None:
    row = new_rows(1)[0]
    payload = bytes.fromhex("0501 02 01 04") + b"name" + b"\x04pa55" + bytes.fromhex("05010003 01") + b"h" + b"\x01\xbb"
    assert socks.client(np.frombuffer(payload, np.uint8), 0, len(payload), row) == MORE
    assert b"pa55" not in row["text"].tobytes()


@pytest.mark.parametrize(
    "answer", ["0500 05000001 00000000 0000", "0502 0100 05000001 00000000 0000", "005a 000000000000"]
)
def test_socks_server(answer: str) -> None:
    assert socks.parse(bytes.fromhex(answer) + ANSWER, from_client=False).tls_version == 0x0304


@pytest.mark.parametrize("payload", ["0505", "050a00", "0403", "0601", "04010000 00000000 00"])
def test_not_socks(payload: str) -> None:
    with pytest.raises(ValueError, match="not socks"):
        socks.parse(bytes.fromhex(payload))


def tpkt(kind: int, rest: bytes) -> bytes:
    return struct.pack("!BBHBB", 3, 0, 11 + len(rest), 6 + len(rest), kind) + bytes(5) + rest


COOKIE = b"Cookie: mstshash=somebody\r\n"
ASK = bytes.fromhex("0100080003000000")


@pytest.mark.parametrize("rest", [b"", ASK, COOKIE + ASK, COOKIE])
def test_rdp(rest: bytes) -> None:
    row = new_rows(1)[0]
    payload = tpkt(0xE0, rest) + HELLO
    assert rdp.client(np.frombuffer(payload, np.uint8), 0, len(payload), row) == DONE
    assert read_names(row).server_name == "inner.example.jp"
    assert b"somebody" not in row["text"].tobytes()


def test_rdp_server() -> None:
    assert rdp.parse(tpkt(0xD0, bytes.fromhex("0200080002000000")) + ANSWER, from_client=False).tls_version == 0x0304
    assert rdp.parse(tpkt(0xD0, bytes.fromhex("0300080005000000")), from_client=False).service == "rdp"


def test_other_uses_of_tpkt_are_not_rdp() -> None:
    with pytest.raises(ValueError, match="not rdp"):
        rdp.parse(tpkt(0xE0, bytes.fromhex("c00109c1020100c2020102")))  # S7comm


def smb2(command: int, response: bool, dialect: int = 0) -> bytes:
    header = b"\xfeSMB" + struct.pack("<HHIHHI", 64, 0, 0, command, 1, 1 if response else 0) + bytes(44)
    body = struct.pack("<HHH", 65, 1, dialect) + bytes(60)
    return b"\0" + struct.pack("!I", len(header + body))[1:] + header + body


SMB1 = b"\0\0\0\x40\xffSMB" + b"\x72" + bytes(59)
SESSION = b"\x81\0\0\x44\x20" + b"A" * 67


@pytest.mark.parametrize(
    ("payload", "dialect"),
    [
        (smb2(0, True, 0x0311), 0x0311),
        (smb2(0, True, 0x02FF) + smb2(0, True, 0x0302), 0x0302),
        (SMB1, 0x0100),
        (b"\x82\0\0\0" + SMB1, 0x0100),
        (smb2(3, True), None),
    ],
)
def test_smb_dialects(payload: bytes, dialect: int | None) -> None:
    assert smb.parse(payload, from_client=False).dialect == dialect


@pytest.mark.parametrize("payload", [SMB1, smb2(0, False), SESSION + SMB1])
def test_smb_clients(payload: bytes) -> None:
    assert smb.parse(payload).service == "smb"
    with pytest.raises(IncompleteError):
        smb.parse(payload[:3])


def test_dtls_hellos() -> None:
    hello = hellos.client_hello([hellos.sni(b"dtls.example"), hellos.alpn(b"webrtc")], version=0xFEFD, cookie=b"c" * 20)
    size = hello[1:4]
    record = hello[:4] + b"\0\0" + bytes(3) + size + hello[4:]
    names = dtls.parse(b"\x16\xfe\xff" + bytes(8) + hellos.vec16(record))
    assert (names.server_name, names.alpn, names.tls_version) == ("dtls.example", "webrtc", 0xFEFD)
    assert names.ja4 is not None
    assert names.ja4[:10] == "dd2d1502wc"
    with pytest.raises(ValueError, match="not dtls"):
        dtls.parse(b"\x16\xfe\xff" + bytes(8) + b"\xff\xff" + record)


@given(st.binary(max_size=120), st.integers(0, 7), st.booleans())
def test_any_bytes_are_a_result_or_value_error(octets: bytes, kind: int, from_client: bool) -> None:
    firsts = [
        b"",
        b"\5\1\0",
        b"\4\1\0\x50",
        tpkt(0xE0, b""),
        b"\0\0\0\x40\xfeSMB",
        b"\x16\xfe\xff" + bytes(10),
        SESSION,
        b"\5\0",
    ]
    for parse in (socks.parse, rdp.parse, smb.parse):
        try:
            parse(firsts[kind] + octets, from_client)
        except ValueError:
            continue
    try:
        dtls.parse(firsts[kind] + octets)
    except ValueError:
        return

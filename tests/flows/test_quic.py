from __future__ import annotations

import hellos
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from initials import CONNECTION_ID, VERSION_1, VERSION_2, client_keys, crypto, initial, spread

from monitor.flows import quic
from monitor.flows.names import DEFER, DONE, NOT, IncompleteError

HELLO = hellos.chrome_hello(b"quic.example.jp", [hellos.extension(0x39, b"\1\2")])
RFC_HELLO = bytes.fromhex(  # RFC 9001, appendix A.2
    "010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c000000010000e00"
    "000b6578616d706c652e636f6dff01000100000a00080006001d00170018001000070005"
    "04616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748"
    "002b0003020304000d0010000e0403050306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000"
    "ffff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff"
)


def recognise(datagram: bytes, from_client: bool = True) -> int:
    return quic.datagram(np.frombuffer(datagram, np.uint8), 0, len(datagram), from_client)


def test_keys_of_the_rfcs() -> None:
    assert [part.hex() for part in client_keys(VERSION_1, CONNECTION_ID)] == [  # RFC 9001, appendix A.1
        "1f369613dd76d5467730efcbe3b1a22d",
        "fa044b2f42a3fd3b46fb255c",
        "9f50449e04a0e810283a1e9933adedd2",
    ]
    assert [part.hex() for part in client_keys(VERSION_2, CONNECTION_ID)] == [  # RFC 9369, appendix A.1
        "8b1a0bc121284290a29e0971b5cd045d",
        "91f73e2351d8fa91660e909f",
        "45b95e15235d6f45a6b19cbcb0294ba9",
    ]


def test_client_initial_of_rfc_9001() -> None:
    datagram = initial(crypto(0, RFC_HELLO).ljust(1162, b"\0"), number=2)
    assert datagram[:38].hex() == "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242b123dc9b"
    names = quic.parse(datagram)
    assert (names.server_name, names.alpn, names.tls_version) == ("example.com", "alpn", 0x0304)
    assert names.ja4 is not None
    assert names.ja4.startswith("q13d0211an_")


@pytest.mark.parametrize("version", [VERSION_1, VERSION_2, 0xFF00001D])
@pytest.mark.parametrize("number_size", [1, 2, 3, 4])
def test_versions(version: int, number_size: int) -> None:
    datagram = initial(crypto(0, HELLO), version=version, number_size=number_size, token=b"t" * 70)
    assert recognise(datagram) == DEFER
    assert recognise(datagram, from_client=False) == DONE
    names = quic.parse(datagram)
    assert (names.service, names.server_name) == ("quic", "quic.example.jp")
    assert names.ja4 is not None
    assert names.ja4[:10] == "q13d1517h2"


def test_hello_over_packets_out_of_order_with_other_frames_between() -> None:
    ack = b"\x02" + b"\x01\x00\x01\x00" + b"\x00\x00"
    one, two, three, four = spread(HELLO, [50, 200, 201])
    packets = [
        initial(b"\x01\0\0" + four + three, number=0),
        initial(ack + two + b"\0" * 40, number=1),
        initial(one + one, number=2),
    ]
    assert quic.client_hello([packets[0] + packets[2], packets[1]]).server_name == "quic.example.jp"
    with pytest.raises(IncompleteError):
        quic.client_hello(packets[:2])


def test_packets_that_follow_another() -> None:
    handshake = bytes([0xE0]) + (1).to_bytes(4, "big") + b"\x08" + CONNECTION_ID + b"\0" + b"\x40\x20" + bytes(32)
    assert quic.parse(initial(crypto(0, HELLO)) + handshake).server_name == "quic.example.jp"


def test_later_initial_goes_to_the_servers_id_under_the_first_keys() -> None:
    one, two = spread(HELLO, [100])
    later = initial(two, number=1, connection_id=b"server-id", key_id=CONNECTION_ID)
    assert quic.client_hello([initial(one), later]).server_name == "quic.example.jp"


def test_after_retry_there_are_new_keys() -> None:
    assert quic.client_hello([initial(b"\x01"), initial(crypto(0, HELLO), connection_id=b"fromretry")]).alpn == "h2"


@pytest.mark.parametrize(
    "damage",
    [
        lambda packet: packet[:-1] + bytes([packet[-1] ^ 1]),
        lambda packet: packet[:40],
        lambda packet: b"",
        lambda packet: packet.replace(CONNECTION_ID, b"87654321"),
        lambda packet: b"\x40" + packet[1:],
    ],
)
def test_what_does_not_decrypt(damage: object) -> None:
    assert callable(damage)
    with pytest.raises(ValueError, match="QUIC"):
        quic.parse(damage(initial(crypto(0, HELLO))))


def test_recognition_needs_a_whole_header() -> None:
    datagram = initial(crypto(0, HELLO))
    assert recognise(datagram[:-1]) == DONE  # a packet cut short is QUIC, but cannot be opened
    assert recognise(bytes(1200)) == NOT
    assert recognise(b"\xff" * 1200) == NOT
    assert recognise(b"\x0d" + bytes(8) + b"Q043" + bytes(40)) == DONE
    assert recognise(b"\xc3" + b"T051" + bytes(40)) == DONE


@given(st.binary(max_size=120), st.booleans())
def test_any_bytes_are_a_result_or_value_error(octets: bytes, led: bool) -> None:
    payload = (bytes.fromhex("c300000001") if led else b"") + octets
    recognise(payload)
    with pytest.raises(ValueError, match="QUIC"):
        quic.parse(payload)


@settings(max_examples=50)
@given(st.binary(max_size=120))
def test_any_frames_are_a_result_or_value_error(frames: bytes) -> None:
    try:
        quic.parse(initial(frames))
    except ValueError:
        return

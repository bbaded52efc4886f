from __future__ import annotations

import datetime
import hashlib
import ssl
from pathlib import Path

import hellos
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from monitor.flows import tls
from monitor.flows.names import FLAG_ECH
from monitor.flows.words import version_word

CHROME_JA4 = "t13d1516h2_8daaf6152771_e5627efa2ab1"  # the example of the JA4 specification


def make_certificate(folder: Path, common: str | None, issuer: str | None, names: list[str]) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    one = lambda text: x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)] if text else [])  # noqa: E731
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(one(issuer), one(common), key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    if names:
        builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=True)
    certificate, secret = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, secret


def openssl_flights(
    folder: Path, highest: ssl.TLSVersion, names: list[str], common: str | None = None, issuer: str | None = None
) -> tuple[bytes, bytes]:
    """First flights of client and server, as OpenSSL makes them."""
    certificate, secret = make_certificate(folder, common, issuer, names)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, secret)
    context.maximum_version = highest
    context.set_alpn_protocols(["http/1.1"])
    mine = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    mine.check_hostname, mine.verify_mode = False, ssl.CERT_NONE
    mine.set_alpn_protocols(["h2", "http/1.1"])
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    flights = []
    for side, out in (
        (mine.wrap_bio(down, up, server_hostname="town.example.jp"), up),
        (context.wrap_bio(up, down, server_side=True), down),
    ):
        with pytest.raises(ssl.SSLWantReadError):
            side.do_handshake()
        flights.append(out.read())
        if out is up:
            up.write(flights[0])
    return flights[0], flights[1]


def test_chrome_example_of_the_ja4_specification() -> None:
    names = tls.parse(hellos.records(hellos.chrome_hello()))
    assert names.ja4 == CHROME_JA4
    assert (names.server_name, names.alpn, names.tls_version) == ("www.example.org", "h2", 0x0304)


@pytest.mark.parametrize("size", [1, 2, 5, 64, 300])
def test_hello_over_many_records(size: int) -> None:
    assert tls.parse(hellos.records(hellos.chrome_hello(), size)).ja4 == CHROME_JA4


def test_every_shorter_payload_is_incomplete() -> None:
    payload = hellos.records(hellos.chrome_hello(), 150)
    for size in range(len(payload)):
        with pytest.raises(ValueError, match="incomplete"):
            tls.parse(payload[:size])


@pytest.mark.parametrize(
    ("first", "expected"),
    [  # the table of the JA4 specification
        (b"\xab", "ab"),
        (b"\xab\xcd", "ad"),
        (b"\x30\xab", "3b"),
        (b"\x30\x31\xab\xcd", "3d"),
        (b"\x30\xab\xcd\x31", "01"),
        (b"h", "hh"),
        (b"http/1.1", "h1"),
    ],
)
def test_ja4_of_unusual_protocol_names(first: bytes, expected: str) -> None:
    names = tls.parse(hellos.records(hellos.client_hello([hellos.alpn(first)])))
    assert names.ja4 is not None
    assert names.ja4[:10] == f"t12i1501{expected}"


def test_ja4_without_extensions_and_without_signatures() -> None:
    bare = tls.parse(hellos.records(hellos.client_hello([], b"\x00\x2f", 0x0301)))
    assert bare.ja4 == f"t10i010000_{hashlib.sha256(b'002f').hexdigest()[:12]}_000000000000"
    some = tls.parse(hellos.records(hellos.client_hello([hellos.extension(0x0B, b"")], b"\x00\x2f", 0x0301)))
    assert some.ja4 is not None
    assert some.ja4.endswith(hashlib.sha256(b"000b").hexdigest()[:12])


def test_encrypted_client_hello_gives_the_outer_name() -> None:
    hello = hellos.chrome_hello(b"public.example", [hellos.extension(0xFE0D, b"\0" + bytes(60))])
    names = tls.parse(hellos.records(hello))
    assert names.server_name == "public.example"
    assert names.flags & FLAG_ECH


def test_ssl2_form_of_hello() -> None:
    body = bytes.fromhex("01 0301 0006 0000 0010") + bytes.fromhex("010080 000035") + bytes(16)
    assert tls.parse(bytes([0x80, len(body)]) + body).tls_version == 0x0301


@pytest.mark.parametrize(
    ("highest", "version", "alpn", "certified"),
    [
        (ssl.TLSVersion.TLSv1_2, 0x0303, "http/1.1", ("town.example.jp", "*.town.example.jp", "x.example")),
        (ssl.TLSVersion.TLSv1_3, 0x0304, None, ()),
    ],
)
def test_openssl_at_both_ends(
    tmp_path: Path, highest: ssl.TLSVersion, version: int, alpn: str | None, certified: tuple[str, ...]
) -> None:
    names = ["*.town.example.jp", "town.example.jp", "x.example"]
    up, down = openssl_flights(tmp_path, highest, names, "town.example.jp")
    asked = tls.parse(up)
    assert (asked.server_name, asked.alpn, asked.tls_version) == ("town.example.jp", "h2", 0x0304)
    answered = tls.parse(down, from_client=False)
    assert (answered.tls_version, answered.alpn, answered.cert_names) == (version, alpn, certified)
    with pytest.raises(ValueError, match="incomplete"):
        tls.parse(down[:70], from_client=False)


def test_certificate_of_a_tor_relay(tmp_path: Path) -> None:
    _, down = openssl_flights(tmp_path, ssl.TLSVersion.TLSv1_2, [], "www.abcdefgh2345.net", "www.qwertyuiop.com")
    assert tls.parse(down, from_client=False).service == "tor"
    _, down = openssl_flights(tmp_path, ssl.TLSVersion.TLSv1_2, [], "www.abcdefgh2345.net", "www.qwertyuiop.net")
    assert tls.parse(down, from_client=False).service == "tls"


def test_warning_before_server_hello() -> None:
    payload = bytes.fromhex("15 0303 0002 01 70") + hellos.records(hellos.server_hello([hellos.versions()]))
    with pytest.raises(ValueError, match="incomplete"):  # a certificate may follow
        tls.parse(payload, from_client=False)
    assert tls.parse(payload + bytes.fromhex("14 0303 0001 01"), from_client=False).tls_version == 0x0303


@given(st.data())
def test_damaged_hello_is_a_result_or_value_error(data: DataObject) -> None:
    payload = bytearray(hellos.records(hellos.chrome_hello()))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    try:
        names = tls.parse(bytes(payload))
    except ValueError:
        return
    assert names.service == "tls"


def test_version_words() -> None:
    assert [version_word(n) for n in (0, 0x0304, 0x7F1C, 0x1234)] == ["", "TLSv1.3", "TLSv1.3", "0x1234"]

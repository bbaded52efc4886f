"""TLS messages built by hand, for tests of what carries them: TLS, DTLS, QUIC, STARTTLS, proxies."""

from __future__ import annotations

import struct
from collections.abc import Sequence

CHROME_CIPHERS = bytes.fromhex("1301 1302 1303 c02b c02f c02c c030 cca9 cca8 c013 c014 009c 009d 002f 0035")
CHROME_SIGNATURES = bytes.fromhex("0403 0804 0401 0503 0805 0501 0806 0601")


def vec8(body: bytes) -> bytes:
    return bytes([len(body)]) + body


def vec16(body: bytes) -> bytes:
    return struct.pack("!H", len(body)) + body


def vec24(body: bytes) -> bytes:
    return struct.pack("!I", len(body))[1:] + body


def extension(kind: int, body: bytes) -> bytes:
    return struct.pack("!H", kind) + vec16(body)


def sni(name: bytes) -> bytes:
    return extension(0, vec16(b"\0" + vec16(name)))


def alpn(*names: bytes) -> bytes:
    return extension(16, vec16(b"".join(vec8(name) for name in names)))


def versions(*numbers: int) -> bytes:
    return extension(43, vec8(b"".join(struct.pack("!H", number) for number in numbers)))


def handshake(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + vec24(body)


def records(message: bytes, size: int = 16384, kind: int = 22) -> bytes:
    """A handshake message in records of at most `size` bytes."""
    chunks = [message[i : i + size] for i in range(0, len(message), size)]
    return b"".join(bytes([kind, 3, 1]) + vec16(chunk) for chunk in chunks)


def client_hello(
    extensions: Sequence[bytes], ciphers: bytes = CHROME_CIPHERS, version: int = 0x0303, cookie: bytes | None = None
) -> bytes:
    """Handshake message of a ClientHello, without a record."""
    body = struct.pack("!H", version) + bytes(range(32)) + vec8(b"s" * 32)
    body += b"" if cookie is None else vec8(cookie)
    body += vec16(ciphers) + vec8(b"\0") + vec16(b"".join(extensions))
    return handshake(1, body)


def server_hello(extensions: Sequence[bytes], version: int = 0x0303) -> bytes:
    """Handshake message of a ServerHello, without a record."""
    body = struct.pack("!H", version) + bytes(32) + vec8(b"") + b"\xc0\x2f\0" + vec16(b"".join(extensions))
    return handshake(2, body)


def chrome_hello(name: bytes = b"www.example.org", extra: Sequence[bytes] = ()) -> bytes:
    """The ClientHello of the example in the JA4 specification: t13d1516h2_8daaf6152771_e5627efa2ab1."""
    kinds = [0x0017, 0xFF01, 0x000A, 0x000B, 0x0023, 0x0005, 0x0012, 0x0033, 0x002D, 0x001B, 0x4469, 0x0015]
    return client_hello(
        [
            extension(0x2A2A, b""),
            sni(name),
            *[extension(kind, b"") for kind in kinds],
            alpn(b"h2", b"http/1.1"),
            extension(13, vec16(CHROME_SIGNATURES)),
            versions(0x4A4A, 0x0304, 0x0303),
            *extra,
            extension(0xDADA, b"\0"),
        ],
        ciphers=b"\x1a\x1a" + CHROME_CIPHERS,
    )

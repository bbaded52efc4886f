"""JA4, the fingerprint of a TLS client, from its ClientHello, after FoxIO's public specification (BSD 3-clause part).

Only the client's fingerprint: the other members of JA4+ have another licence and are not here. `tls.py` finds the
pieces of the ClientHello; this module sorts, counts and hashes them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.flows.bytes import be16, byte
from monitor.flows.digests import sha256
from monitor.flows.names import JA4, put_text
from monitor.flows.octets import put_hex
from monitor.jit import Integer, inlined, inner
from monitor.stack import stack_u8

MOST = 512
"""Ciphers or extensions that are looked at; a ClientHello with more has no JA4."""

OVER_TCP, OVER_QUIC, OVER_DTLS = ord("t"), ord("q"), ord("d")

_SERVER_NAME, _ALPN = 0x0000, 0x0010
_TEXT = 5 * (2 * MOST + 1)
_ZERO, _COMMA, _UNDERSCORE = ord("0"), ord(","), ord("_")
_VERSIONS = {
    0x0002: "s2",
    0x0300: "s3",
    0x0301: "10",
    0x0302: "11",
    0x0303: "12",
    0x0304: "13",
    0xFEFF: "d1",
    0xFEFD: "d2",
    0xFEFC: "d3",
}
_VERSION_CODES = np.array(list(_VERSIONS), np.int64)
_VERSION_TEXT = np.frombuffer("".join(_VERSIONS.values()).encode(), np.uint8).reshape(-1, 2).copy()


@inlined
def is_grease(value: Integer) -> bool:
    """Is it one of the reserved values 0x0A0A, 0x1A1A … 0xFAFA (RFC 8701)?"""
    return bool((value & 0x0F0F) == 0x0A0A and (value >> 8) == (value & 0xFF))


@inner
def numbers(buf: Any, at: Integer, end: Integer, out: Any) -> Integer:
    """Copy the 16-bit numbers in `[at, end)` without GREASE to `out`, MOST at most, in order; gives their count."""
    count = 0
    while at + 2 <= end and count < MOST:
        value = be16(buf, at)
        if not is_grease(value):
            out[count] = value
            count += 1
        at += 2
    return count


@inner
def _sort(values: Any, count: Integer) -> None:
    """Sort the first `count` values where they are; they are few, and mostly in order."""
    for i in range(1, count):
        value = values[i]
        at = i
        while at > 0 and values[at - 1] > value:
            values[at] = values[at - 1]
            at -= 1
        values[at] = value


@inner
def _hex_list(values: Any, count: Integer, out: Any, used: Integer) -> Integer:
    """Write values as 4 hexadecimal digits each with commas between; gives the place after them."""
    for i in range(count):
        if i > 0:
            out[used] = _COMMA
            used += 1
        used = put_hex(out, used, values[i] >> 8)
        used = put_hex(out, used, values[i] & 0xFF)
    return used


@inner
def _put_hash(text: Any, used: Integer, out: Any, at: Integer) -> Integer:
    """Write the first 12 hexadecimal digits of the SHA-256 of `text[:used]`, or 12 zeros for no text."""
    if used == 0:
        for i in range(12):
            out[at + i] = _ZERO
        return at + 12
    digest = stack_u8(32)
    sha256(text, 0, used, digest)
    for i in range(6):
        at = put_hex(out, at, digest[i])
    return at


@inner
def _put_alpn(buf: Any, start: Integer, end: Integer, out: Any, at: Integer) -> Integer:
    """First and last character of the first protocol offered; of its hexadecimal form when they are not letters."""
    if end <= start:
        out[at] = out[at + 1] = _ZERO
        return at + 2
    first, last = byte(buf, start), byte(buf, end - 1)
    plain = True
    for octet in (first, last):
        if not (48 <= octet <= 57 or 65 <= octet <= 90 or 97 <= octet <= 122):
            plain = False
    if plain:
        out[at], out[at + 1] = first, last
    else:
        digits = stack_u8(2)
        put_hex(digits, 0, first)
        out[at] = digits[0]
        put_hex(digits, 0, last)
        out[at + 1] = digits[1]
    return at + 2


@inner
def put_ja4(
    row: Any,
    transport: Integer,
    version: Integer,
    ciphers: Any,
    cipher_count: Integer,
    kinds: Any,
    kind_count: Integer,
    buf: Any,
    alpn: tuple[Integer, Integer],
    signatures: tuple[Integer, Integer],
) -> None:
    """Put the JA4 of a ClientHello into `row`.

    `transport`: OVER_TCP, OVER_QUIC or OVER_DTLS; `version`: the best offered; `ciphers` and `kinds` (of extensions):
    uint16 arrays without GREASE, in the order of the message, which are used up; `alpn` and `signatures`: (start, end)
    in `buf` of the first protocol name and of the list of signature algorithms, empty when there is none.
    """
    if cipher_count >= MOST or kind_count >= MOST:
        return
    out = stack_u8(36)
    out[0] = transport
    out[1] = out[2] = _ZERO
    for i in range(_VERSION_CODES.size):
        if _VERSION_CODES[i] == version:
            out[1], out[2] = _VERSION_TEXT[i, 0], _VERSION_TEXT[i, 1]
    hashed = 0
    out[3] = ord("i")
    for i in range(2):
        total = min(cipher_count if i == 0 else kind_count, 99)
        out[4 + 2 * i] = _ZERO + total // 10
        out[5 + 2 * i] = _ZERO + total % 10
    for i in range(kind_count):
        kind = kinds[i]
        if kind == _SERVER_NAME:
            out[3] = ord("d")
        elif kind != _ALPN:
            kinds[hashed] = kind
            hashed += 1
    at = _put_alpn(buf, alpn[0], alpn[1], out, 8)
    text = stack_u8(_TEXT)
    out[at] = _UNDERSCORE
    _sort(ciphers, cipher_count)
    at = _put_hash(text, _hex_list(ciphers, cipher_count, text, 0), out, at + 1)
    out[at] = _UNDERSCORE
    _sort(kinds, hashed)
    used = _hex_list(kinds, hashed, text, 0)
    algorithms = numbers(buf, signatures[0], signatures[1], ciphers)
    if used > 0 and algorithms > 0:
        text[used] = _UNDERSCORE
        used = _hex_list(ciphers, algorithms, text, used + 1)
    at = _put_hash(text, used, out, at + 1)
    put_text(row, JA4, out, 0, at)

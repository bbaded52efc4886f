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
from monitor.jit import inlined, kernel

OVER_TCP, OVER_QUIC, OVER_DTLS = ord("t"), ord("q"), ord("d")

_SERVER_NAME, _ALPN = 0x0000, 0x0010
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
def is_grease(value: int) -> bool:
    """Is it one of the reserved values 0x0A0A, 0x1A1A … 0xFAFA (RFC 8701)?"""
    return bool((value & 0x0F0F) == 0x0A0A and (value >> 8) == (value & 0xFF))


@kernel
def numbers(buf: Any, at: int, end: int) -> Any:
    """The 16-bit numbers in `[at, end)` without GREASE, in order, as an int64 array."""
    kept = np.empty(max((end - at) // 2, 0), np.int64)
    count = 0
    while at + 2 <= end:
        value = be16(buf, at)
        if not is_grease(value):
            kept[count] = value
            count += 1
        at += 2
    return kept[:count]


@kernel
def _hex_list(values: Any, out: Any, used: int) -> int:
    """Write values as 4 hexadecimal digits each with commas between; gives the place after them."""
    for i in range(values.size):
        if i > 0:
            out[used] = _COMMA
            used += 1
        used = put_hex(out, used, values[i] >> 8)
        used = put_hex(out, used, values[i] & 0xFF)
    return used


@kernel
def _put_hash(text: Any, used: int, out: Any, at: int) -> int:
    """Write the first 12 hexadecimal digits of the SHA-256 of `text[:used]`, or 12 zeros for no text."""
    if used == 0:
        out[at : at + 12] = _ZERO
        return at + 12
    digest = np.empty(32, np.uint8)
    sha256(text, 0, used, digest)
    for i in range(6):
        at = put_hex(out, at, digest[i])
    return at


@kernel
def _put_alpn(buf: Any, start: int, end: int, out: Any, at: int) -> int:
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
        digits = np.empty(2, np.uint8)
        put_hex(digits, 0, first)
        out[at] = digits[0]
        put_hex(digits, 0, last)
        out[at + 1] = digits[1]
    return at + 2


@kernel
def put_ja4(
    row: Any,
    transport: int,
    version: int,
    ciphers: Any,
    extensions: Any,
    buf: Any,
    alpn: tuple[int, int],
    signatures: tuple[int, int],
) -> None:
    """Put the JA4 of a ClientHello into `row`.

    `transport`: OVER_TCP, OVER_QUIC or OVER_DTLS; `version`: the best offered; `ciphers` and `extensions`: int64 arrays
    without GREASE, in the order of the message; `alpn` and `signatures`: (start, end) in `buf` of the first protocol
    name and of the list of signature algorithms, empty when there is none.
    """
    out = np.empty(36, np.uint8)
    out[0] = transport
    out[1] = out[2] = _ZERO
    for i in range(_VERSION_CODES.size):
        if _VERSION_CODES[i] == version:
            out[1], out[2] = _VERSION_TEXT[i, 0], _VERSION_TEXT[i, 1]
    hashed = np.empty(extensions.size, np.int64)
    count = 0
    named = False
    for value in extensions:
        if value == _SERVER_NAME:
            named = True
        elif value != _ALPN:
            hashed[count] = value
            count += 1
    out[3] = ord("d") if named else ord("i")
    for i in range(2):
        total = min(ciphers.size if i == 0 else extensions.size, 99)
        out[4 + 2 * i] = _ZERO + total // 10
        out[5 + 2 * i] = _ZERO + total % 10
    at = _put_alpn(buf, alpn[0], alpn[1], out, 8)
    algorithms = numbers(buf, signatures[0], signatures[1])
    text = np.empty(5 * (max(ciphers.size, count + algorithms.size) + 1), np.uint8)
    out[at] = _UNDERSCORE
    at = _put_hash(text, _hex_list(np.sort(ciphers), text, 0), out, at + 1)
    out[at] = _UNDERSCORE
    used = _hex_list(np.sort(hashed[:count]), text, 0)
    if used > 0 and algorithms.size > 0:
        text[used] = _UNDERSCORE
        used = _hex_list(algorithms, text, used + 1)
    at = _put_hash(text, used, out, at + 1)
    put_text(row, JA4, out, 0, at)

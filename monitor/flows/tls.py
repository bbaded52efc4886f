"""TLS (RFC 5246, 8446, 6066, 7301): what ClientHello, ServerHello and the server's certificate say.

The record layer is undone here for a message over several records or segments; certificates are read by
`certificates.py` and JA4 is computed by `ja4.py`. QUIC and DTLS carry the same hellos and call `client_hello`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.flows.bytes import be16, byte
from monitor.flows.certificates import put_certificate
from monitor.flows.copying import copy_bytes
from monitor.flows.ja4 import MOST, OVER_DTLS, OVER_TCP, is_grease, numbers, put_ja4
from monitor.flows.names import (
    ALPN,
    DONE,
    FLAG_AGREED,
    FLAG_ALPN_AGREED,
    FLAG_ECH,
    MORE,
    NOT,
    SERVER_NAME,
    Names,
    parse_with,
    put_text,
    replace_text,
)
from monitor.flows.octets import be24
from monitor.jit import Integer, inner, kernel
from monitor.stack import read_only, stack_u8, stack_u16

_CHANGE_CIPHER, _ALERT, _HANDSHAKE, _APPLICATION = 20, 21, 22, 23
_CLIENT_HELLO, _SERVER_HELLO, _CERTIFICATE, _SERVER_DONE = 1, 2, 11, 14
_MAX_RECORD = 16384 + 2048  # RFC 5246, 6.2.3
_ROOM = 16384  # of a message over several records
_MAX_HELLO = 65536  # longer is no hello that anyone sends
TLS13 = 0x0304

_SNI, _SIGNATURES, _PROTOCOLS, _VERSIONS, _ECH = 0, 13, 16, 43, 0xFE0D


@inner
def _put_server_name(buf: Any, at: Integer, end: Integer, row: Any) -> None:
    """server_name extension (RFC 6066, 3): the first host name of the list."""
    at += 2
    while at + 3 <= end:
        size = be16(buf, at + 1)
        if at + 3 + size > end:
            return
        if byte(buf, at) == 0:
            put_text(row, SERVER_NAME, buf, at + 3, at + 3 + size)
            return
        at += 3 + size


@inner
def _first_protocol(buf: Any, at: Integer, end: Integer) -> tuple[Integer, Integer]:
    """application_layer_protocol_negotiation (RFC 7301, 3.1): limits of the first name that is no GREASE."""
    at += 2
    while at < end:
        size = byte(buf, at)
        if size == 0 or at + 1 + size > end:
            break
        if not (size == 2 and is_grease(be16(buf, at + 1))):
            return at + 1, at + 1 + size
        at += 1 + size
    return at, at


@inner
def _best_version(buf: Any, at: Integer, end: Integer) -> Integer:
    """supported_versions of a client (RFC 8446, 4.2.1): the highest that is no GREASE; DTLS counts downwards."""
    best = 0
    stop = min(at + 1 + byte(buf, at), end) if at < end else at
    at += 1
    while at + 2 <= stop:
        value = be16(buf, at)
        if not is_grease(value) and (best == 0 or (value > best) != (value >> 8 == 0xFE)):
            best = value
        at += 2
    return best


@kernel
def client_hello(buf: Any, at: Integer, end: Integer, row: Any, transport: Integer) -> Integer:
    """Body of a whole ClientHello in `[at, end)`: DONE or NOT. `transport`: as for JA4; DTLS has one more field."""
    cookie = transport == OVER_DTLS
    version = be16(buf, at) if end - at >= 2 else 0
    if version >> 8 != (0xFE if cookie else 3):
        return NOT
    at += 34
    for field in range(2 if cookie else 1):
        if at >= end or byte(buf, at) > (32 if field == 0 else 255):
            return NOT
        at += 1 + byte(buf, at)
    if at + 2 > end:
        return NOT
    size = be16(buf, at)
    at += 2
    if size < 2 or size & 1 or at + size + 1 > end:
        return NOT
    ciphers = stack_u16(MOST)
    cipher_count = numbers(buf, at, at + size, ciphers)
    at += size
    at += 1 + byte(buf, at)
    kinds = stack_u16(MOST)
    count = 0
    alpn = (at, at)
    signatures = (at, at)
    if at + 2 <= end:
        end = min(end, at + 2 + be16(buf, at))
        at += 2
    while at + 4 <= end:
        kind, size = be16(buf, at), be16(buf, at + 2)
        at += 4
        if at + size > end:
            break
        if not is_grease(kind) and count < MOST:
            kinds[count] = kind
            count += 1
        if kind == _SNI:
            _put_server_name(buf, at, at + size, row)
        elif kind == _SIGNATURES and size >= 2:
            signatures = (at + 2, min(at + 2 + be16(buf, at), at + size))
        elif kind == _PROTOCOLS:
            alpn = _first_protocol(buf, at, at + size)
            put_text(row, ALPN, buf, alpn[0], alpn[1])
        elif kind == _VERSIONS:
            best = _best_version(buf, at, at + size)
            version = best if best else version
        elif kind == _ECH and size > 0 and byte(buf, at) == 0:
            row.flags = row.flags | FLAG_ECH
        at += size
    if not row.flags & FLAG_AGREED:
        row.tls_version = version
    put_ja4(row, transport, version, ciphers, cipher_count, kinds, count, buf, alpn, signatures)
    return DONE


@kernel
def server_hello(buf: Any, at: Integer, end: Integer, row: Any, high: Integer) -> Integer:
    """Body of a whole ServerHello in `[at, end)`: the version agreed, or 0 when it is none. `high`: 3, DTLS 0xFE."""
    if end - at < 38 or byte(buf, at) != high or byte(buf, at + 34) > 32:
        return 0
    version = be16(buf, at)
    at += 35 + byte(buf, at + 34) + 3
    if at > end:
        return 0
    if at + 2 <= end:
        end = min(end, at + 2 + be16(buf, at))
        at += 2
    while at + 4 <= end:
        kind, size = be16(buf, at), be16(buf, at + 2)
        at += 4
        if at + size > end:
            break
        if kind == _VERSIONS and size == 2:
            version = be16(buf, at)
        elif kind == _PROTOCOLS and not row.flags & FLAG_ALPN_AGREED:
            name = _first_protocol(buf, at, at + size)
            if name[1] > name[0]:
                replace_text(row, ALPN, buf, name[0], name[1])
                row.flags = row.flags | FLAG_ALPN_AGREED
        at += size
    if not row.flags & FLAG_AGREED:
        row.tls_version = version
        row.flags = row.flags | FLAG_AGREED
    return version


@inner
def record_status(buf: Any, at: Integer, end: Integer) -> Integer:
    """Does a TLS record begin at `at`? DONE: its 5-byte header does; MORE: too short to say; NOT."""
    if at < end and not _CHANGE_CIPHER <= byte(buf, at) <= _APPLICATION:
        return NOT
    if at + 1 < end and byte(buf, at + 1) != 3:
        return NOT
    if at + 2 < end and byte(buf, at + 2) > 4:
        return NOT
    if at + 5 > end:
        return MORE
    size = be16(buf, at + 3)
    return DONE if 0 < size <= _MAX_RECORD else NOT


@inner
def _gather(buf: Any, at: Integer, end: Integer, out: Any) -> tuple[Integer, bool]:
    """Copy the bodies of successive handshake records to `out`: (bytes, whether only more segments can add to them)."""
    used = 0
    while True:
        status = record_status(buf, at, end)
        if status != DONE:
            return used, status == MORE
        if byte(buf, at) != _HANDSHAKE:
            return used, False
        after = at + 5 + be16(buf, at + 3)
        if used + min(after, end) - at - 5 > out.size:
            return used, False
        count = max(min(after, end) - at - 5, 0)  # of a header that is cut itself, nothing
        copy_bytes(out, used, buf, at + 5, count)
        used += count
        if after > end:
            return used, True
        at = after


@inner
def is_old_hello(buf: Any, at: Integer, end: Integer) -> bool:
    """ClientHello in SSL 2.0 form (RFC 5246, E.2), which old clients still send."""
    if end - at < 11:
        return False
    size = be16(buf, at) & 0x7FFF
    version, ciphers = be16(buf, at + 3), be16(buf, at + 5)
    session, challenge = be16(buf, at + 7), be16(buf, at + 9)
    if byte(buf, at + 2) != 1 or not (version == 2 or 0x0300 <= version <= 0x0303):
        return False
    if ciphers == 0 or ciphers % 3 or session & 0xEF or not 16 <= challenge <= 32:
        return False
    return byte(buf, at) & 0x80 != 0 and size == 9 + ciphers + session + challenge


@kernel
def client(buf: Any, start: Integer, end: Integer, row: Any) -> Integer:
    """The client's first flight: ClientHello, over as many records as it takes. Mid-stream records are DONE too."""
    if start < end and byte(buf, start) & 0x80:
        if not is_old_hello(buf, start, end):
            return NOT
        if not row.flags & FLAG_AGREED:
            row.tls_version = be16(buf, start + 3)
        return DONE
    status = record_status(buf, start, end)
    if status != DONE:
        return status
    if byte(buf, start) != _HANDSHAKE:
        return DONE
    inside = be16(buf, start + 3)
    if inside >= 4 and end - start >= 9 and byte(buf, start + 5) == _CLIENT_HELLO:  # most often: all in one record
        size = be24(buf, start + 6)
        if size + 4 <= inside and start + 9 + size <= end:
            return client_hello(buf, start + 9, start + 9 + size, row, np.int64(OVER_TCP))
    joined = stack_u8(_ROOM)
    used, open_end = _gather(buf, start, end, joined)
    if used > 0 and joined[0] != _CLIENT_HELLO:
        return DONE if joined[0] in (4, 11, 15, 16, 20) else NOT
    size = be24(joined, 1) if used >= 4 else 0
    if size > _MAX_HELLO:
        return NOT
    if used < 4 + size or used < 4:
        return MORE if open_end else NOT
    return client_hello(read_only(joined), np.int64(4), 4 + size, row, np.int64(OVER_TCP))


@inner
def _server_flight(buf: Any, at: Integer, end: Integer, open_end: bool, row: Any) -> Integer:
    """Walk handshake messages until the certificate, or until it is clear that none will come in the clear."""
    while at + 4 <= end:
        kind, size = byte(buf, at), be24(buf, at + 1)
        after = at + 4 + size
        if after > end:
            break
        if kind == _SERVER_HELLO:
            version = server_hello(buf, at + 4, after, row, np.int64(3))
            if version == 0:
                return NOT
            if version >= TLS13:
                return DONE
        elif kind == _CERTIFICATE:
            put_certificate(buf, at + 4, after, row)
            return DONE
        elif kind == _SERVER_DONE:
            return DONE
        at = after
    return MORE if open_end else DONE


@kernel
def server(buf: Any, start: Integer, end: Integer, row: Any) -> Integer:
    """The server's first flight: ServerHello and, up to TLS 1.2, Certificate. Mid-stream records are DONE."""
    status = record_status(buf, start, end)
    if status == DONE and byte(buf, start) == _ALERT and be16(buf, start + 3) == 2:  # a warning may come first
        start += 7
        status = record_status(buf, start, end)
    if status != DONE:
        return status
    if byte(buf, start) != _HANDSHAKE:
        return DONE
    if end - start < 6:
        return MORE
    if byte(buf, start + 5) not in (0, 2, 4, 11, 20):
        return NOT if byte(buf, start + 5) > 24 else DONE
    joined = stack_u8(_ROOM)
    used, open_end = _gather(buf, start, end, joined)
    return _server_flight(read_only(joined), np.int64(0), used, open_end, row)


def parse(payload: bytes, from_client: bool = True) -> Names:
    """What the first flight of one side says. Raises ValueError when it is not TLS, or incomplete."""
    return parse_with(client if from_client else server, payload, "tls")

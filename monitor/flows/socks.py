"""SOCKS 4, 4a and 5 (RFC 1928, 1929): the host that a proxy is asked for, and the TLS that then goes through it.

User names and passwords are stepped over, never kept.
"""

from __future__ import annotations

from typing import Any

from monitor.flows import tls
from monitor.flows.address_text import put_ipv4, put_ipv6
from monitor.flows.bytes import be16, byte
from monitor.flows.names import DONE, FLAG_STARTTLS, MORE, NOT, SERVER_NAME, Names, parse_with, put_text
from monitor.flows.octets import be24, find
from monitor.jit import Integer, inner, kernel
from monitor.stack import stack_u8

_MAX_TEXT = 255


@inner
def _inner(buf: Any, at: Integer, end: Integer, row: Any) -> Integer:
    """What the client sends through the proxy: only a ClientHello is looked at."""
    status = tls.client(buf, at, end, row)
    if status == DONE:
        row.flags = row.flags | FLAG_STARTTLS
    return MORE if status == MORE else DONE


@inner
def _version4(buf: Any, start: Integer, end: Integer, row: Any) -> Integer:
    """A request of version 4: port, address, user; 4a adds a host name behind the address 0.0.0.x."""
    if end - start < 9:
        return MORE if end - start < 2 or byte(buf, start + 1) in (1, 2) else NOT
    if byte(buf, start + 1) not in (1, 2) or be16(buf, start + 2) == 0:
        return NOT
    after = find(buf, start + 8, min(end, start + 8 + _MAX_TEXT), 0)
    for i in range(start + 8, after):
        if not 32 <= byte(buf, i) < 127:
            return NOT
    if after == end:
        return MORE
    if be24(buf, start + 4) == 0 and byte(buf, start + 7) != 0:
        name = after + 1
        after = find(buf, name, min(end, name + _MAX_TEXT), 0)
        for i in range(name, after):
            if not 32 < byte(buf, i) < 127:
                return NOT
        if after == end:
            return MORE
        put_text(row, SERVER_NAME, buf, name, after)
    else:
        out = stack_u8(16)
        put_text(row, SERVER_NAME, out, 0, put_ipv4(out, 0, buf, start + 4))
    return _inner(buf, after + 1, end, row)


@inner
def _request5(buf: Any, at: Integer, end: Integer, row: Any) -> Integer:
    """A request of version 5 at `at`: keep its host, and look at what follows."""
    if at + 7 > end:
        return MORE
    if byte(buf, at) != 5 or byte(buf, at + 1) not in (1, 2, 3) or byte(buf, at + 2) != 0:
        return DONE
    kind, size = byte(buf, at + 3), byte(buf, at + 4)
    after = at + (10 if kind == 1 else (22 if kind == 4 else 7 + size))
    if kind not in (1, 3, 4):
        return DONE
    if after > end:
        return MORE
    out = stack_u8(40)
    if kind == 3:
        put_text(row, SERVER_NAME, buf, at + 5, at + 5 + size)
    elif kind == 1:
        put_text(row, SERVER_NAME, out, 0, put_ipv4(out, 0, buf, at + 4))
    else:
        put_text(row, SERVER_NAME, out, 0, put_ipv6(out, 0, buf, at + 4))
    return _inner(buf, after, end, row)


@inner
def _version5(buf: Any, start: Integer, end: Integer, row: Any) -> Integer:
    """Methods offered (each once, known ones only), an optional password, then the request."""
    if end - start < 3:
        return MORE if end - start < 2 or byte(buf, start + 1) in (1, 2, 3, 4) else NOT
    count = byte(buf, start + 1)
    if not 1 <= count <= 4:
        return NOT
    at = start + 2 + count
    for i in range(start + 2, min(at, end)):
        if byte(buf, i) > 9 or (i > start + 2 and byte(buf, i) == byte(buf, i - 1)):
            return NOT
    if at >= end:
        return MORE
    if byte(buf, at) == 1:  # RFC 1929
        for _ in range(2):
            if at + 2 > end:
                return MORE
            at += 1 + byte(buf, at + 1)
        at += 1
        if at >= end:
            return MORE
    elif byte(buf, at) != 5:
        return NOT if end - start > 2 + count else MORE
    return _request5(buf, at, end, row)


@kernel
def client(buf: Any, start: Integer, end: Integer, row: Any) -> Integer:
    """The client's side; MORE until it has sent its first bytes through the proxy."""
    if start == end:
        return MORE
    if byte(buf, start) == 5:
        return _version5(buf, start, end, row)
    return _version4(buf, start, end, row) if byte(buf, start) == 4 else NOT


@kernel
def server(buf: Any, start: Integer, end: Integer, row: Any) -> Integer:
    """The proxy's answers, then the ServerHello that comes through it."""
    if end - start < 2:
        return MORE
    at = start
    if byte(buf, at) == 0:  # version 4
        if not 90 <= byte(buf, at + 1) <= 93:
            return NOT
        at += 8
    elif byte(buf, at) == 5:
        if byte(buf, at + 1) > 9:
            return DONE if byte(buf, at + 1) == 255 else NOT
        at += 2
        if at + 2 <= end and byte(buf, at) == 1:
            at += 2
        if at + 5 > end:
            return MORE
        kind = byte(buf, at + 3)
        at += 10 if kind == 1 else (22 if kind == 4 else 7 + byte(buf, at + 4))
    else:
        return NOT
    return MORE if at >= end or tls.server(buf, at, end, row) == MORE else DONE


def parse(payload: bytes, from_client: bool = True) -> Names:
    """What the first bytes of one side say. Raises ValueError when it is not SOCKS, or incomplete."""
    return parse_with(client if from_client else server, payload, "socks")

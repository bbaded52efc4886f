"""RDP (MS-RDPBCGR): the connection request inside TPKT and X.224, and the TLS that follows it.

The routing cookie (`mstshash=`) is part of a user's name: it helps to recognise, and is never kept.
"""

from __future__ import annotations

from typing import Any

from monitor.flows import tls
from monitor.flows.bytes import be16, byte
from monitor.flows.names import DONE, FLAG_STARTTLS, MORE, NOT, Names, parse_with
from monitor.flows.octets import le16, pattern, starts_with
from monitor.jit import Integer, inner, kernel

_REQUEST, _CONFIRM = 0xE0, 0xD0
_COOKIE = pattern(b"Cookie: ")
_TOKEN = pattern(b"tsv://")


@inner
def tpkt_status(buf: Any, start: Integer, end: Integer, kind: Integer) -> Integer:
    """Does TPKT (RFC 1006) with an X.224 connection request or confirm begin here, whole?"""
    if end - start < 7:
        for i in range(end - start):
            if i < 2 and byte(buf, start + i) != (3 if i == 0 else 0):
                return NOT
        return MORE
    size = be16(buf, start + 2)
    if be16(buf, start) != 0x0300 or byte(buf, start + 5) != kind:
        return NOT
    if not 11 <= size <= 1024 or byte(buf, start + 4) != size - 5:
        return NOT
    return MORE if start + size > end else DONE


@inner
def is_negotiation(buf: Any, at: Integer, after: Integer, kinds: Integer) -> bool:
    """RDP_NEG_REQ, RDP_NEG_RSP or RDP_NEG_FAILURE: 8 bytes with their own length; `kinds`: 1 request, 2 answer."""
    if after - at < 8 or le16(buf, at + 2) != 8:
        return False
    kind = byte(buf, at)
    return kind == 1 if kinds == 1 else (kind == 2 or kind == 3)


@kernel
def client(buf: Any, start: Integer, end: Integer, row: Any) -> Integer:
    """Connection request, then the ClientHello if TLS is agreed."""
    status = tpkt_status(buf, start, end, _REQUEST)
    if status != DONE:
        return status
    after = start + be16(buf, start + 2)
    body = start + 11
    named = starts_with(buf, body, after, _COOKIE) or starts_with(buf, body, after, _TOKEN)
    if not named and body != after and not is_negotiation(buf, body, after, 1):
        return NOT
    if after < end and byte(buf, after) == 3:
        return DONE
    inner = tls.client(buf, after, end, row)
    if inner == DONE:
        row.flags = row.flags | FLAG_STARTTLS
    return MORE if inner == MORE else DONE


@kernel
def server(buf: Any, start: Integer, end: Integer, row: Any) -> Integer:
    """Connection confirm, then the ServerHello if TLS is agreed."""
    status = tpkt_status(buf, start, end, _CONFIRM)
    if status != DONE:
        return status
    after = start + be16(buf, start + 2)
    if after - start != 11 and not is_negotiation(buf, start + 11, after, 2):
        return NOT
    if after - start == 11 or byte(buf, start + 11) == 3:
        return DONE
    return MORE if tls.server(buf, after, end, row) == MORE else DONE


def parse(payload: bytes, from_client: bool = True) -> Names:
    """What the first messages of one side say. Raises ValueError when it is not RDP, or incomplete."""
    return parse_with(client if from_client else server, payload, "rdp")

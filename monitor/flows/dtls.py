"""DTLS (RFC 6347, 9147): hellos in datagrams, read as TLS hellos; a hello in several fragments is recognised only."""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.flows import tls
from monitor.flows.bytes import be16, be32, byte
from monitor.flows.ja4 import OVER_DTLS
from monitor.flows.names import DONE, NOT, Names, parse_with
from monitor.flows.octets import be24
from monitor.jit import Integer, inner, kernel

_RECORD, _MESSAGE = 13, 12
_ANYCONNECT = 0x0100  # an old draft of DTLS that Cisco still speaks
_CLIENT_HELLO, _SERVER_HELLO = 1, 2


@inner
def is_record(buf: Any, start: Integer, end: Integer) -> bool:
    """Does a whole DTLS record begin here (DTLS 1.3 begins with one of 1.2)?"""
    if end - start < _RECORD + 1 or not 20 <= byte(buf, start) <= 25:
        return False
    version = be16(buf, start + 1)
    if version not in (0xFEFF, 0xFEFD) and (version != _ANYCONNECT or be32(buf, start + 3) != 0):
        return False
    size = be16(buf, start + 11)
    return bool(size > 0 and start + _RECORD + size <= end)


@kernel
def datagram(buf: Any, start: Integer, end: Integer, row: Any) -> Integer:
    """One datagram of either side."""
    if not is_record(buf, start, end):
        return NOT
    end = start + _RECORD + be16(buf, start + 11)
    at = start + _RECORD
    if byte(buf, start) != 22 or be16(buf, start + 3) != 0 or at + _MESSAGE > end:
        return DONE
    size = be24(buf, at + 1)
    if be24(buf, at + 6) != 0 or be24(buf, at + 9) != size or at + _MESSAGE + size > end:
        return DONE
    body = at + _MESSAGE
    if byte(buf, at) == _CLIENT_HELLO:
        tls.client_hello(buf, body, body + size, row, np.int64(OVER_DTLS))
    elif byte(buf, at) == _SERVER_HELLO:
        tls.server_hello(buf, body, body + size, row, np.int64(0xFE))
    return DONE


def parse(payload: bytes) -> Names:
    """What one datagram says. Raises ValueError when it is not DTLS."""
    return parse_with(datagram, payload, "dtls")

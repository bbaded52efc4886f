"""QUIC 1 and 2 (RFC 9000, 9369) known by their headers, and what the ClientHello in the client's Initials says.

Opening Initials is in `quic_initial.py`; the ClientHello is read by `tls.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from monitor.flows import tls
from monitor.flows.bytes import be32, byte
from monitor.flows.first_payload import MAX_ID, STREAM_BYTES
from monitor.flows.ja4 import OVER_QUIC
from monitor.flows.names import DEFER, DONE, MORE, NOT, IncompleteError, Names, new_rows, read_names
from monitor.flows.octets import be24
from monitor.flows.quic_initial import bounds, is_ietf, read_initials
from monitor.flows.services import service_id
from monitor.jit import Integer, inner, kernel
from monitor.stack import read_only

_CLIENT_HELLO = 1
_QUIC = service_id("quic")


@inner
def _is_google(buf: Any, at: Integer) -> bool:
    """A version of Google's own, Q0nn or T0nn."""
    mark = be32(buf, at)
    return mark >> 16 in (0x5130, 0x5430) and 0x30 <= ((mark >> 8) & 0xFF) <= 0x39 and 0x30 <= (mark & 0xFF) <= 0x39


@kernel
def datagram(buf: Any, start: Integer, end: Integer, from_client: bool) -> Integer:
    """One datagram: DEFER for an Initial of the client, DONE for other long headers of known versions, else NOT."""
    if end - start < 21:
        return NOT
    if not byte(buf, start) & 0x80:  # Google's, before it was like IETF's: flags, connection id, version
        old = byte(buf, start) in (0x08, 0x09, 0x0C, 0x0D, 0x19, 0x1D) and _is_google(buf, start + 9)
        return DONE if old else NOT
    version = be32(buf, start + 1)
    if not is_ietf(version):
        return DONE if byte(buf, start) & 0x40 and _is_google(buf, start + 1) else NOT
    if byte(buf, start + 5) > MAX_ID:
        return NOT
    if from_client and bounds(buf, start, end)[0] >= 0:
        return DEFER
    return DONE


@kernel
def hello(
    buf: Any, start: Integer, end: Integer, identity: Any, identity_size: Integer, stream: Any, marks: Any,
    joined: Integer, high: Integer, row: Any,
) -> tuple[Integer, Integer, Integer, Integer]:  # fmt: skip
    """One more datagram of the client: (status, joined, high, size of the id), the last three as in `read_initials`.

    DONE: the names row has what the ClientHello says; MORE: it is not whole yet; NOT: it is none.
    """
    joined, high, identity_size = read_initials(buf, start, end, identity, identity_size, stream, marks, joined, high)
    status = MORE
    if joined > 0 and stream[0] != _CLIENT_HELLO:
        status = NOT
    elif joined >= 4:
        size = be24(stream, 1)
        if joined >= 4 + size:
            status = tls.client_hello(read_only(stream), np.int64(4), 4 + size, row, np.int64(OVER_QUIC))
        elif 4 + size > len(stream):
            status = NOT
    return status, joined, high, identity_size


def client_hello(datagrams: Sequence[bytes]) -> Names:
    """What the ClientHello in a client's first datagrams says, in the order seen.

    Raises `IncompleteError` when later datagrams may bring the rest, ValueError when it is none or does not open.
    """
    row = new_rows(1)[0]
    stream, marks = np.zeros(STREAM_BYTES, np.uint8), np.zeros(STREAM_BYTES // 8, np.uint8)
    identity = np.zeros(MAX_ID, np.uint8)
    status, joined, high, size = MORE, 0, 0, -1
    for datagram in datagrams:
        octets = np.frombuffer(datagram, np.uint8)
        status, joined, high, size = hello(octets, 0, len(octets), identity, size, stream, marks, joined, high, row)
        if status != MORE:
            break
    if status == NOT or size < 0:
        raise ValueError("QUIC: no Initial packet that opens" if size < 0 else "QUIC: no ClientHello in the Initials")
    if status == MORE:
        raise IncompleteError(f"QUIC: ClientHello incomplete after {joined} bytes of {len(datagrams)} datagrams")
    row["service"] = _QUIC
    return read_names(row)


def parse(payload: bytes) -> Names:
    """What the ClientHello in one datagram says. Raises ValueError."""
    return client_hello([payload])

"""SMB 1, 2 and 3 (MS-CIFS, MS-SMB2) over TCP, alone or inside NetBIOS sessions (RFC 1002): the dialect agreed."""

from __future__ import annotations

from typing import Any

from monitor.flows.bytes import be32, byte
from monitor.flows.names import DONE, MORE, NOT, Names, parse_with
from monitor.flows.octets import be24, le16
from monitor.flows.services import service_id
from monitor.jit import Integer, inner, kernel

_SMB1, _SMB2, _SMB3_SEALED, _SMB3_PACKED = 0xFF534D42, 0xFE534D42, 0xFD534D42, 0xFC534D42
_SESSION_REQUEST, _SESSION_ANSWERS = 0x81, (0x82, 0x83, 0x84)
_SMB = service_id("smb")
_WILDCARD = 0x02FF  # "SMB 2 it is, ask again" in answer to a request in SMB 1
SMB1_DIALECT = 0x0100


@inner
def _after_session(buf: Any, start: Integer, end: Integer) -> Integer:
    """Place after the NetBIOS session request or its answer, if the stream begins with one; -1: incomplete."""
    kind = byte(buf, start)
    if kind != _SESSION_REQUEST and kind not in _SESSION_ANSWERS:
        return start
    if end - start < 4 or start + 4 + be24(buf, start + 1) > end:
        return -1
    return start + 4 + be24(buf, start + 1)


@inner
def _status(buf: Any, at: Integer, end: Integer) -> Integer:
    """Does an SMB message begin at `at`?"""
    if at < end and byte(buf, at) != 0:
        return NOT
    if end - at < 8:
        return MORE if end - at < 5 or byte(buf, at + 4) >= 0xFC else NOT
    mark = be32(buf, at + 4)
    size = be24(buf, at + 1)
    known = mark in (_SMB1, _SMB2, _SMB3_SEALED, _SMB3_PACKED)
    return DONE if known and size >= 32 else NOT


@inner
def begins(buf: Any, start: Integer, end: Integer) -> bool:
    """Does an SMB message begin here, or may one?"""
    return _status(buf, start, end) != NOT


@inner
def is_session(buf: Any, start: Integer, end: Integer) -> bool:
    """Is it a NetBIOS session request: two encoded names of 34 bytes (RFC 1002, 4.3.2), or a short answer to one?"""
    if end - start < 4:
        return False
    size = be24(buf, start + 1)
    if byte(buf, start) == _SESSION_REQUEST:
        return bool(size == 68 and end - start >= 5 and byte(buf, start + 4) == 32)
    return bool(byte(buf, start) in _SESSION_ANSWERS and size in (0, 1, 6) and end - start == 4 + size)


@kernel
def client(buf: Any, start: Integer, end: Integer, row: Any) -> Integer:
    """The client's first message."""
    if start == end:
        return MORE
    at = _after_session(buf, start, end)
    status = MORE if at < 0 else _status(buf, at, end)
    if status == DONE:
        row.service = _SMB
    return status


@kernel
def server(buf: Any, start: Integer, end: Integer, row: Any) -> Integer:
    """The server's messages up to the answer that names the dialect."""
    if start == end:
        return MORE
    at = _after_session(buf, start, end)
    if at < 0:
        return MORE
    first = at
    while True:
        status = _status(buf, at, end)
        if status != DONE:
            return status if at == first or status == MORE else DONE
        after = at + 4 + be24(buf, at + 1)
        mark, body = be32(buf, at + 4), at + 4
        row.service = _SMB
        if mark == _SMB1:
            if row.dialect == 0:
                row.dialect = SMB1_DIALECT
            return DONE
        if mark != _SMB2 or (body + 14 <= end and le16(buf, body + 12) != 0):
            return DONE
        if body + 70 > end:
            return MORE
        dialect = le16(buf, body + 68)
        if byte(buf, body + 16) & 1 == 0 or le16(buf, body + 64) != 65:
            return DONE
        if dialect != _WILDCARD:
            row.dialect = dialect
            return DONE
        at = after


def parse(payload: bytes, from_client: bool = True) -> Names:
    """What the first messages of one side say. Raises ValueError when it is not SMB, or incomplete."""
    return parse_with(client if from_client else server, payload, "smb")

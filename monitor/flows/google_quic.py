"""Google's QUIC before the IETF's (versions Q024 to Q046): server name and agent from the CHLO, which is not encrypted.

The crypto message is looked for in the first bytes of a datagram rather than by every version's header and frames.
"""

from __future__ import annotations

from typing import Any

from monitor.flows.bytes import be32
from monitor.flows.names import SERVER_NAME, USER_AGENT, put_text
from monitor.flows.octets import le16, le32
from monitor.jit import Integer, inner

_CHLO, _SNI, _AGENT = 0x43484C4F, 0x534E4900, 0x55414944  # the tags as text: CHLO, SNI, UAID
_HEADERS = 80  # public header, hash and stream frame are shorter than this
_MAX_TAGS = 128


@inner
def put_hello(buf: Any, start: Integer, end: Integer, row: Any) -> None:
    """Keep what a CHLO in the datagram says: tags (4 bytes) with the ends of their values behind the table of tags."""
    at = start + 9
    while at < min(start + _HEADERS, end - 8) and be32(buf, at) != _CHLO:
        at += 1
    if at + 8 > end or be32(buf, at) != _CHLO or le16(buf, at + 4) > _MAX_TAGS:
        return
    values = at + 8 + 8 * le16(buf, at + 4)
    begin = 0
    for tag in range(at + 8, values, 8):
        if tag + 8 > end:
            return
        after = le32(buf, tag + 4)
        if after < begin or values + after > end:
            return
        if be32(buf, tag) == _SNI:
            put_text(row, SERVER_NAME, buf, values + begin, values + after)
        elif be32(buf, tag) == _AGENT:
            put_text(row, USER_AGENT, buf, values + begin, values + after)
        begin = after

"""SSH (RFC 4253): version banners of both ends, and the client's HASSH fingerprint from its KEXINIT."""

from __future__ import annotations

from typing import Any

from monitor.flows.bytes import be32, byte
from monitor.flows.digests import md5
from monitor.flows.names import DONE, HASSH, MORE, NOT, SSH_CLIENT, SSH_SERVER, Names, parse_with, put_text
from monitor.flows.octets import line_end, may_become, pattern, put_hex, starts_with, trim_line
from monitor.jit import Integer, inner, kernel
from monitor.stack import stack_u8

_BANNER = pattern(b"SSH-")
_MAX_BANNER = 512  # RFC 4253, 4.2 allows 255; some send more
_BOTH = pattern(b"1.99")  # speaks SSH 1 and 2 (RFC 4253, 5.1)
_KEXINIT = 20
_MAX_PACKET = 35000  # RFC 4253, 6.1
_MAX_LISTS = 8192
_TEXT = _MAX_LISTS + 4
_SEMICOLON = ord(";")


@inner
def _banner(buf: Any, start: Integer, end: Integer, row: Any, field: Integer) -> Integer:
    """Keep the banner line; gives the place after it, or -1 - MORE, or -1 - NOT."""
    if not starts_with(buf, start, end, _BANNER):
        return -1 - MORE if may_become(buf, start, end, _BANNER) else -1 - NOT
    after = line_end(buf, start, min(end, start + _MAX_BANNER))
    if after < 0:
        return -1 - MORE if end - start < _MAX_BANNER else -1 - NOT
    put_text(row, field, buf, start, trim_line(buf, start, after))
    return after


@inner
def _put_hassh(buf: Any, at: Integer, end: Integer, row: Any) -> None:
    """HASSH: MD5 of the client's key exchange, encryption, MAC and compression lists (name-lists 1, 3, 5 and 7)."""
    if end - at > _MAX_LISTS:
        return
    text = stack_u8(_TEXT)
    used = 0
    for number in range(7):
        if at + 4 > end:
            return
        size = be32(buf, at)
        at += 4
        if at + size > end:
            return
        if number in (0, 2, 4, 6):
            if number > 0:
                text[used] = _SEMICOLON
                used += 1
            for i in range(at, at + size):
                text[used] = byte(buf, i)
                used += 1
        at += size
    digest = stack_u8(16)
    md5(text, 0, used, digest)
    out = stack_u8(32)
    for i in range(16):
        put_hex(out, 2 * i, digest[i])
    put_text(row, HASSH, out, 0, 32)


@kernel
def client(buf: Any, start: Integer, end: Integer, row: Any) -> Integer:
    """Banner and KEXINIT of the client. SSH 1 has no KEXINIT and is done after its banner."""
    at = _banner(buf, start, end, row, SSH_CLIENT)
    if at < 0:
        return -1 - at
    if byte(buf, start + 4) == ord("1") and not starts_with(buf, start + 4, end, _BOTH):
        return DONE
    if at + 6 > end:
        return MORE
    size, padding = be32(buf, at), byte(buf, at + 4)
    if size > _MAX_PACKET or byte(buf, at + 5) != _KEXINIT or padding + 18 > size:
        return DONE
    if at + 4 + size > end:
        return MORE
    _put_hassh(buf, at + 22, at + 4 + size - padding, row)
    return DONE


@kernel
def server(buf: Any, start: Integer, end: Integer, row: Any) -> Integer:
    """Banner of the server."""
    at = _banner(buf, start, end, row, SSH_SERVER)
    return -1 - at if at < 0 else DONE


def parse(payload: bytes, from_client: bool = True) -> Names:
    """What the first bytes of one side say. Raises ValueError when it is not SSH, or incomplete."""
    return parse_with(client if from_client else server, payload, "ssh")

"""Text protocols that begin in the clear (SMTP, FTP, IMAP, POP3, NNTP, IRC, XMPP): which one, and the TLS inside.

Greetings and first commands name the service. Then each side is read on, within the bound of its slot, until a TLS
handshake begins or so many lines went by that none will. Nothing of what the lines say is kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.flows import tls
from monitor.flows.bytes import byte
from monitor.flows.names import DONE, FLAG_STARTTLS, MORE, NOT, Names, new_rows, read_names
from monitor.flows.octets import is_digit, is_letter, line_end, pattern, starts_with, starts_with_word
from monitor.flows.services import service_id
from monitor.jit import Integer, inner, kernel

_SMTP, _FTP, _IMAP, _POP3 = service_id("smtp"), service_id("ftp"), service_id("imap"), service_id("pop3")
_NNTP, _IRC, _XMPP = service_id("nntp"), service_id("irc"), service_id("xmpp")

_CLIENT_LINES, _SERVER_LINES = 12, 64

_EHLO, _HELO = pattern(b"ehlo "), pattern(b"helo ")
_LHLO = pattern(b"lhlo ")
_USER, _AUTH_TLS, _AUTH_SSL = pattern(b"user "), pattern(b"auth tls"), pattern(b"auth ssl")
_FEAT, _CAPA, _STLS, _APOP = pattern(b"feat\r\n"), pattern(b"capa\r\n"), pattern(b"stls\r\n"), pattern(b"apop ")
_NICK, _CAP_LS, _NOTICE = pattern(b"nick "), pattern(b"cap ls"), pattern(b" notice ")
_WELCOME, _NOTICE_AUTH = pattern(b" 001 "), pattern(b"notice auth ")
_STREAM, _STREAM_XML = pattern(b"<stream:stream"), pattern(b"<?xml version=")
_OK, _STAR_OK, _STAR_PREAUTH, _STAR_BYE = pattern(b"+ok"), pattern(b"* ok"), pattern(b"* preauth"), pattern(b"* bye")
_ESMTP, _WORD_SMTP, _WORD_FTP = pattern(b"esmtp"), pattern(b"smtp"), pattern(b"ftp")
_MAIL, _WORD_NNTP, _NEWS, _POSTING = pattern(b" mail "), pattern(b"nntp"), pattern(b"news"), pattern(b"posting")
_LOGIN, _CAPABILITY, _STARTTLS = pattern(b" login "), pattern(b" capability"), pattern(b" starttls")
_ID, _AUTHENTICATE, _NOOP = pattern(b" id "), pattern(b" authenticate "), pattern(b" noop")


@inner
def contains_word(buf: Any, at: Integer, end: Integer, text: Any) -> bool:
    """Is the lower-case `text` somewhere in `[at, end)`, whatever the case there?"""
    while at + text.size <= end:
        if starts_with_word(buf, at, end, text):
            return True
        at += 1
    return False


@inner
def find_hello(buf: Any, at: Integer, end: Integer, kind: Integer) -> Integer:
    """Place of the next TLS record that begins a ClientHello (`kind` 1) or ServerHello (2), else -1."""
    while at < end:
        if byte(buf, at) == 0x16 and tls.record_status(buf, at, end) != NOT:
            if at + 6 > end:
                return at
            if byte(buf, at + 5) == kind:
                return at
        at += 1
    return -1


@inner
def begins_as_text(buf: Any, start: Integer, end: Integer) -> bool:
    """Are the first four bytes (or what there is) ASCII without control characters but TAB, CR, LF?"""
    for i in range(start, min(start + 4, end)):
        octet = byte(buf, i)
        if octet >= 127 or (octet < 32 and octet != 9 and octet != 10 and octet != 13):
            return False
    return True


@inner
def is_text(buf: Any, at: Integer, end: Integer) -> bool:
    """Is there no control character but TAB, CR, LF?"""
    for i in range(at, end):
        octet = byte(buf, i)
        if (octet < 32 and octet != 9 and octet != 10 and octet != 13) or octet == 127:
            return False
    return True


@inner
def _lines(buf: Any, at: Integer, end: Integer) -> Integer:
    count = 0
    for i in range(at, end):
        if byte(buf, i) == 10:
            count += 1
    return count


@inner
def _is_tagged(buf: Any, at: Integer, end: Integer) -> bool:
    """An IMAP command that comes first (RFC 9051): a tag of at most 10 letters and digits, then a known command."""
    tag = at
    while at < end and at - tag <= 10 and (is_letter(byte(buf, at)) or is_digit(byte(buf, at)) or byte(buf, at) == 46):
        at += 1
    if at == tag or at - tag > 10:
        return False
    return (
        starts_with_word(buf, at, end, _CAPABILITY)
        or starts_with_word(buf, at, end, _LOGIN)
        or starts_with_word(buf, at, end, _STARTTLS)
        or starts_with_word(buf, at, end, _AUTHENTICATE)
        or starts_with_word(buf, at, end, _NOOP)
        or starts_with_word(buf, at, end, _ID)
    )


@kernel
def client_service(buf: Any, start: Integer, end: Integer, by_port: Integer) -> Integer:
    """Service that the client's first line names, 0 for none. `by_port` decides what POP3 and FTP have in common."""
    after = line_end(buf, start, end)
    if starts_with(buf, start, end, _STREAM) or starts_with(buf, start, end, _STREAM_XML):
        return _XMPP if contains_word(buf, start, end, _STREAM) else 0
    if after < 0 or not is_text(buf, start, after):
        return 0
    if starts_with_word(buf, start, after, _EHLO) or starts_with_word(buf, start, after, _HELO):
        return _SMTP
    if starts_with_word(buf, start, after, _LHLO):
        return _SMTP
    if starts_with_word(buf, start, after, _AUTH_TLS) or starts_with_word(buf, start, after, _AUTH_SSL):
        return _FTP
    if starts_with_word(buf, start, after, _FEAT):
        return _FTP
    if starts_with_word(buf, start, after, _CAPA) or starts_with_word(buf, start, after, _STLS):
        return _POP3
    if starts_with_word(buf, start, after, _APOP):
        return _POP3
    if starts_with_word(buf, start, after, _NICK) or starts_with_word(buf, start, after, _CAP_LS):
        return _IRC
    if starts_with_word(buf, start, after, _USER):
        return by_port if by_port in (_FTP, _POP3, _IRC) else 0
    return _IMAP if _is_tagged(buf, start, after) else 0


@kernel
def server_service(buf: Any, start: Integer, end: Integer, by_port: Integer) -> Integer:
    """Service that the server's greeting names, 0 for none."""
    after = line_end(buf, start, end)
    if starts_with(buf, start, end, _STREAM) or starts_with(buf, start, end, _STREAM_XML):
        return _XMPP if contains_word(buf, start, end, _STREAM) else 0
    if after < 0 or after - start < 5 or not is_text(buf, start, after):
        return 0
    if is_digit(byte(buf, start)) and (byte(buf, start + 3) == 32 or byte(buf, start + 3) == 45):
        code = 0
        for i in range(start, start + 3):
            code = code * 10 + byte(buf, i) - 48
        if code in (220, 421, 554, 530):
            if contains_word(buf, start, after, _WORD_SMTP) or contains_word(buf, start, after, _MAIL):
                return _SMTP
            if contains_word(buf, start, end, _WORD_FTP):
                return _FTP
            return by_port if by_port in (_SMTP, _FTP) else (_FTP if code == 220 else 0)
        if code in (200, 201, 400, 502):
            said = contains_word(buf, start, after, _WORD_NNTP) or contains_word(buf, start, after, _NEWS)
            if said or by_port == _NNTP or contains_word(buf, start, after, _POSTING):
                return _NNTP
        return 0
    if starts_with_word(buf, start, after, _OK):
        return _POP3
    if starts_with_word(buf, start, after, _STAR_OK) or starts_with_word(buf, start, after, _STAR_PREAUTH):
        return _IMAP
    if starts_with_word(buf, start, after, _STAR_BYE):
        return _IMAP
    if starts_with_word(buf, start, after, _NOTICE_AUTH):
        return _IRC
    if byte(buf, start) == ord(":"):
        said = contains_word(buf, start, after, _NOTICE) or contains_word(buf, start, after, _WELCOME)
        return _IRC if said else 0
    return 0


@kernel
def client(buf: Any, start: Integer, end: Integer, row: Any) -> Integer:
    """Wait for the ClientHello behind the client's commands."""
    if row.service == _FTP and (starts_with_word(buf, start, end, _EHLO) or starts_with_word(buf, start, end, _HELO)):
        row.service = _SMTP  # a greeting that fits both was FTP so far
    at = find_hello(buf, start, end, 1)
    if at < 0:
        return DONE if _lines(buf, start, end) > _CLIENT_LINES else MORE
    status = tls.client(buf, at, end, row)
    if status == DONE:
        row.flags = row.flags | FLAG_STARTTLS
    return MORE if status == MORE else DONE


@kernel
def server(buf: Any, start: Integer, end: Integer, row: Any) -> Integer:
    """Wait for the ServerHello behind the server's replies."""
    at = find_hello(buf, start, end, 2)
    if at < 0:
        return DONE if _lines(buf, start, end) > _SERVER_LINES else MORE
    return MORE if tls.server(buf, at, end, row) == MORE else DONE


def parse(payload: bytes, from_client: bool = True) -> Names:
    """Service and, if it begins, TLS of one side. Raises ValueError when it is none of these protocols."""
    buf = np.frombuffer(payload, np.uint8)
    row = new_rows(1)[0]
    row["service"] = (client_service if from_client else server_service)(buf, 0, len(payload), 0)
    if row["service"] == 0:
        raise ValueError(f"no known text protocol: {payload[:16]!r}")
    (client if from_client else server)(buf, 0, len(payload), row)
    return read_names(row)

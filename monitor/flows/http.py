"""HTTP/1 (RFC 9110, 9112): method, target, host and agent of the first request, status of the first response.

Credentials are never kept: no user information of a URL, no Authorization, and no query string unless the row says so.
HTTP/2 without TLS is recognised here and not read further. What a CONNECT carries is given to `tls.py`.
"""

from __future__ import annotations

from typing import Any

from monitor.flows import tls
from monitor.flows.bytes import be32, byte
from monitor.flows.names import (
    DONE,
    FLAG_CUT,
    FLAG_KEEP_QUERY,
    FLAG_STARTTLS,
    HTTP_METHOD,
    HTTP_URI,
    MORE,
    NOT,
    SERVER_NAME,
    TEXT_ROOM,
    USER_AGENT,
    Names,
    parse_with,
    put_text,
)
from monitor.flows.octets import (
    be24,
    find,
    is_digit,
    line_end,
    may_become,
    pattern,
    skip_blanks,
    starts_with,
    starts_with_word,
    trim_line,
)
from monitor.flows.services import service_id
from monitor.jit import Integer, inner, kernel
from monitor.stack import stack_u8

_VERSION = pattern(b"HTTP/")
_CONNECT = pattern(b"CONNECT")
_SCHEME = pattern(b"://")
_HOST = pattern(b"host:")
_AGENT = pattern(b"user-agent:")
_PREFACE = pattern(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")  # RFC 9113, 3.4
_GET = pattern(b"GET /")
_BLANK, _QUERY, _FRAGMENT, _SLASH, _AT, _COLON, _OPEN, _CLOSE = (ord(mark) for mark in " ?#/@:[]")
_MAX_METHOD = 20
_HTTP2 = service_id("http2")


@inner
def method_end(buf: Any, start: Integer, end: Integer) -> Integer:
    """Place of the blank after a method of 3 to 20 capitals (RFC 9110, 9): 0 when more bytes may tell, -1 for none."""
    at = start
    while at < end:
        octet = byte(buf, at)
        if octet == _BLANK:
            return at if at - start >= 3 else -1
        if not (65 <= octet <= 90 or ((octet == 45 or octet == 95) and at > start)) or at - start >= _MAX_METHOD:
            return -1
        at += 1
    return 0


@inner
def _put_host(buf: Any, at: Integer, end: Integer, row: Any) -> None:
    """Keep the host of `[user@]host[:port]`, without brackets."""
    for i in range(at, end):
        if byte(buf, i) == _AT:
            at = i + 1
    if at < end and byte(buf, at) == _OPEN:
        put_text(row, SERVER_NAME, buf, at + 1, find(buf, at, end, _CLOSE))
    else:
        put_text(row, SERVER_NAME, buf, at, find(buf, at, end, _COLON))


@inner
def _authority_end(buf: Any, at: Integer, end: Integer) -> Integer:
    """End of the authority of a URL that begins at `at`."""
    while at < end and byte(buf, at) != _SLASH and byte(buf, at) != _QUERY and byte(buf, at) != _FRAGMENT:
        at += 1
    return at


@inner
def _put_uri(buf: Any, at: Integer, end: Integer, row: Any) -> None:
    """Keep a target without fragment, without query unless the row keeps it, and without any user information."""
    out = stack_u8(TEXT_ROOM)
    used = 0
    while at < end and used + 3 < TEXT_ROOM:
        octet = byte(buf, at)
        if octet == _FRAGMENT or (octet == _QUERY and not row.flags & FLAG_KEEP_QUERY):
            break
        out[used] = octet
        used += 1
        at += 1
        if octet == _SLASH and used > 1 and out[used - 2] == _SLASH:  # an authority may follow (RFC 3986, 3.2 and 4.2)
            for i in range(at, _authority_end(buf, at, end)):
                if byte(buf, i) == _AT:
                    at = i + 1
    if used + 3 >= TEXT_ROOM:
        row.flags = row.flags | FLAG_CUT
    put_text(row, HTTP_URI, out, 0, used)


@inner
def _put_target(buf: Any, at: Integer, end: Integer, connect: bool, row: Any) -> None:
    """Request target (RFC 9112, 3.2): path, whole URL as sent to proxies, host and port of CONNECT, or an asterisk."""
    if connect:
        _put_host(buf, at, end, row)
        for i in range(at, end):
            if byte(buf, i) == _AT:
                at = i + 1
        put_text(row, HTTP_URI, buf, at, end)
        return
    scheme = at
    while scheme < end and (97 <= (byte(buf, scheme) | 32) <= 122):
        scheme += 1
    if scheme > at and starts_with(buf, scheme, end, _SCHEME):
        path = _authority_end(buf, scheme + 3, end)
        _put_host(buf, scheme + 3, path, row)
        at = path
    _put_uri(buf, at, end, row)


@inner
def _headers(buf: Any, at: Integer, end: Integer, row: Any) -> Integer:
    """Keep host and agent from the header lines at `at`; gives the place after the empty line, -1 when not here."""
    while True:
        after = line_end(buf, at, end)
        if after < 0:
            return -1
        stop = trim_line(buf, at, after)
        if stop == at:
            return after
        if starts_with_word(buf, at, stop, _HOST):
            _put_host(buf, skip_blanks(buf, at + _HOST.size, stop), stop, row)
        elif starts_with_word(buf, at, stop, _AGENT):
            put_text(row, USER_AGENT, buf, skip_blanks(buf, at + _AGENT.size, stop), stop)
        at = after


@inner
def is_known_method(buf: Any, start: Integer, blank: Integer) -> bool:
    """Is it a method that is seen so often that half a request line tells HTTP?"""
    size = blank - start
    if size < 3 or size > 7:
        return False
    head = be24(buf, start)
    return bool(
        (size == 3 and (head == 0x474554 or head == 0x505554))  # GET, PUT
        or (size == 4 and (head == 0x504F53 or head == 0x484541))  # POST, HEAD
        or (size == 7 and head == 0x434F4E)  # CONNECT; OPTIONS is RTSP's and SIP's, too
    )


@kernel
def client(buf: Any, start: Integer, end: Integer, row: Any) -> Integer:
    """The client's first request; NOT for other text protocols with lines of the same shape (SIP, RTSP)."""
    if starts_with(buf, start, end, _PREFACE):
        row.service = _HTTP2
        return DONE
    if may_become(buf, start, end, _PREFACE):
        return MORE
    blank = method_end(buf, start, end)
    if blank <= 0:
        return NOT if blank < 0 else MORE
    after = line_end(buf, blank, end)
    if after < 0:
        return MORE
    stop = trim_line(buf, blank, after)
    version = stop
    while version > blank and byte(buf, version - 1) != _BLANK:
        version -= 1
    target = skip_blanks(buf, blank, stop)
    if not starts_with(buf, version, stop, _VERSION):
        if not starts_with(buf, start, stop, _GET):
            return NOT
        _put_uri(buf, target, stop, row)  # HTTP/0.9 has no version and no headers
        put_text(row, HTTP_METHOD, buf, start, blank)
        return DONE
    connect = blank - start == _CONNECT.size and starts_with(buf, start, end, _CONNECT)
    put_text(row, HTTP_METHOD, buf, start, blank)
    _put_target(buf, target, trim_line(buf, target, version), connect, row)
    body = _headers(buf, after, end, row)
    if body < 0:
        return MORE
    if not connect:
        return DONE
    inner = tls.client(buf, body, end, row)
    if inner == DONE:
        row.flags = row.flags | FLAG_STARTTLS
    return MORE if inner == MORE else DONE


@inner
def is_settings(buf: Any, start: Integer, end: Integer) -> bool:
    """Does a server's HTTP/2 begin here: a SETTINGS frame on stream 0 (RFC 9113, 3.4)?"""
    if end - start < 9:
        return False
    size = be24(buf, start)
    return bool(size <= 120 and size % 6 == 0 and be32(buf, start + 3) == 0x04000000 and be24(buf, start + 6) == 0)


@inner
def _has_connected(row: Any) -> bool:
    """Was the request a CONNECT?"""
    return bool(row.size[HTTP_METHOD] == _CONNECT.size and row.text[row.at[HTTP_METHOD]] == _CONNECT[0])


@inner
def _past_headers(buf: Any, at: Integer, end: Integer) -> Integer:
    """Place after the next empty line, -1 when it is not here."""
    while True:
        after = line_end(buf, at, end)
        if after < 0 or trim_line(buf, at, after) == at:
            return after
        at = after


@kernel
def server(buf: Any, start: Integer, end: Integer, row: Any) -> Integer:
    """The server's first response that is not interim (RFC 9110, 15.2)."""
    at = start
    while True:
        if may_become(buf, at, end, _VERSION):
            return MORE
        if not starts_with(buf, at, end, _VERSION):
            if at == start and is_settings(buf, start, end):
                row.service = _HTTP2
                return DONE
            return NOT if at == start else DONE
        if at + 13 > end:
            return MORE if line_end(buf, at, end) < 0 else NOT
        code = at + 9
        if byte(buf, at + 6) != ord(".") or byte(buf, at + 8) != _BLANK:
            if byte(buf, at + 5) != ord("2") or byte(buf, at + 6) != _BLANK:
                return NOT
            code = at + 7
        status = 0
        for i in range(code, code + 3):
            if not is_digit(byte(buf, i)):
                return NOT
            status = status * 10 + byte(buf, i) - 48
        if status >= 200 or status == 101:
            break
        at = _past_headers(buf, at, end)
        if at < 0:
            return MORE
    if row.http_status == 0:
        row.http_status = status
    if status >= 300 or not _has_connected(row):
        return DONE
    at = _past_headers(buf, at, end)
    return MORE if at < 0 or tls.server(buf, at, end, row) == MORE else DONE


def parse(payload: bytes, from_client: bool = True, keep_query: bool = False) -> Names:
    """What the first request (or response) says. Raises ValueError when it is not HTTP, or incomplete."""
    flags = FLAG_KEEP_QUERY if keep_query else 0
    return parse_with(client if from_client else server, payload, "http", flags)

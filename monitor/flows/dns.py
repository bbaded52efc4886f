"""DNS messages (RFC 1035, 3596, 2782), also as spoken by mDNS (RFC 6762) and LLMNR (RFC 4795): question and answers.

A name is kept as on the wire, labels joined by dots; a compression pointer that loops ends it. NetBIOS names, which
have the same message, are in `netbios.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.flows.address_text import put_ipv4, put_ipv6
from monitor.flows.bytes import be16, be32, byte
from monitor.flows.names import (
    DNS_ANSWERS,
    DNS_QUERY,
    DONE,
    FLAG_CUT,
    FLAG_DNS_ANSWERED,
    FLAG_DNS_ASKED,
    MORE,
    NOT,
    Names,
    parse_with,
    put_item,
    put_text,
)
from monitor.flows.octets import put_decimal
from monitor.jit import Integer, inner, kernel
from monitor.stack import stack_u8

_HEADER = 12
ENOUGH = 2 + _HEADER + 5  # of a stream, to tell whether it is DNS
_DOT, _BLANK = ord("."), ord(" ")
_MAX_NAME = 255  # RFC 1035, 2.3.4
_MAX_HOPS = 40  # a name has at most 127 labels; tools in use never chain this many pointers
_MAX_ANSWERS = 16
_A, _NS, _CNAME, _PTR, _MX, _TXT, _AAAA, _SRV, _DNAME, _RRSIG = 1, 2, 5, 12, 15, 16, 28, 33, 39, 46
_SVCB, _HTTPS = 64, 65


@inner
def skip_name(buf: Any, at: Integer, end: Integer) -> Integer:
    """Place after the name at `at`, or -1 when it does not end before `end`."""
    while at < end:
        size = byte(buf, at)
        if size == 0:
            return at + 1
        if size >= 0xC0:
            return at + 2 if at + 2 <= end else -1
        if size > 63:
            return -1
        at += 1 + size
    return -1


@inner
def put_name(out: Any, used: Integer, buf: Any, base: Integer, at: Integer, end: Integer) -> Integer:
    """Write the name at `at` of the message `[base, end)` to `out`; gives the place after it, -1 when it is broken.

    `out` needs `used` + 256 bytes; a name longer than 255 is cut there. The root is ".".
    """
    first = used
    hops = 0
    while at < end:
        size = byte(buf, at)
        if size == 0:
            if used == first:
                out[used] = _DOT
                used += 1
            return used
        if size >= 0xC0:
            hops += 1
            if at + 2 > end or hops > _MAX_HOPS:
                return -1
            at = base + (be16(buf, at) & 0x3FFF)
            continue
        if size > 63 or at + 1 + size > end:
            return -1
        if used > first and used - first < _MAX_NAME:
            out[used] = _DOT
            used += 1
        for i in range(at + 1, at + 1 + min(size, _MAX_NAME - (used - first))):
            out[used] = byte(buf, i)
            used += 1
        at += 1 + size
        if used - first >= _MAX_NAME:
            return used
    return -1


@inner
def _put_strings(out: Any, used: Integer, buf: Any, at: Integer, end: Integer) -> Integer:
    """Character strings of a TXT record, one after the other, 255 bytes at most."""
    while at < end and used < _MAX_NAME:
        size = byte(buf, at)
        after = min(at + 1 + size, end)
        for i in range(at + 1, min(after, at + 1 + _MAX_NAME - used)):
            out[used] = byte(buf, i)
            used += 1
        at = after
    return used


@inner
def _put_answer(out: Any, kind: Integer, buf: Any, base: Integer, at: Integer, after: Integer, end: Integer) -> Integer:
    """Text of one answer's data `[at, after)`; gives its length, -1 when the data are broken."""
    size = after - at
    if kind == _A:
        return put_ipv4(out, 0, buf, at) if size == 4 else -1
    if kind == _AAAA:
        return put_ipv6(out, 0, buf, at) if size == 16 else -1
    if kind in (_NS, _CNAME, _PTR, _DNAME):
        return put_name(out, 0, buf, base, at, end)
    if kind == _TXT:
        return _put_strings(out, 0, buf, at, after)
    numbers = 3 if kind == _SRV else (1 if kind in (_MX, _SVCB, _HTTPS) else 0)
    if numbers:
        used = 0
        for _ in range(numbers):
            if at + 2 > after:
                return -1
            used = put_decimal(out, used, be16(buf, at))
            out[used] = _BLANK
            used += 1
            at += 2
        return put_name(out, used, buf, base, at, end)
    out[0], out[1], out[2] = ord("\\"), ord("#"), _BLANK  # RFC 3597, without the data
    return put_decimal(out, 3, size)


@inner
def _put_answers(buf: Any, base: Integer, at: Integer, end: Integer, count: Integer, row: Any) -> None:
    """Answers of the message `[base, end)` that begin at `at`: text of the first 16, lowest time to live of all."""
    out = stack_u8(600)
    for number in range(count):
        at = skip_name(buf, at, end)
        if at < 0 or at + 10 > end:
            return
        kind, ttl = be16(buf, at), be32(buf, at + 4)
        after = at + 10 + be16(buf, at + 8)
        if after > end:
            return
        if ttl & 0x80000000:  # RFC 2181, 8: as if it were zero
            ttl = 0
        if row.dns_answer_count == 0 or ttl < row.dns_ttl:
            row.dns_ttl = ttl
        row.dns_answer_count = min(row.dns_answer_count + 1, 255)
        if number >= _MAX_ANSWERS:
            row.flags = row.flags | FLAG_CUT
        elif kind != _RRSIG:
            size = _put_answer(out, kind, buf, base, at + 10, after, end)
            if size >= 0:
                put_item(row, DNS_ANSWERS, out, 0, size)
        at = after


@inner
def is_plausible(buf: Any, start: Integer, end: Integer) -> bool:
    """Could the header be DNS, on a port that says nothing? Known opcode and code, one question, few records."""
    flags = be16(buf, start + 2)
    opcode, response = (flags >> 11) & 15, flags >> 15
    answers, authority, extra = be16(buf, start + 6), be16(buf, start + 8), be16(buf, start + 10)
    if be16(buf, start + 4) != 1 or opcode not in (0, 4, 5) or flags & 0x40:
        return False
    if response:
        return (flags & 15) <= 10 and _HEADER + 11 * (answers + authority + extra) <= end - start + 4096
    return (flags & 15) == 0 and answers <= 8 and authority <= 8 and extra <= 2


@inner
def begins_stream(buf: Any, start: Integer, end: Integer) -> bool:
    """Does a stream begin with the length and the plausible header of a message?"""
    if end - start < ENOUGH:
        return False
    size = be16(buf, start)
    return size >= _HEADER + 5 and is_plausible(buf, start + 2, start + 2 + size)


@kernel
def message(buf: Any, start: Integer, end: Integer, row: Any, port_agrees: Any) -> Integer:
    """One DNS message. `port_agrees`: it is on a port of DNS, mDNS or LLMNR; elsewhere more is asked of it.

    MORE when it answers another question than the first one: the answer wanted is still to come.
    """
    if end - start < _HEADER + (0 if port_agrees else 5):
        return NOT
    if not port_agrees and not is_plausible(buf, start, end):
        return NOT
    number, flags = be16(buf, start), be16(buf, start + 2)
    questions, answers = be16(buf, start + 4), be16(buf, start + 6)
    response = flags >> 15
    if ((flags >> 11) & 15) > 6 or questions > 255 or (questions == 0 and not response):
        return NOT
    at = start + _HEADER
    out = stack_u8(256)
    size = kind = 0
    for question in range(questions):
        if question == 0:
            size = put_name(out, 0, buf, start, at, end)
        at = skip_name(buf, at, end)
        if at < 0 or at + 4 > end or size < 0:
            break
        if question == 0:
            kind = be16(buf, at)
            if not port_agrees and (be16(buf, at + 2) & 0x7FFF) not in (1, 3, 254, 255):
                return NOT
        at += 4
    if size < 0 or (questions > 0 and kind == 0):
        return NOT
    if response and row.flags & FLAG_DNS_ASKED and row.dns_id != number:
        return MORE
    if questions > 0 and row.size[DNS_QUERY] == 0:
        put_text(row, DNS_QUERY, out, 0, size)
        row.dns_type = kind
    if not response:
        if not row.flags & FLAG_DNS_ASKED:
            row.dns_id = number
            row.flags = row.flags | FLAG_DNS_ASKED
    elif not row.flags & FLAG_DNS_ANSWERED:
        row.flags = row.flags | FLAG_DNS_ANSWERED
        row.dns_rcode = flags & 15
        if at > 0:
            _put_answers(buf, start, at, end, answers, row)
    return DONE


@kernel
def over_udp(buf: Any, start: Integer, end: Integer, row: Any) -> Integer:
    """One datagram of either side, on a port of DNS."""
    return message(buf, start, end, row, np.bool_(True))


@kernel
def over_tcp(buf: Any, start: Integer, end: Integer, row: Any) -> Integer:
    """A stream of either side: each message behind its length (RFC 1035, 4.2.2)."""
    at = start
    while at + 2 <= end:
        size = be16(buf, at)
        if size < _HEADER or (at == start and end - at >= ENOUGH and not is_plausible(buf, at + 2, at + 2 + size)):
            return NOT
        if at + 2 + size > end:
            return MORE
        status = message(buf, at + 2, at + 2 + size, row, at != start)
        if status != MORE:
            return status
        at += 2 + size
    return MORE


def parse(payload: bytes) -> Names:
    """What one DNS message says. Raises ValueError when it is none."""
    return parse_with(over_udp, payload, "dns")


def parse_stream(payload: bytes) -> Names:
    """What the first messages of one side of a DNS connection over TCP say. Raises ValueError when it is none."""
    return parse_with(over_tcp, payload, "dns")

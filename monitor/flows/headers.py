"""IP and transport headers: addresses, lengths, ports, TCP fields, each read only where captured bytes are.

Lengths are those of the headers, bounded by what the packet had on the wire; a truncated capture does not shorten them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.flows.bytes import be16, be32, be64, byte
from monitor.flows.packet import ICMP, ICMP6, SCTP, TCP, UDP, Outcome
from monitor.jit import Integer, inlined, kernel

MAPPED = 0x0000FFFF00000000
"""Upper half of the low eight bytes of ::ffff:a.b.c.d (RFC 4291 §2.5.5.2)."""

_MAX_EXTENSIONS = 16
_NO_NEXT = 59
_OK = Outcome.DECODED.value


@inlined
def ipv4(
    buf: Any, at: Integer, end: Integer, wire_end: Integer, row: Any
) -> tuple[Integer, Integer, Integer, Integer, Integer]:
    """(outcome, protocol, payload position, end of packet on the wire, fragment field) of an IPv4 header (RFC 791)."""
    if end - at < 20:
        return Outcome.TRUNCATED_IP.value, 0, at, wire_end, 0
    first = byte(buf, at)
    header = (first & 15) * 4
    if first >> 4 != 4 or header < 20:
        return Outcome.BAD_IP_VERSION.value, 0, at, wire_end, 0
    if end - at < header:
        return Outcome.TRUNCATED_IP.value, 0, at, wire_end, 0
    total = be16(buf, at + 2)
    if total == 0 or total > wire_end - at:  # segmentation offload writes 0; a lie is cut to what was on the wire
        total = wire_end - at
    if total < header:
        return Outcome.BAD_IP_LENGTH.value, 0, at, wire_end, 0
    row["src_hi"] = np.uint64(0)
    row["dst_hi"] = np.uint64(0)
    row["src_lo"] = np.uint64(MAPPED) | np.uint64(be32(buf, at + 12))
    row["dst_lo"] = np.uint64(MAPPED) | np.uint64(be32(buf, at + 16))
    row["ip_bytes"] = total
    row["ip_id"] = be16(buf, at + 4)
    row["ttl"] = byte(buf, at + 8)
    return _OK, byte(buf, at + 9), at + header, at + total, be16(buf, at + 6) & 0x3FFF


@inlined
def ipv6(buf: Any, at: Integer, end: Integer, wire_end: Integer, row: Any) -> tuple[Integer, Integer, Integer, Integer]:
    """(outcome, next header, payload position, end of the packet on the wire) of an IPv6 fixed header (RFC 8200 §3)."""
    if end - at < 40:
        return Outcome.TRUNCATED_IP.value, 0, at, wire_end
    if byte(buf, at) >> 4 != 6:
        return Outcome.BAD_IP_VERSION.value, 0, at, wire_end
    total = 40 + be16(buf, at + 4)
    unsaid = total == 40 and byte(buf, at + 6) in (0, TCP, UDP)  # jumbograms (RFC 2675) and offload write 0
    if unsaid or total > wire_end - at:
        total = wire_end - at
    if total < 40:
        return Outcome.BAD_IP_LENGTH.value, 0, at, wire_end
    row["src_hi"] = be64(buf, at + 8)
    row["src_lo"] = be64(buf, at + 16)
    row["dst_hi"] = be64(buf, at + 24)
    row["dst_lo"] = be64(buf, at + 32)
    row["ip_bytes"] = total
    row["ip_id"] = 0
    row["ttl"] = byte(buf, at + 7)
    return _OK, byte(buf, at + 6), at + 40, at + total


@kernel
def extensions(
    buf: Any, at: Integer, end: Integer, proto: Integer
) -> tuple[Integer, Integer, Integer, Integer, Integer]:
    """(outcome, protocol, position, fragment field, identification) behind IPv6 extension headers and AH (RFC 4302).

    The fragment field is as in IPv4: more-fragments in bit 13, the offset in units of eight bytes below.
    """
    fragment, identification = 0, 0
    for _ in range(_MAX_EXTENSIONS):
        if proto in (0, 43, 60, 135, 139, 140):
            if end - at < 8:
                return Outcome.TRUNCATED_IP.value, proto, at, 0, 0
            if proto >= 135 and byte(buf, at) == _NO_NEXT:  # Mobility, HIP, Shim6: the message itself
                return _OK, proto, at, fragment, identification
            proto, at = byte(buf, at), at + 8 + 8 * byte(buf, at + 1)
        elif proto == 51:
            if end - at < 8:
                return Outcome.TRUNCATED_IP.value, proto, at, 0, 0
            proto, at = byte(buf, at), at + 8 + 4 * byte(buf, at + 1)
        elif proto == 44:
            if end - at < 8:
                return Outcome.TRUNCATED_IP.value, proto, at, 0, 0
            field = be16(buf, at + 2)
            fragment = (field >> 3) | ((field & 1) << 13)
            identification = be32(buf, at + 4)
            proto, at = byte(buf, at), at + 8
            if fragment & 0x1FFF:
                return _OK, proto, at, fragment, identification
        else:
            return _OK, proto, at, fragment, identification
        if at > end:
            return Outcome.TRUNCATED_IP.value, proto, at, 0, 0
    return Outcome.BAD_IP_LENGTH.value, proto, at, 0, 0


@inlined
def transport(buf: Any, at: Integer, end: Integer, ip_end: Integer, proto: Integer, row: Any) -> Integer:
    """Read the transport header into `row`; its Outcome. `ip_end` is where the IP packet ended on the wire."""
    row["flags"] = 0
    row["seq"] = 0
    row["ack"] = 0
    row["window"] = 0
    row["src_port"] = 0
    row["dst_port"] = 0
    check = 0
    body = at
    if proto == TCP:
        if end - at < 20:
            return Outcome.TRUNCATED_TRANSPORT.value
        header = (byte(buf, at + 12) >> 4) * 4
        if header < 20 or at + header > ip_end:
            return Outcome.BAD_TCP_HEADER.value
        row["seq"] = be32(buf, at + 4)
        row["ack"] = be32(buf, at + 8)
        row["flags"] = byte(buf, at + 13)
        row["window"] = be16(buf, at + 14)
        check = be16(buf, at + 16)
        body = at + header
    elif proto == UDP:
        if end - at < 8:
            return Outcome.TRUNCATED_TRANSPORT.value
        length = be16(buf, at + 4)
        if 8 <= length < ip_end - at:
            ip_end = at + length
        check = be16(buf, at + 6)
        body = at + 8
    elif proto == ICMP or proto == ICMP6:
        if end - at < 4:
            return Outcome.TRUNCATED_TRANSPORT.value
        row["src_port"] = byte(buf, at)
        row["dst_port"] = byte(buf, at + 1)
        check = be16(buf, at + 2)
        body = at + 8
    elif proto == SCTP:
        if end - at < 12:
            return Outcome.TRUNCATED_TRANSPORT.value
        check = be32(buf, at + 8)
        body = at + 12
    if proto == TCP or proto == UDP or proto == SCTP:
        row["src_port"] = be16(buf, at)
        row["dst_port"] = be16(buf, at + 2)
    row["payload"] = body
    row["payload_len"] = max(ip_end - body, 0)
    row["payload_cap"] = max(min(end, ip_end) - body, 0)
    row["digest"] = np.uint64(check)
    return _OK

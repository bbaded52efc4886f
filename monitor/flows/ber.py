"""Signatures of protocols written in ASN.1 BER: LDAP, Kerberos and SNMP; and how long a BER element is."""

from __future__ import annotations

from typing import Any

from monitor.flows.bytes import be16, be32, byte
from monitor.jit import Integer, inner


@inner
def ber_size(buf: Any, at: Integer, end: Integer) -> Integer:
    """Whole size of the BER element at `at` (tag, length, content), 0 when its length is not in the usual forms."""
    if at + 2 > end:
        return 0
    size = byte(buf, at + 1)
    if size < 0x80:
        return 2 + size
    octets = size & 0x7F
    if octets == 0 or octets > 4 or at + 2 + octets > end:
        return 0
    size = 0
    for i in range(octets):
        size = (size << 8) | byte(buf, at + 2 + i)
    return 2 + octets + size


@inner
def ber_header(buf: Any, at: Integer, end: Integer) -> Integer:
    """Bytes of tag and length of the BER element at `at`, 0 when they are not all there."""
    if at + 2 > end:
        return 0
    size = byte(buf, at + 1)
    header = 2 + (size & 0x7F if size > 0x80 else 0)
    return header if at + header <= end else 0


@inner
def is_ldap(buf: Any, start: Integer, end: Integer) -> bool:
    """An LDAPMessage (RFC 4511, 4.1.1): sequence, message id, and the tag of a known operation."""
    if end - start < 7 or byte(buf, start) != 0x30:
        return False
    at = start + ber_header(buf, start, end)
    size = ber_size(buf, start, end)
    if at == start or size < 7 or size > 1 << 20 or at + 3 > end:
        return False
    digits = byte(buf, at + 1)
    if byte(buf, at) != 0x02 or not 1 <= digits <= 4 or at + 3 + digits > end:
        return False
    at += 2 + digits
    operation = byte(buf, at)
    if operation == 0x42 or operation == 0x4A or operation == 0x50:
        return True
    if not (0x60 <= operation <= 0x79) or operation in (0x62, 0x6A, 0x70, 0x71, 0x72, 0x75, 0x76):
        return False
    inside = ber_size(buf, at, end)
    return bool(inside >= 4 and at + inside <= start + size and at + inside + 300 >= start + size)


@inner
def is_kerberos(buf: Any, start: Integer, end: Integer) -> bool:
    """A Kerberos message (RFC 4120, 5.4 and 5.9): application tag, sequence, protocol version 5."""
    if end - start < 12:
        return False
    kind = byte(buf, start)
    if not (0x6A <= kind <= 0x6F or kind == 0x7E):
        return False
    at = start + ber_header(buf, start, end)
    if at == start or at >= end or byte(buf, at) != 0x30:
        return False
    inner = ber_header(buf, at, end)
    at += inner
    if inner == 0 or at + 5 > end:
        return False
    mark = byte(buf, at)
    return bool((mark == 0xA0 or mark == 0xA1) and be32(buf, at + 1) == 0x03020105)


@inner
def is_snmp(buf: Any, start: Integer, end: Integer) -> bool:
    """SNMP (RFC 1157, 3416, 3412): a sequence that fills the datagram, version, then community or header."""
    if end - start < 20 or byte(buf, start) != 0x30 or ber_size(buf, start, end) != end - start:
        return False
    at = start + ber_header(buf, start, end)
    if be16(buf, at) != 0x0201 or byte(buf, at + 2) > 3:
        return False
    if byte(buf, at + 2) == 3:
        return byte(buf, at + 3) == 0x30
    return byte(buf, at + 3) == 0x04 and byte(buf, at + 4) < 128

"""X.509 certificates (RFC 5280) as a server sends them in the clear up to TLS 1.2: the names that they speak for.

Reads the first certificate only, checks no signature, and knows just the DER that leads to the names.
"""

from __future__ import annotations

from typing import Any

from monitor.flows.bytes import byte
from monitor.flows.names import CERT_NAMES, put_item
from monitor.flows.octets import be24, pattern, starts_with
from monitor.flows.services import service_id
from monitor.jit import Integer, inner

_INTEGER, _OCTETS, _SEQUENCE, _SET = 0x02, 0x04, 0x30, 0x31
_VERSION_TAG, _EXTENSIONS_TAG, _DNS_NAME_TAG = 0xA0, 0xA3, 0x82
_COMMON_NAME = pattern(bytes.fromhex("0603550403"))  # 2.5.4.3
_ALT_NAMES = pattern(bytes.fromhex("0603551d11"))  # 2.5.29.17
_MAX_NAMES = 16
_TOR = service_id("tor")


@inner
def _element(buf: Any, at: Integer, end: Integer) -> tuple[Integer, Integer, Integer]:
    """Tag, start and end of the content of the DER element at `at`; tag -1 when it does not fit before `end`."""
    if at + 2 > end:
        return -1, at, at
    tag, size = byte(buf, at), byte(buf, at + 1)
    at += 2
    if size & 0x80:
        octets = size & 0x7F
        if octets == 0 or octets > 3 or at + octets > end:
            return -1, at, at
        size = 0
        for i in range(octets):
            size = (size << 8) | byte(buf, at + i)
        at += octets
    if at + size > end:
        return -1, at, at
    return tag, at, at + size


@inner
def _common_name(buf: Any, at: Integer, end: Integer) -> tuple[Integer, Integer, Integer]:
    """(start, end) of the last CN in a Name, with the count of its attributes; start equals end when it has none."""
    found_start = found_end = at
    count = 0
    while at < end:
        tag, start, after = _element(buf, at, end)
        if tag != _SET:
            break
        count += 1
        pair_tag, pair, pair_end = _element(buf, start, after)
        if pair_tag == _SEQUENCE and starts_with(buf, pair, pair_end, _COMMON_NAME):
            text_tag, text, text_end = _element(buf, pair + _COMMON_NAME.size, pair_end)
            if text_tag >= 0:
                found_start, found_end = text, text_end
        at = after
    return found_start, found_end, count


@inner
def _same(buf: Any, start: Integer, end: Integer, other: Integer, other_end: Integer) -> bool:
    if end - start != other_end - other:
        return False
    for i in range(end - start):
        if byte(buf, start + i) != byte(buf, other + i):
            return False
    return True


@inner
def _put_alt_names(buf: Any, at: Integer, end: Integer, common: tuple[Integer, Integer], row: Any) -> None:
    """subjectAltName's dNSName entries, without the one that repeats the common name."""
    tag, at, end = _element(buf, at, end)
    if tag != _SEQUENCE:
        return
    count = 0
    while at < end and count < _MAX_NAMES:
        tag, start, after = _element(buf, at, end)
        if tag < 0:
            return
        if tag == _DNS_NAME_TAG and not _same(buf, start, after, common[0], common[1]):
            if not put_item(row, CERT_NAMES, buf, start, after):
                return
            count += 1
        at = after


@inner
def _put_extensions(buf: Any, at: Integer, end: Integer, common: tuple[Integer, Integer], row: Any) -> None:
    tag, at, end = _element(buf, at, end)
    while tag >= 0 and at < end:
        tag, start, after = _element(buf, at, end)
        if tag >= 0 and starts_with(buf, start, after, _ALT_NAMES):
            inner, value, value_end = _element(buf, start + _ALT_NAMES.size, after)
            if inner == 0x01:  # the optional "critical"
                inner, value, value_end = _element(buf, value_end, after)
            if inner == _OCTETS:
                _put_alt_names(buf, value, value_end, common, row)
            return
        at = after


@inner
def _is_tor_name(buf: Any, start: Integer, end: Integer, top: Integer) -> bool:
    """www.<8 to 20 characters of base 32>.com or .net, as Tor's relays make up (tor-spec, "random hostnames")."""
    size = end - start
    if not 16 <= size <= 28 or byte(buf, start + 3) != ord(".") or byte(buf, end - 4) != ord("."):
        return False
    if byte(buf, start) != ord("w") or byte(buf, start + 1) != ord("w") or byte(buf, start + 2) != ord("w"):
        return False
    if byte(buf, end - 3) != top or byte(buf, end - 1) != (ord("m") if top == ord("c") else ord("t")):
        return False
    for i in range(start + 4, end - 4):
        octet = byte(buf, i)
        if not (97 <= octet <= 122 or 50 <= octet <= 55):
            return False
    return True


@inner
def put_certificate(buf: Any, at: Integer, end: Integer, row: Any) -> None:
    """Names of the first certificate of a whole Certificate message (RFC 5246, 7.4.2) in `[at, end)`.

    The common name comes first, then the alternative DNS names, 16 at most. A certificate of the shape that only Tor's
    relays have (issuer www.*.com, subject www.*.net, each a random name alone, no alternative names) makes it `tor`.
    """
    if end - at < 6:
        return
    size = be24(buf, at + 3)
    tag, at, end = _element(buf, at + 6, min(end, at + 6 + size))
    if tag == _SEQUENCE:
        tag, at, end = _element(buf, at, end)
    if tag != _SEQUENCE:
        return
    tag, start, after = _element(buf, at, end)
    if tag == _VERSION_TAG:
        tag, start, after = _element(buf, after, end)
    issuer = common = (after, after, 0)
    for i in range(4):  # signature algorithm, issuer, validity, subject
        tag, start, after = _element(buf, after, end)
        if tag != _SEQUENCE:
            return
        if i == 1:
            issuer = _common_name(buf, start, after)
        elif i == 3:
            common = _common_name(buf, start, after)
    if common[1] > common[0]:
        put_item(row, CERT_NAMES, buf, common[0], common[1])
    alone = True
    tag, start, after = _element(buf, after, end)  # the public key
    while tag >= 0 and after < end:
        tag, start, after = _element(buf, after, end)
        if tag == _EXTENSIONS_TAG:
            alone = False
            _put_extensions(buf, start, after, (common[0], common[1]), row)
    if alone and common[2] == 1 and issuer[2] == 1:
        subject_random = _is_tor_name(buf, common[0], common[1], ord("n"))
        if subject_random and _is_tor_name(buf, issuer[0], issuer[1], ord("c")):
            row.service = _TOR

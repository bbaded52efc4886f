"""Addresses as text inside kernels: IPv4 in dotted decimal, IPv6 in the canonical form of RFC 5952."""

from __future__ import annotations

from typing import Any

from monitor.flows.bytes import be16, byte
from monitor.flows.octets import put_decimal, put_hex
from monitor.jit import Integer, inner, kernel

_DOT, _COLON = ord("."), ord(":")


@kernel
def put_ipv4(out: Any, at: Integer, buf: Any, address: Integer) -> Integer:
    """Write the 4 bytes at `buf[address]` as text at `out[at]`; gives the place after it. Needs 15 bytes of room."""
    for i in range(4):
        if i > 0:
            out[at] = _DOT
            at += 1
        at = put_decimal(out, at, byte(buf, address + i))
    return at


@inner
def _longest_zeros(buf: Any, address: Integer) -> tuple[Integer, Integer]:
    """First and count of the longest run of two or more zero groups (the first such run when equal)."""
    best, best_count = -1, 1
    first, count = 0, 0
    for group in range(8):
        if be16(buf, address + 2 * group) != 0:
            count = 0
            continue
        if count == 0:
            first = group
        count += 1
        if count > best_count:
            best, best_count = first, count
    return best, best_count


@inner
def _put_group(out: Any, at: Integer, value: Integer) -> Integer:
    """One group in hexadecimal without leading zeros."""
    if value >> 8:
        at = put_hex(out, at, value >> 8)
        if out[at - 2] == ord("0"):
            out[at - 2] = out[at - 1]
            at -= 1
        return put_hex(out, at, value & 0xFF)
    at = put_hex(out, at, value)
    if out[at - 2] == ord("0"):
        out[at - 2] = out[at - 1]
        at -= 1
    return at


@kernel
def put_ipv6(out: Any, at: Integer, buf: Any, address: Integer) -> Integer:
    """Write the 16 bytes at `buf[address]` as text at `out[at]`; gives the place after it. Needs 39 bytes of room."""
    zeros, count = _longest_zeros(buf, address)
    group = 0
    while group < 8:
        if group == zeros:
            out[at] = out[at + 1] = _COLON
            at += 2
            group += count
            continue
        if group > 0 and (zeros < 0 or group != zeros + count):
            out[at] = _COLON
            at += 1
        at = _put_group(out, at, be16(buf, address + 2 * group))
        group += 1
    return at

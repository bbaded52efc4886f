"""Signatures of tunnels for people (VPN): OpenVPN, WireGuard, IKE."""

from __future__ import annotations

from typing import Any

from monitor.flows.bytes import be32, byte
from monitor.jit import Integer, inner


@inner
def opens_openvpn(buf: Any, at: Integer, size: Integer) -> bool:
    """The first message of OpenVPN: hard reset of client (7, 10) or server (8), plain, tls-auth or tls-crypt."""
    opcode = byte(buf, at) >> 3
    if byte(buf, at) & 7 or opcode not in (7, 8, 10):
        return False
    if size == 14 and opcode == 7:
        return bool(be32(buf, at + 9) == 0 and byte(buf, at + 13) == 0)
    if size == 26 and opcode == 8:  # acknowledges packet 0 and gives its own number 0
        return bool(byte(buf, at + 9) == 1 and be32(buf, at + 10) == 0 and be32(buf, at + 22) == 0)
    if size < 42:
        return False
    if be32(buf, at + 9) in (1, 0x0F000001) and size >= 54:  # tls-crypt: packet number before the tag
        return True
    for digest in (16, 20, 28, 32, 48, 64):  # tls-auth: packet number after the HMAC
        if 9 + digest + 13 <= size <= 9 + digest + 13 + 12 and be32(buf, at + 9 + digest) == 1:
            return True
    return False


@inner
def is_openvpn(buf: Any, start: Integer, end: Integer) -> bool:
    """One OpenVPN datagram that opens a session."""
    return end - start >= 14 and opens_openvpn(buf, start, end - start)


@inner
def is_wireguard(buf: Any, start: Integer, end: Integer) -> bool:
    """WireGuard (its paper, 5.4): type, three zero bytes, and the size that goes with the type."""
    size = end - start
    kind = be32(buf, start)
    if kind == 0x01000000:
        return size == 148
    if kind == 0x02000000:
        return size == 92
    return size == 64 if kind == 0x03000000 else kind == 0x04000000 and size >= 32 and size % 16 == 0


@inner
def is_ike(buf: Any, start: Integer, end: Integer) -> bool:
    """IKE 1 or 2 (RFC 2408, 7296), on port 4500 behind four zero bytes: versions, exchange, and the length right."""
    if end - start >= 32 and be32(buf, start) == 0:
        start += 4
    if end - start < 28 or be32(buf, start) == 0:
        return False
    version, exchange = byte(buf, start + 17), byte(buf, start + 18)
    if version == 0x10:
        known = exchange in (1, 2, 4, 5, 6, 32, 33)
    else:
        known = version == 0x20 and 34 <= exchange <= 43
    return bool(known and byte(buf, start + 19) & 0xC0 == 0 and be32(buf, start + 24) == end - start)

"""Addresses as 16 bytes, IPv4 mapped (RFC 4291, 2.5.5.2), and as people write them."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address


def address_text(packed: bytes) -> str:
    """A 16-byte address as people write it; mapped IPv4 as IPv4."""
    address = IPv6Address(packed)
    return str(address.ipv4_mapped or address)


def packed_address(text: str) -> bytes:
    """The inverse of `address_text`. Raises ValueError for what is no address."""
    address = ip_address(text)
    return address.packed if address.version == 6 else b"\0" * 10 + b"\xff\xff" + address.packed

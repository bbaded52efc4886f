"""Pseudonyms of addresses: keyed, reversible by whoever has the key, and two addresses share a prefix as before.

Each bit is flipped or not by a keyed hash of the bits before it (the scheme of Crypto-PAn: Xu, Fan, Ammar, Moon,
"Prefix-preserving IP address anonymization", ICNP 2002), here with SipHash-2-4, which ClickHouse has too: the views of
an outsourced SOC in deploy/clickhouse/roles.sql compute the same. IPv4 stays IPv4.
"""

from __future__ import annotations

import ipaddress
import struct
from pathlib import Path

_MASK = (1 << 64) - 1
_IPV4 = 0xFFFF << 32
"""::ffff:0:0, under which IPv4 addresses are mapped."""


class Pseudonyms:
    """Pseudonyms under one key."""

    def __init__(self, key: bytes) -> None:
        """Raises ValueError unless the key has 16 bytes."""
        if len(key) != 16:
            raise ValueError(
                f"the key has {len(key)} bytes; write 32 hexadecimal digits, such as `openssl rand -hex 16`"
            )
        self.halves: tuple[int, int] = struct.unpack("<QQ", key)
        """The key as the two numbers that ClickHouse takes."""

    @classmethod
    def of_file(cls, path: Path) -> Pseudonyms:
        """Those of the key in a file, 32 hexadecimal digits. Raises ValueError, OSError."""
        try:
            return cls(bytes.fromhex(path.read_text()))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def hide(self, address: str) -> str:
        """The pseudonym of an address. Raises ValueError for what is none."""
        return self._walk(address, hidden=False)

    def reveal(self, address: str) -> str:
        """The address that a pseudonym stands for. Raises ValueError."""
        return self._walk(address, hidden=True)

    def of_incident(self, incident_id: str) -> str:
        """The keyed hash that stands for an incident's id (16 characters): only a list of ids leads back."""
        return f"{self._hash(incident_id.encode()):016x}"

    def _walk(self, address: str, *, hidden: bool) -> str:
        """Bit by bit from the left; what is hashed are always the true bits before it."""
        parsed = ipaddress.ip_address(address)
        given = int(parsed) | (_IPV4 if parsed.version == 4 else 0)
        first = 96 if given >> 32 == 0xFFFF else 0
        true, out = given >> (128 - first), given >> (128 - first)
        for place in range(first, 128):
            bit = given >> (127 - place) & 1
            flip = self._hash((1 << place | true).to_bytes(16, "little")) & 1
            out = out << 1 | (bit ^ flip)
            true = true << 1 | ((bit ^ flip) if hidden else bit)
        return str(ipaddress.IPv4Address(out & 0xFFFFFFFF) if first else ipaddress.IPv6Address(out))

    def _hash(self, message: bytes) -> int:
        """SipHash-2-4 (Aumasson, Bernstein 2012) of a message of whole 8-byte words."""
        k0, k1 = self.halves
        v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]
        for word in (*struct.unpack(f"<{len(message) // 8}Q", message), (len(message) & 0xFF) << 56):
            v[3] ^= word
            _round(v)
            _round(v)
            v[0] ^= word
        v[2] ^= 0xFF
        for _ in range(4):
            _round(v)
        return v[0] ^ v[1] ^ v[2] ^ v[3]


def _round(v: list[int]) -> None:
    v[0] = (v[0] + v[1]) & _MASK
    v[1] = _rotated(v[1], 13) ^ v[0]
    v[0] = _rotated(v[0], 32)
    v[2] = (v[2] + v[3]) & _MASK
    v[3] = _rotated(v[3], 16) ^ v[2]
    v[0] = (v[0] + v[3]) & _MASK
    v[3] = _rotated(v[3], 21) ^ v[0]
    v[2] = (v[2] + v[1]) & _MASK
    v[1] = _rotated(v[1], 17) ^ v[2]
    v[2] = _rotated(v[2], 32)


def _rotated(word: int, by: int) -> int:
    return (word << by | word >> (64 - by)) & _MASK

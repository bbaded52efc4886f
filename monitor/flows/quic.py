"""QUIC 1 and 2 (RFC 9000, 9001, 9369): Initial packets known by their header, and the ClientHello decrypted from them.

The kernel only recognises and asks the flow table to keep the client's Initials (status DEFER); decryption needs
`cryptography` and runs outside of the kernels, once a flow. The ClientHello itself is read by `tls.py`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from monitor.flows import tls
from monitor.flows.bytes import be32, byte
from monitor.flows.ja4 import OVER_QUIC
from monitor.flows.names import DEFER, DONE, NOT, IncompleteError, Names, new_rows, read_names
from monitor.flows.services import service_id
from monitor.jit import Integer, inner, lean

VERSION_1, VERSION_2 = 0x00000001, 0x6B3343CF
_DRAFTS = 0xFF000000
_FIRST_DRAFT, _SALT_29, _SALT_33, _LAST_DRAFT = 23, 29, 33, 34
_MAX_ID = 20  # RFC 9000, 17.2
_MAX_CRYPTO = 65536
_QUIC = service_id("quic")
_SALTS = {  # RFC 9001, 5.2; RFC 9369, 3.3.1; drafts
    VERSION_1: bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a"),
    VERSION_2: bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9"),
    _SALT_29: bytes.fromhex("afbfec289993d24c9e9786f19c6111e04390a899"),
    _FIRST_DRAFT: bytes.fromhex("c3eef712c72ebb5a11a7d2432bb46365bef9f502"),
}


@lean
def _is_ietf(version: Integer) -> bool:
    """A version whose Initials we can open."""
    draft = version - _DRAFTS
    return version in (VERSION_1, VERSION_2) or _FIRST_DRAFT <= draft <= _LAST_DRAFT


@inner
def _varint(buf: Any, at: Integer, end: Integer) -> tuple[Integer, Integer]:
    """Variable-length integer (RFC 9000, 16) and the place after it; -1 when it is not all there."""
    if at >= end:
        return -1, at
    size = 1 << (byte(buf, at) >> 6)
    if at + size > end:
        return -1, at
    value = byte(buf, at) & 0x3F
    for i in range(at + 1, at + size):
        value = (value << 8) | byte(buf, i)
    return value, at + size


@inner
def _is_initial(buf: Any, start: Integer, end: Integer, version: Integer) -> bool:
    """Is it a whole Initial packet (RFC 9000, 17.2.2): type, connection ids, token and length all fit?"""
    kind = (byte(buf, start) >> 4) & 3
    if kind != (1 if version == VERSION_2 else 0) or not byte(buf, start) & 0x40:
        return False
    at = start + 5
    for _ in range(2):
        if at >= end or byte(buf, at) > _MAX_ID:
            return False
        at += 1 + byte(buf, at)
    token, at = _varint(buf, at, end)
    if token < 0 or at + token > end:
        return False
    size, at = _varint(buf, at + token, end)
    return bool(size >= 20 and at + size <= end)


@inner
def _is_google(buf: Any, at: Integer) -> bool:
    """A version of Google's own, Q0nn or T0nn."""
    mark = be32(buf, at)
    return mark >> 16 in (0x5130, 0x5430) and 0x30 <= ((mark >> 8) & 0xFF) <= 0x39 and 0x30 <= (mark & 0xFF) <= 0x39


@lean
def datagram(buf: Any, start: Integer, end: Integer, from_client: bool) -> Integer:
    """One datagram: DEFER for an Initial of the client, DONE for other long headers of known versions, else NOT."""
    if end - start < 21:
        return NOT
    if not byte(buf, start) & 0x80:  # Google's, before it was like IETF's: flags, connection id, version
        old = byte(buf, start) in (0x08, 0x09, 0x0C, 0x0D, 0x19, 0x1D) and _is_google(buf, start + 9)
        return DONE if old else NOT
    version = be32(buf, start + 1)
    if not _is_ietf(version):
        return DONE if byte(buf, start) & 0x40 and _is_google(buf, start + 1) else NOT
    if byte(buf, start + 5) > _MAX_ID:
        return NOT
    if from_client and _is_initial(buf, start, end, version):
        return DEFER
    return DONE


@dataclass(frozen=True, slots=True)
class _Keys:
    """What protects the client's Initial packets of one connection."""

    key: bytes
    iv: bytes
    header: bytes


@lru_cache(maxsize=64)
def _client_keys(version: int, connection_id: bytes) -> _Keys:
    """Keys from the client's first destination connection id (RFC 9001, 5.2)."""
    draft = version - _DRAFTS
    if version in _SALTS:
        salt = _SALTS[version]
    elif draft >= _SALT_33:
        salt = _SALTS[VERSION_1]
    else:
        salt = _SALTS[_SALT_29 if draft >= _SALT_29 else _FIRST_DRAFT]
    prefix = b"quicv2 " if version == VERSION_2 else b"quic "
    initial = hmac.digest(salt, connection_id, hashlib.sha256)
    client = _expand(initial, b"client in", 32)
    key, iv = _expand(client, prefix + b"key", 16), _expand(client, prefix + b"iv", 12)
    return _Keys(key, iv, _expand(client, prefix + b"hp", 16))


def _expand(secret: bytes, label: bytes, size: int) -> bytes:
    """HKDF-Expand-Label (RFC 8446, 7.1) for at most 32 bytes."""
    full = b"tls13 " + label
    info = size.to_bytes(2, "big") + bytes([len(full)]) + full + b"\0"
    return hmac.digest(secret, info + b"\x01", hashlib.sha256)[:size]


class _Reader:
    """Reads numbers of a packet or frame; every read past the end is a ValueError."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.at = 0

    def take(self, size: int) -> bytes:
        if size < 0 or self.at + size > len(self.octets):
            raise ValueError(f"QUIC: {size} bytes wanted at {self.at} of {len(self.octets)}")
        self.at += size
        return self.octets[self.at - size : self.at]

    def varint(self) -> int:
        first = self.take(1)[0]
        value = first & 0x3F
        for octet in self.take((1 << (first >> 6)) - 1):
            value = value << 8 | octet
        return value


@dataclass(frozen=True, slots=True)
class _Packet:
    """One protected Initial packet: all of its bytes, and where its packet number begins."""

    version: int
    connection_id: bytes
    octets: bytes
    number_at: int


def _initials(datagram: bytes) -> Iterator[_Packet]:
    """The Initial packets at the beginning of a datagram (RFC 9000, 12.2: packets may be coalesced)."""
    reader = _Reader(datagram)
    while reader.at < len(datagram):
        begin = reader.at
        first = reader.take(1)[0]
        if not first & 0x80:
            return
        version = int.from_bytes(reader.take(4), "big")
        destination = reader.take(reader.take(1)[0])
        reader.take(reader.take(1)[0])
        if not _is_ietf(version) or (first >> 4) & 3 != (1 if version == VERSION_2 else 0):
            return
        reader.take(reader.varint())
        size = reader.varint()
        number_at = reader.at - begin
        reader.take(size)
        yield _Packet(version, destination, datagram[begin : reader.at], number_at)


def _open(packet: _Packet, keys: _Keys) -> bytes:
    """Payload of a packet: header protection undone (RFC 9001, 5.4), then decrypted. Raises ValueError."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    at = packet.number_at
    sample = packet.octets[at + 4 : at + 20]
    if len(sample) < 16:
        raise ValueError("QUIC: Initial packet too short for header protection")
    mask = Cipher(algorithms.AES(keys.header), modes.ECB()).encryptor().update(sample)  # noqa: S305 (RFC 9001, 5.4.3)
    first = packet.octets[0] ^ (mask[0] & 0x0F)
    size = (first & 3) + 1
    number = bytes(a ^ b for a, b in zip(packet.octets[at : at + size], mask[1:], strict=False))
    header = bytes([first]) + packet.octets[1:at] + number
    nonce = (int.from_bytes(keys.iv, "big") ^ int.from_bytes(number, "big")).to_bytes(12, "big")
    try:
        return AESGCM(keys.key).decrypt(nonce, packet.octets[at + size :], header)
    except InvalidTag:
        raise ValueError("QUIC: Initial packet does not decrypt") from None


def _crypto_frames(payload: bytes) -> Iterator[tuple[int, bytes]]:
    """Offset and bytes of each CRYPTO frame (RFC 9000, 19); others that an Initial may hold are stepped over."""
    reader = _Reader(payload)
    while reader.at < len(payload):
        kind = reader.varint()
        if kind in (0x00, 0x01):  # PADDING, PING
            continue
        if kind in (0x02, 0x03):  # ACK
            reader.varint(), reader.varint()
            ranges = reader.varint()
            for _ in range(1 + 2 * ranges + (3 if kind == 0x03 else 0)):
                reader.varint()
        elif kind == 0x06:
            offset = reader.varint()
            yield offset, reader.take(reader.varint())
        elif kind == 0x1C:  # CONNECTION_CLOSE
            reader.varint(), reader.varint()
            reader.take(reader.varint())
        else:
            raise ValueError(f"QUIC: frame type {kind:#x} in an Initial packet")


def _stream(datagrams: Sequence[bytes]) -> bytes:
    """The CRYPTO stream of the client from its beginning up to the first gap."""
    pieces: list[tuple[int, bytes]] = []
    known: list[_Keys] = []
    failure = ValueError("QUIC: no Initial packet")
    for datagram in datagrams:
        try:
            for packet in _initials(datagram):
                own = _client_keys(packet.version, packet.connection_id)
                # later packets go to the server's id under the first keys; after a Retry they have new ones
                for keys in [*known, own]:
                    try:
                        payload = _open(packet, keys)
                    except ValueError as error:
                        failure = error
                        continue
                    known = [keys, *(other for other in known if other != keys)]
                    pieces.extend(_crypto_frames(payload))
                    break
        except ValueError as error:
            failure = error
    if not pieces:
        raise failure
    stream = bytearray()
    for offset, octets in sorted(pieces):
        if offset > len(stream) or offset + len(octets) > _MAX_CRYPTO:
            break
        stream[offset : offset + len(octets)] = octets
    return bytes(stream)


def put_client_hello(datagrams: Sequence[bytes], row: Any) -> None:
    """Decrypt the client's Initials, in the order seen, and put what the ClientHello says into a names row.

    Raises `IncompleteError` when later datagrams may bring the rest, ValueError when they are no hello that opens.
    """
    stream = _stream(datagrams)
    if stream and stream[0] != 1:
        raise ValueError(f"QUIC: handshake message {stream[0]} where a ClientHello belongs")
    if len(stream) < 4 or len(stream) < 4 + int.from_bytes(stream[1:4], "big"):
        raise IncompleteError(f"QUIC: ClientHello incomplete after {len(stream)} bytes of {len(datagrams)} datagrams")
    size = 4 + int.from_bytes(stream[1:4], "big")
    if tls.client_hello(np.frombuffer(stream, np.uint8), 4, size, row, OVER_QUIC) != DONE:
        raise ValueError("QUIC: ClientHello is broken")
    row["service"] = _QUIC


def client_hello(datagrams: Sequence[bytes]) -> Names:
    """What the ClientHello in a client's first datagrams says. Raises ValueError (`IncompleteError`: needs more)."""
    row = new_rows(1)[0]
    put_client_hello(datagrams, row)
    return read_names(row)


def parse(payload: bytes) -> Names:
    """What the ClientHello in one datagram says. Raises ValueError."""
    return client_hello([payload])

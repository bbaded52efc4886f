"""What a QUIC client's Initial packets carry (RFC 9000, 9001, 9369): opened with their public keys, put together.

Which datagrams hold Initials is told by `quic.py`, what the ClientHello says by `tls.py`; the stream and the client's
first connection id live with whoever calls, from datagram to datagram.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.flows.aes import TAG_BYTES, encrypt, expand_key, unseal
from monitor.flows.bytes import be32, byte
from monitor.flows.digests import sha256
from monitor.flows.first_payload import MAX_ID
from monitor.flows.reassembly import place
from monitor.jit import Integer, inlined, inner
from monitor.stack import read_only, stack_u8, stack_u32

VERSION_1, VERSION_2 = 0x00000001, 0x6B3343CF
DRAFTS = 0xFF000000
FIRST_DRAFT, LAST_DRAFT = 23, 34
_SALT_29, _SALT_33 = 29, 33

_ROOM = 2048  # of an Initial packet: mirrors show no larger ones
_MOST_PACKETS = 4  # of one datagram
_SALTS = np.frombuffer(  # RFC 9001, 5.2; RFC 9369, 3.3.1; drafts 29 and 23
    bytes.fromhex(
        "38762cf7f55934b34d179ae6a4c80cadccbb7f0a0dede3def700a6db819381be6e269dcbf9bd2ed9"
        "afbfec289993d24c9e9786f19c6111e04390a899c3eef712c72ebb5a11a7d2432bb46365bef9f502"
    ),
    np.uint8,
).reshape(4, 20)


def _info(label: str, size: int) -> npt.NDArray[np.uint8]:
    """HkdfLabel (RFC 8446, 7.1) and the counter of HKDF's first block (RFC 5869, 2.3)."""
    full = b"tls13 " + label.encode()
    return np.frombuffer(size.to_bytes(2, "big") + bytes([len(full)]) + full + b"\0\1", np.uint8).copy()


_CLIENT = _info("client in", 32)
_KEY_1, _IV_1, _HP_1 = _info("quic key", 16), _info("quic iv", 12), _info("quic hp", 16)
_KEY_2, _IV_2, _HP_2 = _info("quicv2 key", 16), _info("quicv2 iv", 12), _info("quicv2 hp", 16)


@inner
def _hmac(key: Any, size: Integer, message: Any, count: Integer, out: Any) -> None:
    """HMAC-SHA-256 (RFC 2104) of at most 64 bytes with a key of at most 64."""
    block = stack_u8(128)
    for i in range(64):
        block[i] = 0x36 ^ (np.int64(key[i]) if i < size else 0)
    for i in range(count):
        block[64 + i] = message[i]
    sha256(block, 0, 64 + count, out)
    for i in range(64):
        block[i] = 0x5C ^ (np.int64(key[i]) if i < size else 0)
    for i in range(32):
        block[64 + i] = out[i]
    sha256(block, 0, 96, out)


@inner
def derive(version: Integer, identity: Any, size: Integer, key: Any, nonce: Any, mask: Any) -> None:
    """Keys of the client's Initials (32 bytes of room each) from its first destination id (RFC 9001, 5.2)."""
    draft = version - DRAFTS
    salt = 0
    if version == VERSION_2:
        salt = 1
    elif 0 <= draft < _SALT_33:
        salt = 2 if draft >= _SALT_29 else 3
    salted, initial, client = stack_u8(20), stack_u8(32), stack_u8(32)
    for i in range(20):
        salted[i] = _SALTS[salt, i]
    _hmac(salted, 20, read_only(identity), size, initial)
    _hmac(initial, 32, read_only(_CLIENT), len(_CLIENT), client)
    if version == VERSION_2:
        _hmac(client, 32, read_only(_KEY_2), len(_KEY_2), key)
        _hmac(client, 32, read_only(_IV_2), len(_IV_2), nonce)
        _hmac(client, 32, read_only(_HP_2), len(_HP_2), mask)
    else:
        _hmac(client, 32, read_only(_KEY_1), len(_KEY_1), key)
        _hmac(client, 32, read_only(_IV_1), len(_IV_1), nonce)
        _hmac(client, 32, read_only(_HP_1), len(_HP_1), mask)


@inner
def varint(buf: Any, at: Integer, end: Integer) -> tuple[Integer, Integer]:
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


@inlined
def is_ietf(version: Integer) -> bool:
    """A version whose Initials we can open."""
    return bool(version == VERSION_1 or version == VERSION_2 or FIRST_DRAFT <= version - DRAFTS <= LAST_DRAFT)


@inner
def bounds(buf: Any, at: Integer, end: Integer) -> tuple[Integer, Integer]:
    """Of a whole Initial packet (RFC 9000, 17.2.2): where its number begins and where it ends; -1: it is none."""
    if end - at < 7 or byte(buf, at) & 0xC0 != 0xC0:
        return -1, at
    version = be32(buf, at + 1)
    if not is_ietf(version) or (byte(buf, at) >> 4) & 3 != (1 if version == VERSION_2 else 0):
        return -1, at
    at += 5
    for _ in range(2):
        if at >= end or byte(buf, at) > MAX_ID:
            return -1, at
        at += 1 + byte(buf, at)
    token, at = varint(buf, at, end)
    if token < 0 or at + token > end:
        return -1, at
    size, at = varint(buf, at + token, end)
    if size < 4 + TAG_BYTES or at + size > end:
        return -1, at
    return at, at + size


@inner
def open_packet(
    buf: Any, begin: Integer, number_at: Integer, end: Integer, identity: Any, identity_size: Integer, out: Any
) -> Integer:
    """Open the Initial in `[begin, end)` with the keys of that connection id (RFC 9001, 5): bytes in `out`, or -1."""
    if end - begin > _ROOM:
        return -1
    key, nonce, mask, header = stack_u8(32), stack_u8(32), stack_u8(32), stack_u8(_ROOM)
    derive(be32(buf, begin + 1), identity, identity_size, key, nonce, mask)
    schedule, sample = stack_u32(44), stack_u8(16)
    expand_key(mask, schedule)
    for i in range(16):
        sample[i] = buf[number_at + 4 + i]
    encrypt(schedule, sample, sample)
    for i in range(begin, number_at):
        header[i - begin] = buf[i]
    header[0] ^= sample[0] & 0x0F
    size = (np.int64(header[0]) & 3) + 1
    for i in range(size):
        plain = buf[number_at + i] ^ sample[1 + i]
        header[number_at - begin + i] = plain
        nonce[12 - size + i] ^= plain
    return unseal(key, nonce, header, number_at - begin + size, buf, number_at + size, end, out)


@inner
def place_frames(
    plain: Any, end: Integer, stream: Any, marks: Any, joined: Integer, high: Integer
) -> tuple[Integer, Integer]:
    """Put the CRYPTO frames (RFC 9000, 19) of an opened packet into the stream: (joined, high) as of `place`."""
    at = 0
    while at < end:
        kind, at = varint(plain, at, end)
        if kind <= 1:  # PADDING, PING; -1: broken
            if kind < 0:
                break
            continue
        fields = 0
        if kind == 2 or kind == 3:  # ACK
            for _ in range(3):
                fields, at = varint(plain, at, end)
                if fields < 0:
                    return joined, high
            fields = 1 + 2 * fields + (3 if kind == 3 else 0)
            while fields > 0:
                value, at = varint(plain, at, end)
                if value < 0:
                    return joined, high
                fields -= 1
        elif kind == 6:  # CRYPTO
            offset, at = varint(plain, at, end)
            size, at = varint(plain, at, end)
            if offset < 0 or size < 0 or at + size > end:
                break
            if offset < len(stream):
                joined, high = place(stream, marks, joined, high, offset, plain, at, size)
            at += size
        else:  # CONNECTION_CLOSE has nothing behind it that we want; others do not belong here
            break
    return joined, high


@inner
def read_initials(
    buf: Any, at: Integer, end: Integer, identity: Any, identity_size: Integer, stream: Any, marks: Any,
    joined: Integer, high: Integer,
) -> tuple[Integer, Integer, Integer]:  # fmt: skip
    """Open the Initials of one datagram (RFC 9000, 12.2: several may be coalesced): (joined, high, size of the id).

    `identity`: MAX_ID bytes, the connection id that the keys come from, `identity_size` of them; -1: not known yet.
    Later packets go to the server's own id under the first keys; after a Retry the keys are of a new id, kept instead.
    """
    own, plain = stack_u8(MAX_ID), stack_u8(_ROOM)
    for _ in range(_MOST_PACKETS):
        number_at, after = bounds(buf, at, end)
        if number_at < 0:
            break
        size = -1
        if identity_size >= 0:
            size = open_packet(buf, at, number_at, after, identity, identity_size, plain)
        if size < 0:
            own_size = byte(buf, at + 5)
            for i in range(own_size):
                own[i] = buf[at + 6 + i]
            size = open_packet(buf, at, number_at, after, own, own_size, plain)
            if size >= 0:
                for i in range(own_size):
                    identity[i] = own[i]
                identity_size = own_size
        if size > 0:
            joined, high = place_frames(read_only(plain), size, stream, marks, joined, high)
        at = after
    return joined, high, identity_size

"""MD5, SHA-1 and SHA-256 over a slice of a byte buffer, for kernels: HASSH, Community ID and JA4 are digests.

They name things here and protect nothing; where secrecy or signatures matter, `cryptography` does the work.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from monitor.jit import Integer, inlined, inner, kernel
from monitor.stack import stack_u8, stack_u32

_MD5_SHIFTS = np.array([7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21], np.int64)
_MD5_SINES = np.array([int(abs(math.sin(step + 1)) * 2**32) & 0xFFFFFFFF for step in range(64)], np.uint32)
_MD5_START = np.array([0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476], np.uint32)
_SHA1_START = np.array([0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0], np.uint32)


def _fractional_roots(count: int, power: float) -> list[int]:
    """First 32 bits of the fractions of the roots of the first primes (FIPS 180-4, 4.2.2 and 5.3.3)."""
    primes = [n for n in range(2, 312) if all(n % divisor for divisor in range(2, math.isqrt(n) + 1))][:count]
    return [int((prime**power % 1) * 2**32) for prime in primes]


_SHA256_ROUNDS = np.array(_fractional_roots(64, 1 / 3), np.uint32)
_SHA256_START = np.array(_fractional_roots(8, 1 / 2), np.uint32)


@inlined
def _left(word: Any, bits: Any) -> Any:
    return np.uint32((np.uint64(word) << np.uint64(bits)) | (np.uint64(word) >> np.uint64(32 - bits)))


@inlined
def _right(word: Any, bits: Any) -> Any:
    return np.uint32((np.uint64(word) >> np.uint64(bits)) | (np.uint64(word) << np.uint64(32 - bits)))


@inner
def _tail(buf: Any, start: Integer, end: Integer, big_endian: bool, block: Any) -> Integer:
    """Fill `block` (128 bytes) with the last partial block, padding and bit length; gives the bytes used."""
    size = end - start
    left = size & 63
    used = 64 if left < 56 else 128
    for i in range(128):
        block[i] = 0
    for i in range(left):
        block[i] = buf[end - left + i]
    block[left] = 0x80
    bits = size * 8
    for i in range(8):
        block[used - 1 - i if big_endian else used - 8 + i] = (bits >> (8 * i)) & 0xFF
    return used


@inlined
def _big_word(buf: Any, at: Integer) -> Any:
    return np.uint32(
        (np.uint64(buf[at]) << np.uint64(24))
        | (np.uint64(buf[at + 1]) << np.uint64(16))
        | (np.uint64(buf[at + 2]) << np.uint64(8))
        | np.uint64(buf[at + 3])
    )


@inlined
def _little_word(buf: Any, at: Integer) -> Any:
    return np.uint32(
        (np.uint64(buf[at + 3]) << np.uint64(24))
        | (np.uint64(buf[at + 2]) << np.uint64(16))
        | (np.uint64(buf[at + 1]) << np.uint64(8))
        | np.uint64(buf[at])
    )


@inner
def _md5_block(buf: Any, at: Integer, state: Any) -> None:
    a, b, c, d = state[0], state[1], state[2], state[3]
    for step in range(64):
        if step < 16:
            mix, word = (b & c) | (~b & d), step
        elif step < 32:
            mix, word = (d & b) | (~d & c), (5 * step + 1) & 15
        elif step < 48:
            mix, word = b ^ c ^ d, (3 * step + 5) & 15
        else:
            mix, word = c ^ (b | ~d), (7 * step) & 15
        total = np.uint32(np.uint32(mix) + a + _MD5_SINES[step] + _little_word(buf, at + 4 * word))
        a, d, c = d, c, b
        b = np.uint32(b + _left(total, _MD5_SHIFTS[(step >> 4) * 4 + (step & 3)]))
    state[0] += a
    state[1] += b
    state[2] += c
    state[3] += d


@inner
def _sha1_block(buf: Any, at: Integer, state: Any, schedule: Any) -> None:
    for i in range(16):
        schedule[i] = _big_word(buf, at + 4 * i)
    for i in range(16, 80):
        schedule[i] = _left(schedule[i - 3] ^ schedule[i - 8] ^ schedule[i - 14] ^ schedule[i - 16], 1)
    a, b, c, d, e = state[0], state[1], state[2], state[3], state[4]
    for step in range(80):
        if step < 20:
            mix, constant = (b & c) | (~b & d), np.uint32(0x5A827999)
        elif step < 40:
            mix, constant = b ^ c ^ d, np.uint32(0x6ED9EBA1)
        elif step < 60:
            mix, constant = (b & c) | (b & d) | (c & d), np.uint32(0x8F1BBCDC)
        else:
            mix, constant = b ^ c ^ d, np.uint32(0xCA62C1D6)
        total = np.uint32(_left(a, 5) + np.uint32(mix) + e + constant + schedule[step])
        e, d, c, b, a = d, c, _left(b, 30), a, total
    state[0] += a
    state[1] += b
    state[2] += c
    state[3] += d
    state[4] += e


@inner
def _sha256_block(buf: Any, at: Integer, state: Any, schedule: Any) -> None:
    for i in range(16):
        schedule[i] = _big_word(buf, at + 4 * i)
    for i in range(16, 64):
        near, far = schedule[i - 2], schedule[i - 15]
        small1 = _right(near, 17) ^ _right(near, 19) ^ (near >> np.uint32(10))
        small0 = _right(far, 7) ^ _right(far, 18) ^ (far >> np.uint32(3))
        schedule[i] = np.uint32(small1 + schedule[i - 7] + small0 + schedule[i - 16])
    a, b, c, d = state[0], state[1], state[2], state[3]
    e, f, g, h = state[4], state[5], state[6], state[7]
    for step in range(64):
        big1 = _right(e, 6) ^ _right(e, 11) ^ _right(e, 25)
        choice = (e & f) ^ (~e & g)
        first = np.uint32(h + big1 + np.uint32(choice) + _SHA256_ROUNDS[step] + schedule[step])
        big0 = _right(a, 2) ^ _right(a, 13) ^ _right(a, 22)
        majority = (a & b) ^ (a & c) ^ (b & c)
        h, g, f, e = g, f, e, np.uint32(d + first)
        d, c, b, a = c, b, a, np.uint32(first + big0 + majority)
    state[0] += a
    state[1] += b
    state[2] += c
    state[3] += d
    state[4] += e
    state[5] += f
    state[6] += g
    state[7] += h


@inlined
def _copy(values: Any, to: Any) -> None:
    for i in range(values.size):
        to[i] = values[i]


@kernel
def md5(buf: Any, start: Integer, end: Integer, out: Any) -> None:
    """Write the MD5 (RFC 1321) of `buf[start:end]` into the first 16 bytes of `out` (uint8)."""
    state = stack_u32(4)
    _copy(_MD5_START, state)
    block = stack_u8(128)
    at = start
    while end - at >= 64:
        _md5_block(buf, at, state)
        at += 64
    used = _tail(buf, start, end, False, block)
    for at in range(0, used, 64):
        _md5_block(block, at, state)
    for i in range(16):
        out[i] = (state[i >> 2] >> np.uint32(8 * (i & 3))) & np.uint32(0xFF)


@kernel
def sha1(buf: Any, start: Integer, end: Integer, out: Any) -> None:
    """Write the SHA-1 (FIPS 180-4) of `buf[start:end]` into the first 20 bytes of `out` (uint8)."""
    state = stack_u32(5)
    _copy(_SHA1_START, state)
    block = stack_u8(128)
    schedule = stack_u32(80)
    at = start
    while end - at >= 64:
        _sha1_block(buf, at, state, schedule)
        at += 64
    used = _tail(buf, start, end, True, block)
    for at in range(0, used, 64):
        _sha1_block(block, at, state, schedule)
    for i in range(20):
        out[i] = (state[i >> 2] >> np.uint32(24 - 8 * (i & 3))) & np.uint32(0xFF)


@kernel
def sha256(buf: Any, start: Integer, end: Integer, out: Any) -> None:
    """Write the SHA-256 (FIPS 180-4) of `buf[start:end]` into the first 32 bytes of `out` (uint8)."""
    state = stack_u32(8)
    _copy(_SHA256_START, state)
    block = stack_u8(128)
    schedule = stack_u32(64)
    at = start
    while end - at >= 64:
        _sha256_block(buf, at, state, schedule)
        at += 64
    used = _tail(buf, start, end, True, block)
    for at in range(0, used, 64):
        _sha256_block(block, at, state, schedule)
    for i in range(32):
        out[i] = (state[i >> 2] >> np.uint32(24 - 8 * (i & 3))) & np.uint32(0xFF)

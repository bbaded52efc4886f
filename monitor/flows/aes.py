"""AES-128 (FIPS 197) and opening what AES-128-GCM sealed (NIST SP 800-38D), for kernels: QUIC Initials are so sealed.

Their keys are public, so nothing here guards a secret and nothing is done against timing; `cryptography` is what the
tests compare with.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.flows.bytes import be32, be64, byte
from monitor.jit import Integer, inlined, inner
from monitor.stack import read_only, stack_u8, stack_u32, stack_u64

TAG_BYTES = 16


def _double(value: int) -> int:
    """Times x in GF(2⁸) (FIPS 197, 4.2.1)."""
    return (value << 1) ^ (0x11B if value & 0x80 else 0)


def _substitutes() -> list[int]:
    """The S-box (FIPS 197, 5.1.1): multiplicative inverse, then an affine map."""
    powers = [1]  # of the generator x + 1
    for _ in range(254):
        powers.append(powers[-1] ^ _double(powers[-1]))
    inverse = [0] * 256
    for exponent, value in enumerate(powers):
        inverse[value] = powers[-exponent % 255]
    box = []
    for value in inverse:
        turned = [((value << turn) | (value >> (8 - turn))) & 0xFF for turn in range(5)]
        box.append(turned[0] ^ turned[1] ^ turned[2] ^ turned[3] ^ turned[4] ^ 0x63)
    return box


def _columns(box: list[int]) -> npt.NDArray[np.uint32]:
    """Substitution and MixColumns of a byte in the first row, as a word."""
    return np.array([_double(s) << 24 | s << 16 | s << 8 | _double(s) ^ s for s in box], np.uint32)


_BOX = np.array(_substitutes(), np.uint32)
_MIXED = _columns(_substitutes())
_ROUNDS = np.array([0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1B, 0x36], np.uint32)

_4, _60, _48, _F = np.uint64(4), np.uint64(60), np.uint64(48), np.uint64(15)


def _reductions() -> npt.NDArray[np.uint64]:
    """What four bits shifted out of a GCM field element come back as, for its top 16 bits."""
    found = []
    for bits in range(16):
        value = 0
        for k in range(4):
            if (bits >> k) & 1:
                value ^= 0xE100 >> (3 - k)
        found.append(value)
    return np.array(found, np.uint64)


_REDUCED = _reductions()


@inlined
def _turned(word: Integer, bits: Integer) -> Integer:
    return ((np.int64(word) >> bits) | (np.int64(word) << (32 - bits))) & 0xFFFFFFFF


@inlined
def _substituted(word: Integer) -> Integer:
    return (
        (np.int64(_BOX[(word >> 24) & 0xFF]) << 24)
        | (np.int64(_BOX[(word >> 16) & 0xFF]) << 16)
        | (np.int64(_BOX[(word >> 8) & 0xFF]) << 8)
        | np.int64(_BOX[word & 0xFF])
    )


@inner
def expand_key(key: Any, schedule: Any) -> None:
    """Round keys (44 words) of a 16-byte key (FIPS 197, 5.2)."""
    for i in range(4):
        schedule[i] = be32(key, 4 * i)
    for i in range(4, 44):
        word = np.int64(schedule[i - 1])
        if i % 4 == 0:
            word = _substituted(_turned(word, 24)) ^ (np.int64(_ROUNDS[i // 4 - 1]) << 24)
        schedule[i] = np.int64(schedule[i - 4]) ^ word


@inlined
def _column(a: Integer, b: Integer, c: Integer, d: Integer, key: Any) -> Integer:
    """One column of a round: ShiftRows takes a byte of each word."""
    return (
        np.int64(_MIXED[(a >> 24) & 0xFF])
        ^ _turned(_MIXED[(b >> 16) & 0xFF], 8)
        ^ _turned(_MIXED[(c >> 8) & 0xFF], 16)
        ^ _turned(_MIXED[d & 0xFF], 24)
        ^ np.int64(key)
    )


@inlined
def _last_column(a: Integer, b: Integer, c: Integer, d: Integer, key: Any) -> Integer:
    mixed = (a & 0xFF000000) | (b & 0x00FF0000) | (c & 0x0000FF00) | (d & 0x000000FF)
    return _substituted(mixed) ^ np.int64(key)


@inner
def encrypt(schedule: Any, block: Any, out: Any) -> None:
    """One block of 16 bytes (FIPS 197, 5.1); `block` may be `out`."""
    a, b = be32(block, 0) ^ np.int64(schedule[0]), be32(block, 4) ^ np.int64(schedule[1])
    c, d = be32(block, 8) ^ np.int64(schedule[2]), be32(block, 12) ^ np.int64(schedule[3])
    for turn in range(1, 10):
        k = 4 * turn
        a, b, c, d = (
            _column(a, b, c, d, schedule[k]),
            _column(b, c, d, a, schedule[k + 1]),
            _column(c, d, a, b, schedule[k + 2]),
            _column(d, a, b, c, schedule[k + 3]),
        )
    words = (
        _last_column(a, b, c, d, schedule[40]),
        _last_column(b, c, d, a, schedule[41]),
        _last_column(c, d, a, b, schedule[42]),
        _last_column(d, a, b, c, schedule[43]),
    )
    for i in range(4):
        for k in range(4):
            out[4 * i + k] = (words[i] >> (24 - 8 * k)) & 0xFF


@inner
def _multiples(unit: Any, high: Any, low: Any) -> None:
    """The sixteen multiples of the hash key by four bits (Shoup's tables)."""
    upper, lower = be64(unit, 0), be64(unit, 8)
    high[0] = low[0] = 0
    high[8], low[8] = upper, lower
    i = 4
    while i > 0:
        carry = lower & np.uint64(1)
        lower = (upper << np.uint64(63)) | (lower >> np.uint64(1))
        upper = upper >> np.uint64(1)
        if carry:
            upper ^= np.uint64(0xE100000000000000)
        high[i], low[i] = upper, lower
        i >>= 1
    for i in (2, 4, 8):
        for j in range(1, i):
            high[i + j], low[i + j] = high[i] ^ high[j], low[i] ^ low[j]


@inner
def _absorb(state: Any, buf: Any, at: Integer, end: Integer, high: Any, low: Any) -> None:
    """GHASH (SP 800-38D, 6.4) over `buf[at:end]`, its last block filled up with zeros; `state`: 16 bytes."""
    while at < end:
        for i in range(min(end - at, 16)):
            state[i] ^= buf[at + i]
        upper, lower = np.uint64(0), np.uint64(0)
        for i in range(15, -1, -1):
            octet = np.int64(state[i])
            for nibble in (octet & 15, octet >> 4):
                reduced = _REDUCED[np.int64(lower & _F)] << _48
                lower = (upper << _60) | (lower >> _4)
                upper = (upper >> _4) ^ reduced ^ high[nibble]
                lower ^= low[nibble]
        for i in range(8):
            state[i] = (upper >> np.uint64(56 - 8 * i)) & np.uint64(0xFF)
            state[8 + i] = (lower >> np.uint64(56 - 8 * i)) & np.uint64(0xFF)
        at += 16


@inner
def unseal(
    key: Any, nonce: Any, header: Any, header_size: Integer, buf: Any, at: Integer, end: Integer, out: Any
) -> Integer:
    """Open `buf[at:end]`, ciphertext and tag, into `out`: bytes of plain text, -1 when the tag is not right.

    `key`: 16 bytes; `nonce`: 12; `header`: what is authenticated with it.
    """
    size = end - at - TAG_BYTES
    if size < 0:
        return -1
    schedule = stack_u32(44)
    expand_key(key, schedule)
    block, counter, state = stack_u8(16), stack_u8(16), stack_u8(16)
    high, low = stack_u64(16), stack_u64(16)
    for i in range(16):
        counter[i] = nonce[i] if i < 12 else 0
        block[i] = state[i] = 0
    encrypt(schedule, block, block)
    _multiples(block, high, low)
    _absorb(state, read_only(header), 0, header_size, high, low)
    _absorb(state, buf, at, at + size, high, low)
    lengths = stack_u8(16)
    for i in range(8):
        lengths[i] = ((8 * header_size) >> (56 - 8 * i)) & 0xFF
        lengths[8 + i] = ((8 * size) >> (56 - 8 * i)) & 0xFF
    _absorb(state, read_only(lengths), 0, 16, high, low)
    counter[15] = 1
    encrypt(schedule, counter, block)
    for i in range(16):
        if byte(buf, at + size + i) != np.int64(block[i] ^ state[i]):
            return -1
    for start in range(0, size, 16):
        number = start // 16 + 2
        counter[14], counter[15] = (number >> 8) & 0xFF, number & 0xFF
        encrypt(schedule, counter, block)
        for i in range(min(size - start, 16)):
            out[start + i] = buf[at + start + i] ^ block[i]
    return size

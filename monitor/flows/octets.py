"""Reading numbers and looking for patterns in a slice of a byte buffer, for the kernels of the protocols.

No function here looks outside the limits it is given; the fixed-width readers leave that check to their caller.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.flows.bytes import byte
from monitor.jit import Integer, inlined, inner


def pattern(text: bytes) -> npt.NDArray[np.uint8]:
    """A constant byte pattern for `starts_with` and `find`."""
    return np.frombuffer(text, np.uint8).copy()


@inlined
def be24(buf: Any, at: Integer) -> Integer:
    """Three bytes at `at` as a big-endian number; the caller has checked that they are there."""
    return (byte(buf, at) << 16) | (byte(buf, at + 1) << 8) | byte(buf, at + 2)


@inlined
def le16(buf: Any, at: Integer) -> Integer:
    """Two bytes at `at` as a little-endian number; the caller has checked that they are there."""
    return (byte(buf, at + 1) << 8) | byte(buf, at)


@inlined
def le32(buf: Any, at: Integer) -> Integer:
    """Four bytes at `at` as a little-endian number; the caller has checked that they are there."""
    return (byte(buf, at + 3) << 24) | (byte(buf, at + 2) << 16) | (byte(buf, at + 1) << 8) | byte(buf, at)


@inlined
def lower(octet: Any) -> Integer:
    """ASCII lower case of one byte."""
    value = int(octet)
    return value + 32 if 65 <= value <= 90 else value


@inlined
def is_digit(octet: Any) -> bool:
    """Is it an ASCII digit?"""
    return bool(48 <= octet <= 57)


@inlined
def is_letter(octet: Any) -> bool:
    """Is it an ASCII letter?"""
    return bool(97 <= (octet | 32) <= 122)


@inner
def starts_with(buf: Any, at: Integer, end: Integer, text: Any) -> bool:
    """Do the bytes from `at` begin with `text`, all of it before `end`?"""
    if end - at < text.size:
        return False
    for i in range(text.size):
        if byte(buf, at + i) != text[i]:
            return False
    return True


@inner
def starts_with_word(buf: Any, at: Integer, end: Integer, text: Any) -> bool:
    """As `starts_with`, whatever the case of ASCII letters; `text` is in lower case."""
    if end - at < text.size:
        return False
    for i in range(text.size):
        if lower(byte(buf, at + i)) != text[i]:
            return False
    return True


@inner
def may_become(buf: Any, at: Integer, end: Integer, text: Any) -> bool:
    """Are the bytes up to `end` a true beginning of `text`, so that more bytes could complete it?"""
    if end - at >= text.size:
        return False
    for i in range(end - at):
        if byte(buf, at + i) != text[i]:
            return False
    return True


@inner
def find(buf: Any, at: Integer, end: Integer, octet: Integer) -> Integer:
    """First place of `octet` in `[at, end)`, else `end`."""
    while at < end and byte(buf, at) != octet:
        at += 1
    return at


@inner
def line_end(buf: Any, at: Integer, end: Integer) -> Integer:
    """Place just after the next line feed, or -1 when the line is not complete."""
    while at < end:
        if byte(buf, at) == 10:
            return at + 1
        at += 1
    return -1


@inner
def trim_line(buf: Any, at: Integer, after: Integer) -> Integer:
    """End of a line's text, given the place after its line feed: without CR, LF and blanks at its end."""
    while after > at and (
        byte(buf, after - 1) == 10
        or byte(buf, after - 1) == 13
        or byte(buf, after - 1) == 32
        or byte(buf, after - 1) == 9
    ):
        after -= 1
    return after


@inner
def skip_blanks(buf: Any, at: Integer, end: Integer) -> Integer:
    """First place in `[at, end)` that is no blank or tab, else `end`."""
    while at < end and (byte(buf, at) == 32 or byte(buf, at) == 9):
        at += 1
    return at


@inner
def put_decimal(out: Any, at: Integer, value: Integer) -> Integer:
    """Write a non-negative number in decimal at `at`; gives the place after it. Needs 20 bytes of room."""
    digits = 1
    rest = value // 10
    while rest > 0:
        digits += 1
        rest //= 10
    for i in range(digits - 1, -1, -1):
        out[at + i] = 48 + value % 10
        value //= 10
    return at + digits


@inner
def put_hex(out: Any, at: Integer, octet: Integer) -> Integer:
    """Write one byte as two lower-case hexadecimal digits; gives the place after them."""
    for i in range(2):
        nibble = (octet >> 4) if i == 0 else (octet & 15)
        out[at + i] = 48 + nibble if nibble < 10 else 87 + nibble
    return at + 2

"""Turns the ticks of a pcapng interface's clock into microseconds since 1970, exactly and without overflow.

pcapng lets every interface choose its unit (if_tsresol: any power of ten or of two of a second) and its zero
(if_tsoffset). Which block says so is for `pcapng`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.jit import inlined

EARLIEST: Final = -2_208_988_800 * 1_000_000
"""1900-01-01, µs: what the store's DateTime64 begins with. Times before and after its range are held at its ends."""
LATEST: Final = 10_413_791_999 * 1_000_000 + 999_999
"""2299-12-31 23:59:59.999999, µs."""
_FAR: Final = 2**34
"""Seconds: an offset of more puts any time beyond those ends."""

# Columns of a clock in an interface's row of uint64.
_TIMES, _OVER, _MOST, _SHIFT, _OFFSET = 0, 1, 2, 3, 4
TIME_COLUMNS: Final = 5
_DECIMAL: Final = 255
_NEVER: Final = 0
_LATEST = np.uint64(LATEST)
_MILLION = np.uint64(1_000_000)
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
_SECONDS_MOST = np.uint64(LATEST // 1_000_000)


def clock_row(resolution: int, offset: int) -> tuple[int, int, int, int, int]:
    """A clock's columns, from the byte of if_tsresol and the seconds of if_tsoffset."""
    micros = max(min(offset, _FAR), -_FAR) * 1_000_000
    exponent = resolution & 0x7F
    if resolution & 0x80:
        return 0, 0, 0, exponent, micros
    if exponent <= 6:
        times = 10 ** (6 - exponent)
        return times, 1, LATEST // times, _DECIMAL, micros
    divisor = 10 ** (exponent - 6)
    return 1, divisor if divisor < 2**64 else _NEVER, 0, _DECIMAL, micros  # 64 bits of such ticks are no µs


@inlined
def to_micros(high: int, low: int, clocks: NDArray[np.uint64], i: np.uint64) -> int:
    """µs since 1970 of a 64-bit count of ticks of clock `i`, truncated, and held between EARLIEST and LATEST."""
    ticks = (np.uint64(high) << _32) | np.uint64(low)
    if clocks[i, _SHIFT] == np.uint64(_DECIMAL):
        micros = _decimal(ticks, clocks[i, _TIMES], clocks[i, _OVER], clocks[i, _MOST])
    else:
        micros = _binary(ticks, clocks[i, _SHIFT])
    time = np.int64(min(micros, _LATEST)) + np.int64(clocks[i, _OFFSET])
    if time < EARLIEST:
        return EARLIEST
    return int(time) if time < LATEST else LATEST


@inlined
def _decimal(ticks: np.uint64, times: np.uint64, over: np.uint64, most: np.uint64) -> np.uint64:
    """Ticks of a power of ten of a second; `over` 0 stands for a number beyond 64 bits."""
    if over == np.uint64(1):
        return ticks * times if ticks <= most else _LATEST
    if over == np.uint64(1000):  # nanoseconds: a constant divides faster
        return ticks // np.uint64(1000)
    return ticks // over if over > np.uint64(0) else np.uint64(0)


@inlined
def _binary(ticks: np.uint64, shift: np.uint64) -> np.uint64:
    """Ticks of 2**-shift seconds (shift up to 127); times a million they have up to 84 bits, held in two halves."""
    if shift >= np.uint64(64):
        seconds, rest = np.uint64(0), ticks
    else:
        seconds = ticks >> shift
        rest = ticks & ((np.uint64(1) << shift) - np.uint64(1))
    if seconds > _SECONDS_MOST:
        return _LATEST
    lower = (rest & _LOW) * _MILLION
    upper = (rest >> _32) * _MILLION + (lower >> _32)
    if shift < _32:  # then `upper` is below 2**20
        micros = ((upper << _32) | (lower & _LOW)) >> shift
    elif shift - _32 < np.uint64(64):
        micros = upper >> (shift - _32)
    else:
        micros = np.uint64(0)
    return seconds * _MILLION + micros

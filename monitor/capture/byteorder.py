"""Whole numbers out of bytes, for the kernels that walk capture files.

Every read is of one byte at a time, which LLVM joins to one load: no alignment is assumed, and with
`NUMBA_BOUNDSCHECK=1` every byte is checked. The caller has made sure that the bytes are there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.jit import inlined

_1, _2, _3 = np.uint64(1), np.uint64(2), np.uint64(3)


@inlined
def u32(data: NDArray[np.uint8], at: int, big: bool) -> int:
    """Four bytes of `data` at index `at` (>= 0), big or little endian, as a non-negative int64."""
    i = np.uint64(at)  # unsigned: spares the test for Python's negative indices
    a, b = np.int64(data[i]), np.int64(data[i + _1])
    c, d = np.int64(data[i + _2]), np.int64(data[i + _3])
    if big:
        return int((a << 24) | (b << 16) | (c << 8) | d)
    return int(a | (b << 8) | (c << 16) | (d << 24))


@inlined
def u16(data: NDArray[np.uint8], at: int, big: bool) -> int:
    """Two bytes of `data` at index `at` (>= 0), big or little endian, as a non-negative int64."""
    i = np.uint64(at)
    a, b = np.int64(data[i]), np.int64(data[i + _1])
    if big:
        return int((a << 8) | b)
    return int(a | (b << 8))

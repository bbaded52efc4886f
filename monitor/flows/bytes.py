"""Big-endian loads from captured bytes; callers check the bounds, tests run them with NUMBA_BOUNDSCHECK=1."""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.jit import Integer, inlined

_1, _2, _3, _4 = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
_U64 = np.uint64
_U32 = np.uint32
_U16 = np.uint16


# Unsigned indices: with signed ones Numba allows for Python's negative indexing at every byte.
@inlined
def be16(buf: Any, at: Integer) -> Integer:
    """Two bytes at `at` as an unsigned integer."""
    i = _U64(at)
    return np.int64((np.int64(buf[i]) << 8) | np.int64(buf[i + _1]))


@inlined
def be32(buf: Any, at: Integer) -> Integer:
    """Four bytes at `at` as an unsigned integer, in an int64."""
    i = _U64(at)
    return np.int64(
        (np.int64(buf[i]) << 24) | (np.int64(buf[i + _1]) << 16) | (np.int64(buf[i + _2]) << 8) | np.int64(buf[i + _3])
    )


@inlined
def be64(buf: Any, at: Integer) -> Any:
    """Eight bytes at `at` as a uint64."""
    return (_U64(be32(buf, at)) << _U64(32)) | _U64(be32(buf, at + 4))


@inlined
def byte(buf: Any, at: Integer) -> Integer:
    """The byte at `at`, in an int64."""
    return np.int64(buf[_U64(at)])

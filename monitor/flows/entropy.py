"""Shannon entropy of a flow's first payload bytes: near 8 for ciphertext, lower for text and structure."""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.jit import Integer, kernel

ENTROPY_BYTES = 256
"""Bytes that are looked at."""

# c log2 c for counts up to ENTROPY_BYTES: the sum needs no logarithm.
_TERMS = np.array([0.0] + [c * np.log2(c) for c in range(1, ENTROPY_BYTES + 1)], np.float64)
_LOGS = np.array([0.0] + [np.log2(c) for c in range(1, ENTROPY_BYTES + 1)], np.float64)


@kernel
def payload_entropy(data: Any, at: Integer, length: Integer, counts: Any) -> float:
    """Entropy in bit/byte of the first `length` (at most ENTROPY_BYTES) bytes at `at`; 0 for none (Shannon 1948).

    counts: (256,) scratch.
    """
    n = min(length, ENTROPY_BYTES)
    if n <= 0:
        return 0.0
    counts[:] = 0
    for i in range(n):
        counts[data[np.uint64(at + i)]] += np.uint16(1)
    total = 0.0
    for k in range(256):
        total += _TERMS[counts[k]]
    return _LOGS[n] - total / n

"""Writes columns of 16-byte addresses as text: IPv4 (mapped) dotted, IPv6 as RFC 5952 says.

For files and terminals; between stages and in the store addresses stay binary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from monitor.jit import kernel

if TYPE_CHECKING:
    import pyarrow as pa

LONGEST = 39
"""Characters of the longest address: eight groups of four hexadecimal digits and their colons."""


@kernel
def write_addresses(addresses: NDArray[np.uint8], text: NDArray[np.uint8], ends: NDArray[np.int32]) -> None:
    """Write each row of `addresses` (n, 16) to `text`, one after another; `ends` (n + 1) gets the Arrow offsets.

    `text` has room for n * LONGEST bytes. RFC 5952: lower case, no leading zeros, `::` for the first longest run of two
    or more zero groups. IPv4-mapped addresses (::ffff:0:0/96) are written as IPv4.
    """
    at = 0
    ends[0] = 0
    for row in range(len(addresses)):
        address = addresses[row]
        mapped = address[10] == 0xFF and address[11] == 0xFF
        for position in range(10):
            mapped &= address[position] == 0
        if mapped:
            for position in range(12, 16):
                octet = address[position]
                if octet >= 100:
                    text[at] = 48 + octet // 100
                    at += 1
                if octet >= 10:
                    text[at] = 48 + octet // 10 % 10
                    at += 1
                text[at] = 48 + octet % 10
                at += 1
                if position < 15:
                    text[at] = 46
                    at += 1
        else:
            at = _write_ipv6(address, text, at)
        ends[row + 1] = at


@kernel
def _write_ipv6(address: NDArray[np.uint8], text: NDArray[np.uint8], at: int) -> int:
    """Write one IPv6 address at `at`; returns where it ends."""
    best, best_length, run = -1, 1, 0
    for group in range(8):
        if address[2 * group] == 0 and address[2 * group + 1] == 0:
            run += 1
            if run > best_length:
                best, best_length = group - run + 1, run
        else:
            run = 0
    group = 0
    while group < 8:
        if group == best:
            text[at] = 58
            text[at + 1] = 58
            at += 2
            group += best_length
            continue
        if group > 0 and (best < 0 or group != best + best_length):
            text[at] = 58
            at += 1
        value = np.uint32(address[2 * group]) << 8 | np.uint32(address[2 * group + 1])
        started = False
        for shift in (12, 8, 4, 0):
            digit = (value >> np.uint32(shift)) & np.uint32(15)
            if digit != 0 or started or shift == 0:
                text[at] = digit + (48 if digit < 10 else 87)
                at += 1
                started = True
        group += 1
    return at


def address_text(column: Any) -> pa.Array:
    """Arrow array of 16-byte addresses -> Arrow array of their text."""
    import pyarrow as pa

    rows = len(column)
    addresses = np.frombuffer(column.buffers()[1], np.uint8)[16 * column.offset : 16 * (column.offset + rows)]
    ends = np.empty(rows + 1, np.int32)
    text = np.empty(rows * LONGEST, np.uint8)
    write_addresses(addresses.reshape(rows, 16), text, ends)
    kept = text[: ends[-1]].copy() if rows else text
    return pa.StringArray.from_buffers(rows, pa.py_buffer(ends), pa.py_buffer(kept))

"""Packets that the mirror delivered twice: a small table of what was seen in the last milliseconds.

A port mirrored in and out, or two mirrors of one path, give the same packet with another VLAN tag or TTL. What must be
equal is everything else that identifies it: addresses, ports, IP id, sequence numbers, flags, length, checksum.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.jit import inlined

SEEN = np.dtype([("digest", "u8"), ("time", "i8")])
SEEN_SLOTS = 16384
"""Packets remembered; at 3 M packets/s this is a window of 5 ms."""


@inlined
def is_duplicate(seen: Any, row: Any, window: int) -> bool:
    """Whether an equal packet came within `window` µs before; remembers this one."""
    digest = row["digest"]
    slot = np.int64(digest & np.uint64(SEEN_SLOTS - 1))
    since = row["time"] - seen[slot]["time"]
    again = seen[slot]["digest"] == digest and 0 <= since <= window
    seen[slot]["digest"] = digest
    seen[slot]["time"] = row["time"]
    return again

"""Packets that the mirror delivered twice: a small table of what was seen in the last milliseconds.

A port mirrored in and out, or two mirrors of one path, give the same packet with another VLAN tag or TTL. What must be
equal is everything else that identifies it: addresses, ports, IP id, sequence numbers, flags, length, checksum.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.jit import Integer, lean_inlined

SEEN = np.dtype([("digest", "u8"), ("time", "i8")])
SEEN_SLOTS = 16384
"""Packets remembered; at 3 M packets/s this is a window of 5 ms."""


UNNUMBERED_WINDOW = 1_000
"""µs; the same for packets without an IP id, whose sender may well repeat itself (SSDP does, floods do)."""


@lean_inlined
def is_duplicate(seen: Any, row: Any, window: Integer) -> bool:
    """Whether an equal packet came within `window` µs before; remembers this one.

    Without an IP id an original has at most one duplicate, so that a flood of equal packets stays a flood.
    """
    digest = row["digest"]
    numbered = row["ip_id"] != 0
    slot = np.int64(digest & np.uint64(SEEN_SLOTS - 1))
    since = row["time"] - seen[slot]["time"]
    again = seen[slot]["digest"] == digest and 0 <= since <= (window if numbered else min(window, UNNUMBERED_WINDOW))
    seen[slot]["digest"] = np.uint64(0) if again and not numbered else digest
    seen[slot]["time"] = row["time"]
    return again

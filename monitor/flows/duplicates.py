"""Packets that the mirror delivered twice: a small table of what was seen in the last milliseconds.

A port mirrored in and out, or two mirrors of one path, give the same packet with another VLAN tag or TTL. What must be
equal is everything else that identifies it: addresses, ports, IP id, sequence numbers, flags, length, checksum.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.flows.packet import TCP
from monitor.jit import Integer, inlined

SEEN = np.dtype([("digest", "u8"), ("time", "i8"), ("vlan", "u2"), ("ttl", "u1")], align=True)
SEEN_SLOTS = 16384
"""Packets remembered; at 3 M packets/s this is a window of 5 ms."""


@inlined
def is_duplicate(seen: Any, row: Any, window: Integer) -> bool:
    """Whether an equal packet came within `window` µs before; remembers this one.

    Without an IP id a sender may well repeat itself (SSDP and bare resets do, floods do): such a packet is a duplicate
    only when it came by another VLAN or with another TTL, or carries TCP payload.
    """
    digest = row["digest"]
    before = seen[np.int64(digest & np.uint64(SEEN_SLOTS - 1))]
    since = row["time"] - before["time"]
    again = before["digest"] == digest and 0 <= since <= window
    if again and row["ip_id"] == 0:
        again = (
            before["vlan"] != row["vlan"]
            or before["ttl"] != row["ttl"]
            or (row["proto"] == TCP and row["payload_len"] > 0)
        )
    before["digest"] = digest
    before["time"] = row["time"]
    before["vlan"] = row["vlan"]
    before["ttl"] = row["ttl"]
    return again

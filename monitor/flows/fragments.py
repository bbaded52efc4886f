"""Ports for IP fragments after the first: a bounded table from (source, destination, protocol, id) to the ports.

Nothing is reassembled; a later fragment joins the flow of its first, or without one a flow with ports 0, as in NetFlow:
a flood of fragments must be seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.jit import Integer, kernel

FRAGMENT = np.dtype([("key", "u8"), ("time", "i8"), ("src_port", "u2"), ("dst_port", "u2")], align=True)
FRAGMENT_SLOTS = 8192
FRAGMENT_LIFETIME = 30_000_000
"""µs that a first fragment is remembered (RFC 791 reassembly time is 15 s and up; Linux keeps 30 s)."""


@kernel
def fragment_key(row: Any, identification: Integer, proto: Integer) -> Any:
    """Key of a datagram's fragments (RFC 791 §3.2: source, destination, protocol, identification)."""
    h = row["src_hi"] ^ np.uint64(0x9E3779B97F4A7C15)
    for part in (
        row["src_lo"],
        row["dst_hi"],
        row["dst_lo"],
        np.uint64(identification) << np.uint64(8) | np.uint64(proto),
    ):
        h = (h ^ part) * np.uint64(0xFF51AFD7ED558CCD)
        h ^= h >> np.uint64(32)
    return h


@kernel
def remember_first(fragments: Any, key: Any, row: Any) -> None:
    """Keep the ports of a first fragment; an older datagram in the same slot is forgotten."""
    slot = np.int64(key & np.uint64(FRAGMENT_SLOTS - 1))
    fragments[slot]["key"] = key
    fragments[slot]["time"] = row["time"]
    fragments[slot]["src_port"] = row["src_port"]
    fragments[slot]["dst_port"] = row["dst_port"]


@kernel
def recall_first(fragments: Any, key: Any, row: Any) -> None:
    """Set the ports of a later fragment from its first, if that was seen."""
    slot = np.int64(key & np.uint64(FRAGMENT_SLOTS - 1))
    entry = fragments[slot]
    if entry["key"] == key and row["time"] - entry["time"] <= FRAGMENT_LIFETIME:
        row["src_port"] = entry["src_port"]
        row["dst_port"] = entry["dst_port"]

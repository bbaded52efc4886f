"""What a stretch of packets is about, as a short sorted list of numbers: its flows by Community ID, and its addresses.

An index of stored packets is made of it; the packets themselves are chosen by `selecting`.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.flows.bytes import be64
from monitor.flows.community import COMMUNITY_ID_BYTES, community_id
from monitor.flows.packet import Outcome
from monitor.flows.selecting import digest_head
from monitor.jit import kernel
from monitor.stack import stack_u8

_SLOTS: Final = 1 << 15
_DECODED = Outcome.DECODED.value
_ODD: Final = 0x9E3779B97F4A7C15
_MASK: Final = (1 << 64) - 1


class PacketIndex:
    """Gathers what decoded packets are about, until it is taken."""

    def __init__(self) -> None:
        self._seen = np.zeros(_SLOTS, np.uint64)
        self._parts: list[NDArray[np.uint64]] = []

    def add(self, packets: NDArray[Any]) -> None:
        """Note the packets (rows of PACKET). A flow that comes again is mostly noted once."""
        room = np.empty(3 * len(packets), np.uint64)
        used = _gather(packets, self._seen, np.uint64(_ODD), room)
        if used:
            self._parts.append(np.unique(room[:used]))

    def take(self) -> NDArray[np.uint64]:
        """All that was noted since the last call, sorted."""
        parts, self._parts = self._parts, []
        self._seen[:] = 0
        return np.unique(np.concatenate(parts)) if parts else np.empty(0, np.uint64)


def index_keys(community_ids: Iterable[str] = (), addresses: Iterable[str] = ()) -> NDArray[np.uint64]:
    """What the index has for these flows and single addresses. ValueError: no Community ID, no address."""
    keys = [digest_head(name) for name in community_ids]
    for text in addresses:
        address = ip_address(text)
        value = int(address) | (0xFFFF << 32 if address.version == 4 else 0)
        keys.append(((value >> 64) ^ (value & _MASK)) * _ODD & _MASK)
    return np.array(keys, np.uint64)


@kernel
def _gather(packets: Any, seen: Any, odd: Any, out: Any) -> int:
    block, digest, name = stack_u8(64), stack_u8(20), stack_u8(COMMUNITY_ID_BYTES)
    n = 0
    for i in range(len(packets)):
        row = packets[i]
        slot = row["hash"] & np.uint64(_SLOTS - 1)
        if row["outcome"] != _DECODED or seen[slot] == row["hash"]:
            continue
        seen[slot] = row["hash"]
        community_id(
            row["src_hi"], row["src_lo"], row["dst_hi"], row["dst_lo"], np.int64(row["proto"]),
            np.int64(row["src_port"]), np.int64(row["dst_port"]), block, digest, name, 0,
        )  # fmt: skip
        out[n] = be64(digest, 0)
        out[n + 1] = (row["src_hi"] ^ row["src_lo"]) * odd
        out[n + 2] = (row["dst_hi"] ^ row["dst_lo"]) * odd
        n += 3
    return n

"""Tells which packets of a batch belong to given flows or hosts, by the flow's own key: tunnels and fragments included.

Packets are decoded as for the flow table, so what is selected is what a flow record was made of. What becomes of the
packets is up to the caller.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.capture import PacketBatch
from monitor.flows.bytes import be64
from monitor.flows.community import COMMUNITY_ID_BYTES, community_id
from monitor.flows.decode import MAX_DEPTH, decode_batch
from monitor.flows.duplicates import SEEN, SEEN_SLOTS
from monitor.flows.fragments import FRAGMENT, FRAGMENT_SLOTS
from monitor.flows.packet import OUTCOMES, PACKET, Outcome
from monitor.jit import kernel
from monitor.stack import stack_u8

_KNOWN_SLOTS: Final = 1 << 16
_KNOWN = np.dtype([("hash", "u8"), ("wanted", "u1")], align=True)
"""Whether a flow is wanted, by its key's hash: a Community ID is a SHA-1, too dear for every packet."""
_DECODED = Outcome.DECODED.value
_MASK: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Ends:
    """Packets between `host` and `peer` (networks, or addresses as the smallest of them); no peer: anyone."""

    host: IPv4Network | IPv6Network
    peer: IPv4Network | IPv6Network | None = None


class PacketSelector:
    """Selects the packets of flows, or between hosts. Batches must come in order: fragments follow their first."""

    def __init__(self, community_ids: Sequence[str] = (), ends: Sequence[Ends] = ()) -> None:
        """A packet is wanted when it is of one of the flows or between one of the ends. ValueError: no Community ID."""
        self._ids = np.array(sorted(digest_head(name) for name in community_ids), np.uint64)
        self._ends = np.array([_row(one) for one in ends], np.uint64).reshape(-1, 8)
        self._known = np.zeros(_KNOWN_SLOTS, _KNOWN)
        self._fragments = np.zeros(FRAGMENT_SLOTS, FRAGMENT)
        self._seen = np.zeros(SEEN_SLOTS, SEEN)
        self._counters = np.zeros(OUTCOMES, np.int64)
        self._seed = np.uint64(int.from_bytes(os.urandom(8), "little"))
        self._packets: NDArray[Any] = np.empty(0, PACKET)

    def matches(self, batch: PacketBatch) -> NDArray[np.bool_]:
        """Whether each packet of the batch is wanted."""
        if len(self._packets) < len(batch):
            self._packets = np.empty(len(batch), PACKET)
        packets = self._packets[: len(batch)]
        decode_batch(
            batch.data, batch.offset, batch.captured, batch.wire, batch.time, batch.link, packets, self._fragments,
            self._seen, self._counters, self._seed, MAX_DEPTH, 0,
        )  # fmt: skip
        wanted = np.zeros(len(batch), np.bool_)
        _match(packets, self._ids, self._ends, self._known, wanted)
        return wanted


def digest_head(name: str) -> int:
    """First eight bytes of the SHA-1 in a Community ID: one in 2**64 others has the same."""
    version, _, text = name.partition(":")
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if version != "1" or len(digest) != 20:
        raise ValueError(f"{name!r} is no Community ID, such as 1:LQU9qZlK+B5F3KDmev6m5PMibrg=")
    return int.from_bytes(digest[:8], "big")


def _row(ends: Ends) -> list[int]:
    """Address and mask of host and peer, as halves of 64 bits."""
    halves: list[int] = []
    for network in (ends.host, ends.peer or ip_network("::/0")):
        mapped = isinstance(network, IPv4Network)
        mask = int(network.netmask) | (((1 << 96) - 1) << 32 if mapped else 0)
        address = int(network.network_address) | (0xFFFF << 32 if mapped else 0)
        halves += [address >> 64, address & _MASK, mask >> 64, mask & _MASK]
    return halves


@kernel
def _between(row: Any, ends: Any) -> bool:
    """Whether a decoded packet goes from the first end to the second, or back."""
    s_hi, s_lo, d_hi, d_lo = row["src_hi"], row["src_lo"], row["dst_hi"], row["dst_lo"]
    a_hi, a_lo, b_hi, b_lo = ends[2], ends[3], ends[6], ends[7]
    if s_hi & a_hi == ends[0] and s_lo & a_lo == ends[1] and d_hi & b_hi == ends[4] and d_lo & b_lo == ends[5]:
        return True
    return d_hi & a_hi == ends[0] and d_lo & a_lo == ends[1] and s_hi & b_hi == ends[4] and s_lo & b_lo == ends[5]


@kernel
def _match(packets: Any, ids: Any, ends: Any, known: Any, wanted: Any) -> None:
    """Set `wanted` for the packets of the flows `ids` (sorted heads of digests) and between `ends` (n, 8)."""
    block, digest, name = stack_u8(64), stack_u8(20), stack_u8(COMMUNITY_ID_BYTES)
    for n in range(len(packets)):
        row = packets[n]
        if row["outcome"] != _DECODED:
            continue
        for k in range(len(ends)):
            if _between(row, ends[k]):
                wanted[n] = True
        if len(ids) == 0 or wanted[n]:
            continue
        slot = known[row["hash"] & np.uint64(_KNOWN_SLOTS - 1)]
        if slot["hash"] != row["hash"]:
            community_id(
                row["src_hi"], row["src_lo"], row["dst_hi"], row["dst_lo"], np.int64(row["proto"]),
                np.int64(row["src_port"]), np.int64(row["dst_port"]), block, digest, name, 0,
            )  # fmt: skip
            head = be64(digest, 0)
            place = np.searchsorted(ids, head)
            slot["hash"] = row["hash"]
            slot["wanted"] = 1 if place < len(ids) and ids[place] == head else 0
        wanted[n] = slot["wanted"] == 1

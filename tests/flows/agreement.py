"""Compares our decoded packets with Wireshark's, and knows each way in which we mean to differ.

Each deliberate difference has its name here, its narrow condition, and its reason in docs/decoding.md.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from dissection import Dissected
from numpy.typing import NDArray

from monitor.capture import PacketBatch
from monitor.flows.packet import Outcome

DIFFERENCES: tuple[str, ...] = (
    "length beyond the wire",
    "length left out",
    "truncated header",
    "impossible TCP header",
    "UDP without a length",
)
"""The deliberate differences; docs/decoding.md has a heading for each."""

_NEEDED = {6: 20, 17: 8, 1: 4, 58: 4, 132: 12}
"""Bytes of a transport header that must be there for a packet to count, by IP protocol."""

_EXTENSION_HEADERS = (0, 43, 44, 51, 60, 135, 139, 140)


@dataclass(slots=True)
class Verdict:
    """What the comparison of some packets found."""

    compared: int = 0
    same: int = 0
    differences: Counter[str] = field(default_factory=Counter)
    """How often we differ on purpose, by name."""
    disagreements: list[str] = field(default_factory=list)
    """Everything else: must stay empty."""


def compare(batch: PacketBatch, rows: NDArray[Any], theirs: list[Dissected], verdict: Verdict) -> None:
    """Compare the rows of a batch with the same packets as dissected, and add to the verdict."""
    outcomes = rows["outcome"].tolist()
    for i, packet in enumerate(theirs):
        if outcomes[i] == Outcome.UNSUPPORTED_LINK:
            continue
        verdict.compared += 1
        frame = batch.data[batch.offset[i] : batch.offset[i] + batch.captured[i]].tobytes()
        found = _differs(Outcome(outcomes[i]), rows[i], packet, frame, int(batch.wire[i]))
        if found == "":
            verdict.same += 1
        elif found in DIFFERENCES:
            verdict.differences[found] += 1
        else:
            verdict.disagreements.append(f"packet {packet.number} ({packet.layers}): {found}")


def _differs(outcome: Outcome, row: np.void, packet: Dissected, frame: bytes, wire: int) -> str:
    """Empty when both say the same, the name of a deliberate difference, or what is wrong."""
    if int(row["time"]) != packet.time:
        return f"time is {row['time']}, should be {packet.time}"
    if packet.src is None or packet.dst is None:
        return "" if outcome != Outcome.DECODED else "decoded, but there is no IP packet"
    place, end = _extent(packet, frame, wire)
    available = min(len(frame) - place, packet.ip_bytes) - packet.header
    if outcome != Outcome.DECODED:
        return _excused(outcome, packet, available) or f"ignored as {outcome.name.lower()}"
    addresses = (int(row["src_hi"]) << 64 | int(row["src_lo"]), int(row["dst_hi"]) << 64 | int(row["dst_lo"]))
    if packet.payload == -8 and addresses != (packet.src, packet.dst):
        return "UDP without a length"
    length = end - place
    expected = _expected(packet, length)
    expected["addresses"] = (packet.src, packet.dst)
    ours = {name: addresses if name == "addresses" else int(row[name]) for name in expected}
    wrong = [f"{name} is {ours[name]}, should be {value}" for name, value in expected.items() if ours[name] != value]
    if wrong:
        return "; ".join(wrong)
    if packet.offload:
        return "length left out"
    beyond = length < packet.ip_bytes or expected.get("payload_len", packet.payload) != packet.payload
    return "length beyond the wire" if beyond and packet.payload is not None else ""


def _extent(packet: Dissected, frame: bytes, wire: int) -> tuple[int, int]:
    """Where the IP header starts, found by its addresses, and where the packet ended on the wire at the latest.

    Knows nothing of what is before the header, except that it is inside the IP packet around it.
    """
    assert packet.src is not None
    assert packet.dst is not None
    after, end = 0, wire
    if packet.outer is not None:
        outside, end = _extent(packet.outer, frame, wire)
        after = outside + packet.outer.header
    width, before = (4, 12) if packet.ip_version == 4 else (16, 8)
    mask = (1 << 8 * width) - 1
    wanted = (packet.src & mask).to_bytes(width, "big") + (packet.dst & mask).to_bytes(width, "big")
    place = frame.find(wanted, after + before) - before
    while place >= 0 and frame[place] >> 4 != packet.ip_version:
        place = frame.find(wanted, place + before + 1) - before
    if packet.pppoe is not None:
        field = 2 if int.from_bytes(frame[place - 4 : place - 2]) == packet.pppoe else 1  # compressed: one byte
        end = min(end, place + packet.pppoe - field)
    return place, end if packet.offload else min(end, place + packet.ip_bytes)


def _excused(outcome: Outcome, packet: Dissected, available: int) -> str:
    if outcome == Outcome.TRUNCATED_TRANSPORT and available < _NEEDED.get(packet.proto, 0):
        return "truncated header"
    if outcome == Outcome.TRUNCATED_IP and packet.proto in _EXTENSION_HEADERS and available < 8:
        return "truncated header"
    size = packet.tcp_header
    if outcome == Outcome.BAD_TCP_HEADER and size is not None and not 20 <= size <= packet.ip_bytes - packet.header:
        return "impossible TCP header"
    return ""


def _expected(packet: Dissected, length: int) -> dict[str, Any]:
    """The fields that must be equal, when the IP packet is `length` bytes long."""
    expected: dict[str, Any] = {
        "proto": packet.proto,
        "ip_bytes": length,
        "fragment": int(packet.later_fragment),
    }
    behind = length - packet.header
    if packet.later_fragment:
        return expected | {"payload_len": behind}
    expected |= {"src_port": packet.src_port or 0, "dst_port": packet.dst_port or 0}
    if packet.transport == "tcp":
        expected |= {"seq": packet.seq, "ack": packet.ack, "window": packet.window, "flags": (packet.flags or 0) & 0xFF}
        expected["payload_len"] = behind - (packet.tcp_header or 0)
    elif packet.transport == "udp":
        said = packet.payload if packet.payload is not None and packet.payload >= 0 else behind - 8
        expected["payload_len"] = max(min(said, behind - 8), 0)
    elif packet.transport in ("icmp", "icmpv6"):
        expected["payload_len"] = max(behind - 8, 0)
    elif packet.transport == "sctp":
        expected["payload_len"] = behind - 12
    return expected

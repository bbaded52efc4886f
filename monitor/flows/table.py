"""The bounded flow table: a hash index over rows of FLOW, kept in order of age for eviction.

Memory is fixed at the start by `max_flows`; pages are touched only as flows come. When full, the oldest unanswered
flow gives way, then the oldest of all. Ageing by time is in `wheel`, counting in `update`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.flows.apart import call
from monitor.flows.first_payload import EXPORT, PACKED_BYTES, RELEASE
from monitor.flows.state import FLOW, SIDE
from monitor.flows.wheel import WHEEL_BUCKETS, unschedule
from monitor.jit import Integer, inlined, kernel

CONTROL = np.dtype(
    [
        ("used", "i8"),  # flows in the table
        ("peak", "i8"),
        ("fresh", "i8"),  # rows ever used; rows beyond were never touched
        ("free", "i8"),  # rows on the free list
        ("created", "i8"),
        ("exported", "i8"),
        ("evicted", "i8"),
        ("tick", "i8"),  # second that the timer wheel has reached; 0: not started
        ("clock_steps", "i8"),  # times that event time went back by more than a minute
        ("behind", "i8"),  # packets from before that step, while the wheel is not set back yet
        ("out", "i8"),  # rows in the export buffer
        ("out_text", "i8"),  # bytes of names in the export buffer
        ("head", "i8", (2,)),  # oldest and newest unanswered [0] and answered [1] flow, -1: none
        ("tail", "i8", (2,)),
        ("scratch", "u2", (256,)),
    ],
    align=True,
)
"""Counters and list heads of one table."""

EXPORTS_A_PACKET = 4
"""Room that must be left in the export buffer before a packet is counted."""

OUT_TEXT = 16 << 20
"""Bytes for names in an export buffer; pages are touched only as they are needed."""
OUT_TEXT_ROOM = OUT_TEXT - EXPORTS_A_PACKET * PACKED_BYTES

EMPTY = np.uint64(0)
_32 = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


class Table:
    """Arrays of one flow table. `flows` has max_flows rows, `sides` two a flow: endpoint a's, then b's."""

    def __init__(self, max_flows: int, export_rows: int) -> None:
        size = 1 << (2 * max_flows - 1).bit_length()
        self.index = np.zeros(size, np.uint64)  # high half: tag, low half: row + 1
        self.flows = np.zeros(max_flows, FLOW)
        self.sides = np.zeros(2 * max_flows, SIDE)
        self.free = np.zeros(max_flows, np.int32)
        self.wheel = np.full(WHEEL_BUCKETS, -1, np.int32)
        self.out = export_buffer(export_rows)
        self.control = np.zeros(1, CONTROL)
        self.control["head"] = -1
        self.control["tail"] = -1

    def arrays(self) -> tuple[Any, ...]:
        """The arrays in the order in which kernels take them."""
        return (
            self.index, self.flows, self.sides, self.free, self.wheel, self.out.flows, self.out.sides, self.control,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ended:
    """Flows that ended, in the order of their ends."""

    flows: NDArray[Any]
    """Rows of FLOW; `names` is a place in `text`."""
    sides: NDArray[Any]
    """Rows of SIDE, two a flow."""
    text: NDArray[np.uint8]
    """Their names (see `packed`)."""

    whole: Ended | None = None
    """The export buffer that they are the beginning of; None: this is one."""

    def __len__(self) -> int:
        return len(self.flows)


def export_buffer(rows: int) -> Ended:
    """Room for `rows` ended flows. What it held before does not matter."""
    return Ended(np.empty(rows, FLOW), np.empty(2 * rows, SIDE), np.empty(OUT_TEXT, np.uint8))


@inlined
def is_full(control: Any, room: Integer) -> bool:
    """Is the export buffer as good as full: beyond `room` flows, or without room for the names of a few more?"""
    return bool(control["out"] >= room or control["out_text"] >= OUT_TEXT_ROOM)


@inlined
def find(index: Any, flows: Any, row: Any) -> Integer:
    """Row of the packet's flow, or -1."""
    mask = len(index) - 1
    tag = row["hash"] >> _32
    at = np.int64(tag) & mask
    while True:
        entry = index[np.uint64(at)]
        if entry == EMPTY:
            return -1
        if entry >> _32 == tag:
            slot = np.int64(entry & _LOW) - 1
            if same_key(flows[np.uint64(slot)], row):
                return slot
        at = (at + 1) & mask


@inlined
def same_key(flow: Any, row: Any) -> bool:
    """Whether the packet belongs to the flow."""
    if flow["hash"] != row["hash"] or flow["proto"] != row["proto"]:
        return False
    if row["forward"]:
        return (
            flow["a_lo"] == row["src_lo"]
            and flow["b_lo"] == row["dst_lo"]
            and flow["a_hi"] == row["src_hi"]
            and flow["b_hi"] == row["dst_hi"]
            and flow["port_a"] == row["key_src"]
            and flow["port_b"] == row["key_dst"]
        )
    return (
        flow["a_lo"] == row["dst_lo"]
        and flow["b_lo"] == row["src_lo"]
        and flow["a_hi"] == row["dst_hi"]
        and flow["b_hi"] == row["src_hi"]
        and flow["port_a"] == row["key_dst"]
        and flow["port_b"] == row["key_src"]
    )


@kernel
def insert(index: Any, free: Any, control: Any, hashed: Any) -> Integer:
    """A free row, entered into the index under `hashed`. The caller has made sure that there is one."""
    if control["free"] > 0:
        control["free"] -= 1
        slot = np.int64(free[control["free"]])
    else:
        slot = np.int64(control["fresh"])
        control["fresh"] += 1
    mask = len(index) - 1
    tag = hashed >> _32
    at = np.int64(tag) & mask
    while index[np.uint64(at)] != EMPTY:
        at = (at + 1) & mask
    index[np.uint64(at)] = (tag << _32) | np.uint64(slot + 1)
    control["used"] += 1
    control["created"] += 1
    if control["used"] > control["peak"]:
        control["peak"] = control["used"]
    return slot


@kernel
def remove(index: Any, flows: Any, free: Any, wheel: Any, control: Any, slot: Integer, naming: Any) -> None:
    """Take a flow out of the index, the age list and the wheel; its row is free again."""
    if flows[slot]["names"] != -1:
        call(naming[0], naming[1], RELEASE, slot, 0)
    mask = len(index) - 1
    flow = flows[slot]
    at = np.int64(flow["hash"] >> _32) & mask
    wanted = np.uint64(slot + 1)
    while index[np.uint64(at)] & _LOW != wanted:
        at = (at + 1) & mask
    # Close the gap: move back every later entry of the run that may stand nearer to its home (Knuth 6.4, algorithm R).
    gap = at
    while True:
        at = (at + 1) & mask
        entry = index[np.uint64(at)]
        if entry == EMPTY:
            break
        home = np.int64(entry >> _32) & mask
        if ((at - home) & mask) >= ((at - gap) & mask):
            index[np.uint64(gap)] = entry
            gap = at
    index[np.uint64(gap)] = EMPTY
    unlink(flows, control, slot)
    unschedule(flows, wheel, slot)
    free[control["free"]] = slot
    control["free"] += 1
    control["used"] -= 1


@inlined
def link(flows: Any, control: Any, slot: Integer, answered: Integer) -> None:
    """Append a flow to its age list as the newest."""
    flow = flows[slot]
    last = control["tail"][answered]
    flow["answered"] = answered
    flow["prev"] = last
    flow["next"] = -1
    if last >= 0:
        flows[last]["next"] = slot
    else:
        control["head"][answered] = slot
    control["tail"][answered] = slot


@inlined
def unlink(flows: Any, control: Any, slot: Integer) -> None:
    """Take a flow out of its age list."""
    flow = flows[slot]
    answered = np.int64(flow["answered"])
    before, after = np.int64(flow["prev"]), np.int64(flow["next"])
    if before >= 0:
        flows[before]["next"] = after
    else:
        control["head"][answered] = after
    if after >= 0:
        flows[after]["prev"] = before
    else:
        control["tail"][answered] = before


@inlined
def oldest(control: Any) -> Integer:
    """The flow to give up first: the oldest unanswered one, else the oldest answered one; -1 in an empty table."""
    return control["head"][0] if control["head"][0] >= 0 else control["head"][1]


@inlined
def copy_out(
    flows: Any, sides: Any, out_flows: Any, out_sides: Any, control: Any, slot: Integer, reason: Integer, naming: Any
) -> None:
    """Copy a flow, its sides and its names to the end of the export buffer."""
    n = control["out"]
    flows[slot]["end_reason"] = reason
    out_flows[n] = flows[slot]
    out_sides[2 * n] = sides[2 * slot]
    out_sides[2 * n + 1] = sides[2 * slot + 1]
    if flows[slot]["names"] != -1:
        control["out_text"] = call(naming[0], naming[1], EXPORT, slot, n)
    control["out"] = n + 1
    control["exported"] += 1

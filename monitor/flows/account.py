"""The per-packet loop over decoded packets: age the table, find or start the packet's flow, count, export what ended.

Every decision hangs on the packet's own time, never on where a batch ends, so batches of any size give the same flows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.flows.apart import call
from monitor.flows.first_payload import TAKE
from monitor.flows.packet import Outcome
from monitor.flows.prefetch import prefetch
from monitor.flows.state import (
    ACTIVE_TIMEOUT,
    END_DETECTED,
    FLOW,
    FORCED_END,
    IDLE_TIMEOUT,
    LACK_OF_RESOURCES,
)
from monitor.flows.table import EXPORTS_A_PACKET, copy_out, find, insert, is_full, link, oldest, remove, unlink
from monitor.flows.update import begin, count, next_part, reopens
from monitor.flows.wheel import SECOND, next_expired, part_is_due, schedule, timeout_of, unschedule
from monitor.jit import Integer, inlined, kernel

CLOCK_STEP = 60 * SECOND
"""µs that event time may go back before it counts as a step of the clock."""

LOOK_AHEAD = 8
"""Packets whose flows are fetched into the cache ahead of their turn."""

FLOW_BYTES = FLOW.itemsize
_DECODED = Outcome.DECODED.value


@kernel
def account(
    packets: Any, first: Integer, data: Any, timeouts: Any, naming: Any, index: Any, flows: Any, sides: Any, free: Any,
    wheel: Any, out_flows: Any, out_sides: Any, controls: Any,
) -> Integer:  # fmt: skip
    """Count packets from `first` on; the number of the packet to go on with (all: len(packets)).

    Stops early when the export buffer is full: take the rows out, set `out` to 0, call again.
    packets: PACKET rows; data: bytes of their batch; timeouts: µs (see `wheel`); naming: (2,)
    int64, addresses of `naming.step` and of its control row, zeros: no names; the rest: the arrays of a Table.
    """
    control = controls[0]
    room = len(out_flows) - EXPORTS_A_PACKET
    last = len(packets) - 1
    for i in range(first, len(packets)):
        fetch_ahead(packets, min(i + 2 * LOOK_AHEAD, last), min(i + LOOK_AHEAD, last), index, flows, sides)
        row = packets[np.uint64(i)]
        if row["outcome"] != _DECODED:
            continue
        if is_full(control, room):  # before anything is changed: the packet comes again
            return i
        second = row["time"] // SECOND
        if second > control["tick"]:
            if not age(second, timeouts, index, flows, sides, free, wheel, out_flows, out_sides, control, room, naming):
                return i
        elif second < control["tick"] - CLOCK_STEP // SECOND:
            control["behind"] += 1
            if control["behind"] > control["used"]:  # not for fewer packets than it has to look at flows
                rewind(second, timeouts, flows, sides, wheel, control)
        slot = find(index, flows, row)
        if slot >= 0:
            slot = settle(row, slot, timeouts, index, flows, sides, free, wheel, out_flows, out_sides, control, naming)
        if slot < 0:
            if control["used"] == len(flows):
                victim = oldest(control)
                copy_out(flows, sides, out_flows, out_sides, control, victim, LACK_OF_RESOURCES, naming)
                remove(index, flows, free, wheel, control, victim, naming)
                control["evicted"] += 1
            slot = insert(index, free, control, row["hash"])
            begin(flows[slot], sides[2 * slot], sides[2 * slot + 1], row)
            link(flows, control, slot, 0)
            count_into(flows, sides, control, slot, row, data, i, naming)
            watch(flows, sides, wheel, control, slot, timeouts)
        else:
            was_closed = flows[slot]["closed"]
            count_into(flows, sides, control, slot, row, data, i, naming)
            if flows[slot]["closed"] != was_closed:
                unschedule(flows, wheel, slot)
                watch(flows, sides, wheel, control, slot, timeouts)
    return len(packets)


@inlined
def fetch_ahead(packets: Any, far: Integer, near: Integer, index: Any, flows: Any, sides: Any) -> None:
    """Bring the index entry of a packet further on, and the flow of a nearer one, into the cache before their turn."""
    mask = len(index) - 1
    prefetch(index, np.int64(packets[np.uint64(far)]["hash"] >> np.uint64(32)) & mask, 0)
    row = packets[np.uint64(near)]
    tag = row["hash"] >> np.uint64(32)
    entry = index[np.uint64(np.int64(tag) & mask)]
    if entry >> np.uint64(32) == tag:
        slot = np.int64(entry & np.uint64(0xFFFFFFFF)) - 1
        for line in range(0, FLOW_BYTES, 64):
            prefetch(flows, slot, line)
        side = 2 * slot + (0 if row["forward"] else 1)
        prefetch(sides, side, 0)
        prefetch(sides, side, 64)


@inlined
def count_into(
    flows: Any, sides: Any, control: Any, slot: Integer, row: Any, data: Any, number: Integer, naming: Any
) -> None:
    """Count packet `number` into its flow, which becomes `answered` with the responder's first packet."""
    flow = flows[np.uint64(slot)]
    sender = 0 if row["forward"] else 1
    count(
        flow,
        sides[np.uint64(2 * slot + sender)],
        sides[np.uint64(2 * slot + 1 - sender)],
        row,
        data,
        sender,
        control["scratch"],
    )
    if not flow["answered"] and sender != np.int64(flow["origin"]) and sides[2 * slot + 1 - sender]["packets"]:
        unlink(flows, control, slot)
        link(flows, control, slot, 1)
    if np.int64(flow["want"]) & (1 << sender) and row["payload_cap"] > 0 and not row["fragment"] and naming[0]:
        call(naming[0], naming[1], TAKE, slot, number)


@inlined
def watch(flows: Any, sides: Any, wheel: Any, control: Any, slot: Integer, timeouts: Any) -> None:
    """Put a flow into the wheel for the end of its silence."""
    deadline = flows[slot]["last"] + timeout_of(flows[slot], sides, slot, timeouts)
    schedule(flows, wheel, control, slot, deadline, control["tick"] + 1)


@kernel
def age(
    second: Integer, timeouts: Any, index: Any, flows: Any, sides: Any, free: Any, wheel: Any, out_flows: Any,
    out_sides: Any, control: Any, room: Integer, naming: Any,
) -> bool:  # fmt: skip
    """Move event time on to `second` and export what is over by then; False when the export buffer is full."""
    if control["tick"] == 0:
        control["tick"] = second
    while True:
        slot = next_expired(flows, sides, wheel, control, timeouts, second)
        if slot < 0:
            return True
        if is_full(control, room):
            return False
        copy_out(
            flows,
            sides,
            out_flows,
            out_sides,
            control,
            slot,
            END_DETECTED if flows[slot]["closed"] else IDLE_TIMEOUT,
            naming,
        )
        remove(index, flows, free, wheel, control, slot, naming)


@kernel
def advance(
    second: Integer, timeouts: Any, naming: Any, index: Any, flows: Any, sides: Any, free: Any, wheel: Any,
    out_flows: Any, out_sides: Any, controls: Any,
) -> bool:  # fmt: skip
    """Age the table without a packet: `second` has come on the clock that stamps them; False as `age`.

    A flow whose silence is over by then would have been found over by its next packet too, so the flows are the same.
    """
    control = controls[0]
    if second < control["tick"] - CLOCK_STEP // SECOND:
        rewind(second, timeouts, flows, sides, wheel, control)
    elif second > control["tick"]:
        room = len(out_flows) - EXPORTS_A_PACKET
        return age(second, timeouts, index, flows, sides, free, wheel, out_flows, out_sides, control, room, naming)
    return True


@kernel
def rewind(second: Integer, timeouts: Any, flows: Any, sides: Any, wheel: Any, control: Any) -> None:
    """Set the wheel back to `second` after a step of the clock, every flow into its new bucket."""
    control["clock_steps"] += 1
    control["behind"] = 0
    control["tick"] = second
    wheel[:] = -1
    for answered in range(2):
        slot = control["head"][answered]
        while slot >= 0:
            deadline = flows[slot]["last"] + timeout_of(flows[slot], sides, slot, timeouts)
            schedule(flows, wheel, control, slot, deadline, second + 1)
            slot = np.int64(flows[slot]["next"])


@kernel
def settle(
    row: Any, slot: Integer, timeouts: Any, index: Any, flows: Any, sides: Any, free: Any, wheel: Any, out_flows: Any,
    out_sides: Any, control: Any, naming: Any,
) -> Integer:  # fmt: skip
    """The row of the flow that the packet goes on, or -1 when what stands there is over and a new one begins."""
    flow = flows[np.uint64(slot)]
    time = row["time"]
    sender = 0 if row["forward"] else 1
    idle = time - flow["last"] > timeout_of(flow, sides, slot, timeouts)
    if idle or reopens(flow, sides[2 * slot + sender], row):
        reason = END_DETECTED if flow["closed"] else IDLE_TIMEOUT
        copy_out(flows, sides, out_flows, out_sides, control, slot, reason, naming)
        remove(index, flows, free, wheel, control, slot, naming)
        return -1
    if part_is_due(flow, time, timeouts):
        copy_out(flows, sides, out_flows, out_sides, control, slot, ACTIVE_TIMEOUT, naming)
        next_part(flow, sides[2 * slot], sides[2 * slot + 1], time)
    return slot


@kernel
def drain(
    naming: Any, index: Any, flows: Any, sides: Any, free: Any, wheel: Any, out_flows: Any, out_sides: Any,
    controls: Any,
) -> bool:  # fmt: skip
    """Export what is left, oldest first; False when the export buffer filled up: empty it and call again."""
    control = controls[0]
    while True:
        slot = oldest(control)
        if slot < 0:
            return True
        if is_full(control, len(out_flows) - EXPORTS_A_PACKET):
            return False
        copy_out(
            flows,
            sides,
            out_flows,
            out_sides,
            control,
            slot,
            END_DETECTED if flows[slot]["closed"] else FORCED_END,
            naming,
        )
        remove(index, flows, free, wheel, control, slot, naming)

"""Ageing: a timer wheel of one-second buckets in event time, checked lazily.

A flow sits in one bucket and is not moved by its packets; when the bucket comes up, a flow that was active since is put
into the bucket of its new deadline (Varghese and Lauck 1987, scheme 6, with lazy re-insertion).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.flows.packet import ICMP, ICMP6, TCP
from monitor.flows.prefetch import prefetch
from monitor.flows.services import SERVICE_NAMES
from monitor.flows.state import FLOW, SIDE, SYN_SENT
from monitor.jit import Integer, inlined, kernel

WHEEL_BUCKETS = 512
FLOW_BYTES, SIDE_BYTES = FLOW.itemsize, SIDE.itemsize
SECOND = 1_000_000

TCP_ATTEMPT, TCP_CLOSED, TCP_IDLE, UDP_IDLE, ICMP_IDLE, ACTIVE, TUNNEL = range(7)
"""Places in the array of timeouts (µs)."""

_IS_TUNNEL = np.array([name in ("wireguard", "openvpn", "ike", "l2tp", "pptp") for name in SERVICE_NAMES], np.bool_)
"""By service (by content): what must be told while it lasts, which may be for days."""


@inlined
def timeout_of(flow: Any, sides: Any, slot: Integer, timeouts: Any) -> Integer:
    """µs of silence after which the flow is over."""
    proto = np.int64(flow["proto"])
    if proto == TCP:
        if flow["closed"]:
            return timeouts[TCP_CLOSED]
        if not flow["answered"] and sides[2 * slot + np.int64(flow["origin"])]["state"] == SYN_SENT:
            return timeouts[TCP_ATTEMPT]
        return timeouts[TCP_IDLE]
    if proto == ICMP or proto == ICMP6:
        return timeouts[ICMP_IDLE]
    return timeouts[UDP_IDLE]


@inlined
def part_is_due(flow: Any, time: Integer, timeouts: Any) -> bool:
    """Whether a flow that goes on is to be reported in parts by now; a tunnel's first part comes sooner."""
    lasted = time - flow["start"]
    if timeouts[ACTIVE] <= 0:
        return False
    if lasted >= timeouts[ACTIVE]:
        return True
    return 0 < timeouts[TUNNEL] <= lasted and flow["part"] == 0 and _IS_TUNNEL[np.int64(flow["service"])]


@inlined
def schedule(flows: Any, wheel: Any, control: Any, slot: Integer, deadline: Integer, earliest: Integer) -> None:
    """Put a flow into the bucket of the first second after `deadline` (µs): not before `earliest`, within one turn."""
    due = min(max(deadline // SECOND + 1, earliest), control["tick"] + WHEEL_BUCKETS - 1)
    bucket = due & (WHEEL_BUCKETS - 1)
    flow = flows[slot]
    first = np.int64(wheel[bucket])
    flow["bucket"] = bucket
    flow["wheel_prev"] = -1
    flow["wheel_next"] = first
    if first >= 0:
        flows[first]["wheel_prev"] = slot
    wheel[bucket] = slot


@inlined
def unschedule(flows: Any, wheel: Any, slot: Integer) -> None:
    """Take a flow out of its bucket."""
    flow = flows[slot]
    before, after = np.int64(flow["wheel_prev"]), np.int64(flow["wheel_next"])
    if before >= 0:
        flows[before]["wheel_next"] = after
    else:
        wheel[np.int64(flow["bucket"])] = after
    if after >= 0:
        flows[after]["wheel_prev"] = before


@inlined
def fetch(flows: Any, sides: Any, slot: Integer) -> None:
    """Bring a flow into the cache before its turn (-1: none): those of a bucket were not touched for a while."""
    if slot >= 0:
        for line in range(0, FLOW_BYTES, 64):
            prefetch(flows, slot, line)
        for line in range(0, 2 * SIDE_BYTES, 64):
            prefetch(sides, 2 * slot, line)


@kernel
def next_expired(flows: Any, sides: Any, wheel: Any, control: Any, timeouts: Any, until: Integer) -> Integer:
    """Move the wheel towards second `until`: the next flow whose silence was over before it, -1 on arrival.

    The flow stays where it is; the caller removes it before it asks again.
    """
    if until - control["tick"] > WHEEL_BUCKETS:  # a jump: one turn looks at every flow
        control["tick"] = until - WHEEL_BUCKETS
    while control["tick"] < until:
        due = control["tick"] + 1
        slot = np.int64(wheel[due & (WHEEL_BUCKETS - 1)])
        while slot >= 0:
            fetch(flows, sides, np.int64(flows[slot]["wheel_next"]))
            deadline = flows[slot]["last"] + timeout_of(flows[slot], sides, slot, timeouts)
            if deadline < until * SECOND:
                return slot
            unschedule(flows, wheel, slot)
            schedule(flows, wheel, control, slot, deadline, due + 1)
            slot = np.int64(wheel[due & (WHEEL_BUCKETS - 1)])
        control["tick"] = due
    return -1

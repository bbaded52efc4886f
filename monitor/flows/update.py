"""Counting a packet into its flow (volume, TCP, lengths, times), starting a flow, and the next part of one."""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.flows.entropy import payload_entropy
from monitor.flows.packet import ACK, RST, SYN, TCP, UDP
from monitor.flows.state import INACTIVE, SPLT, SYN_SENT
from monitor.flows.tcp import acknowledged, endpoint_states, history_letters, note, note_count, sequence
from monitor.jit import Integer, inlined, kernel

_U32_MAX = 0xFFFFFFFF


@kernel
def begin(flow: Any, side_a: Any, side_b: Any, row: Any) -> None:
    """Fill a row of the table for a new flow, from its first packet."""
    if row["forward"]:
        flow["a_hi"], flow["a_lo"], flow["b_hi"], flow["b_lo"] = (
            row["src_hi"],
            row["src_lo"],
            row["dst_hi"],
            row["dst_lo"],
        )
        flow["port_a"], flow["port_b"] = row["key_src"], row["key_dst"]
        flow["origin"] = 0
    else:
        flow["a_hi"], flow["a_lo"], flow["b_hi"], flow["b_lo"] = (
            row["dst_hi"],
            row["dst_lo"],
            row["src_hi"],
            row["src_lo"],
        )
        flow["port_a"], flow["port_b"] = row["key_dst"], row["key_src"]
        flow["origin"] = 1
    flow["hash"] = row["hash"]
    flow["proto"] = row["proto"]
    flow["port_src"] = row["src_port"]
    flow["port_dst"] = row["dst_port"]
    flow["icmp_type"] = row["src_port"] & 0xFF
    flow["icmp_code"] = row["dst_port"] & 0xFF
    flow["vlan"] = row["vlan"]
    flow["chain"] = row["chain"]
    flow["birth"] = row["time"]
    flow["part"] = 0
    flow["closed"] = 0
    flow["syn_time"] = 0
    flow["rtt"] = 0
    flow["service"] = 0
    flow["names"] = -1
    flow["ruled_out"] = 0
    flow["want"] = 3 if row["proto"] == TCP or row["proto"] == UDP else 0
    clear_part(flow, row["time"])
    for side in (side_a, side_b):
        side["state"] = INACTIVE
        side["seq_known"] = 0
        side["next_seq"] = 0
        side["first_seq"] = 0
        side["entropy"] = 0.0
        clear_side(side)


@inlined
def clear_part(flow: Any, time: Integer) -> None:
    """Start of a (further) part of the flow."""
    flow["start"] = time
    flow["last"] = time
    flow["history_len"] = 0
    flow["history_seen"] = 0
    flow["splt_count"] = 0


@inlined
def clear_side(side: Any) -> None:
    """Set what one direction counts back to zero; its place in TCP's sequence space stays, but for gaps, now told."""
    side["packets"] = 0
    side["bytes"] = 0
    side["payload"] = 0
    side["len_squares"] = 0.0
    side["iat_squares"] = 0.0
    side["missed"] = 0
    side["holes"] = 0
    side["len_min"] = _U32_MAX
    side["len_max"] = 0
    side["iat_min"] = _U32_MAX
    side["iat_max"] = 0
    side["retransmits"] = 0
    side["out_of_order"] = 0
    side["zero_windows"] = 0
    side["gaps"] = 0
    side["flags"] = 0


@kernel
def next_part(flow: Any, side_a: Any, side_b: Any, time: Integer) -> None:
    """Go on with a long flow after a part of it was exported."""
    flow["part"] += np.uint32(1)
    clear_part(flow, time)
    clear_side(side_a)
    clear_side(side_b)


@inlined
def count(flow: Any, side: Any, peer: Any, row: Any, data: Any, sender: Integer, scratch: Any) -> None:
    """Count one packet of endpoint `sender` (0 is a, 1 is b), whose side is `side`."""
    time = row["time"]
    length = np.int64(row["ip_bytes"])
    payload = np.int64(row["payload_len"])
    proto = np.int64(row["proto"])
    if side["packets"] == 0:
        side["first"] = time
    else:
        iat = min(max(time - side["last"], 0), _U32_MAX)
        side["iat_min"] = min(np.int64(side["iat_min"]), iat)
        side["iat_max"] = max(np.int64(side["iat_max"]), iat)
        side["iat_squares"] += float(iat) * float(iat)
    side["last"] = max(time, side["last"]) if side["packets"] else time
    side["packets"] += np.uint64(1)
    side["bytes"] += np.uint64(length)
    side["len_squares"] += float(length * length)
    side["len_min"] = min(np.int64(side["len_min"]), length)
    side["len_max"] = max(np.int64(side["len_max"]), length)
    initiator = sender == np.int64(flow["origin"])
    n = np.int64(flow["splt_count"])
    if n < SPLT:
        flow["splt_len"][np.uint64(n)] = length if initiator else -length
        flow["splt_iat"][np.uint64(n)] = min(max(time - flow["last"], 0), _U32_MAX) if n else 0
        flow["splt_count"] = n + 1
    flow["last"] = max(flow["last"], time)
    if payload > 0 and side["entropy"] == 0.0 and not row["fragment"]:
        side["entropy"] = payload_entropy(data, row["payload"], np.int64(row["payload_cap"]), scratch)
    if proto == TCP:
        count_tcp(flow, side, peer, row, payload, initiator, sender)
    else:
        side["payload"] += np.uint64(payload)
        if proto == UDP:
            note(flow, 100, 3, initiator)


@inlined
def count_tcp(flow: Any, side: Any, peer: Any, row: Any, payload: Integer, initiator: bool, sender: Integer) -> None:
    """TCP's part of `count`: states, sequence space, handshake time, history."""
    if row["fragment"]:  # no header of its own: follows what came before
        if side["seq_known"]:
            sequence(flow, side, np.int64(side["next_seq"]), payload, 0, initiator)
        return
    flags = np.int64(row["flags"])
    if flags & (SYN | ACK) == SYN | ACK and side["state"] == INACTIVE and peer["state"] == INACTIVE and initiator:
        if flow["part"] == 0:
            flip(flow, sender)
        initiator = sender == np.int64(flow["origin"])
    side["flags"] |= flags
    if flags & (SYN | ACK) == SYN and initiator:
        flow["syn_time"] = row["time"]
    elif flow["rtt"] == 0 and flow["syn_time"] > 0 and initiator and flags & ACK and peer["flags"] & SYN:
        flow["rtt"] = min(max(row["time"] - flow["syn_time"], 1), _U32_MAX)
    history_letters(flow, side, flags, payload, initiator)
    if flags & RST == 0:
        sequence(flow, side, np.int64(row["seq"]), payload, flags, initiator)
        if flags & ACK:
            acknowledged(flow, peer, np.int64(row["ack"]), not initiator)
        if row["window"] == 0 and flags & SYN == 0:
            side["zero_windows"] += np.uint32(1)
            note_count(flow, 119, np.int64(side["zero_windows"]), initiator)
    endpoint_states(flow, side, peer, flags)


@kernel
def flip(flow: Any, sender: Integer) -> None:
    """The first packet turns out to be the responder's (a SYN-ACK): its receiver is the initiator."""
    flow["origin"] = 1 - sender
    flow["port_src"], flow["port_dst"] = flow["port_dst"], flow["port_src"]
    flow["history_len"] = 1
    flow["history"][0] = 94  # ^
    for i in range(np.int64(flow["splt_count"])):
        flow["splt_len"][i] = -flow["splt_len"][i]


@inlined
def reopens(flow: Any, side: Any, row: Any) -> bool:
    """Whether a packet of a closed TCP connection starts another on the same ports: a SYN with a new number."""
    flags = np.int64(row["flags"])
    if np.int64(row["proto"]) != TCP or not flow["closed"] or flags & (SYN | ACK | RST) != SYN:
        return False
    return side["state"] != SYN_SENT or np.int64(side["next_seq"]) != (np.int64(row["seq"]) + 1) & _U32_MAX

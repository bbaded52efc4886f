"""TCP as a bystander sees it: endpoint states, sequence space, and the history letters.

States and letters have the meaning of Zeek's conn.log; sequence arithmetic is modulo 2³² (RFC 9293 §3.4).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.flows.packet import ACK, FIN, RST, SYN
from monitor.flows.state import CLOSED, ESTABLISHED, HISTORY, HOLES, INACTIVE, PARTIAL, RESET, SYN_ACK_SENT, SYN_SENT
from monitor.jit import Integer, inlined, kernel

MAX_JUMP = 1 << 26
"""A sequence number further ahead than this (64 MiB) is a stray, not a gap: no window is that large in practice."""


@inlined
def ahead(a: Integer, b: Integer) -> Integer:
    """How far sequence number `a` is ahead of `b`, negative when behind."""
    distance = (np.int64(a) - np.int64(b)) & 0xFFFFFFFF
    return distance - 0x100000000 if distance >= 0x80000000 else distance


@inlined
def note(flow: Any, letter: Integer, bit: Integer, initiator: bool) -> None:
    """Record a history letter (lower-case code) once for each side; upper case for the initiator."""
    mask = np.uint32(1) << np.uint32(bit + (0 if initiator else 16))
    if flow["history_seen"] & mask == 0:
        flow["history_seen"] |= mask
        append_letter(flow, letter - 32 if initiator else letter)


@inlined
def note_count(flow: Any, letter: Integer, count: Integer, initiator: bool) -> None:
    """Record a letter at its 1st, 10th, 100th, … time."""
    if count == 1 or count == 10 or count == 100 or count == 1000 or count == 10000 or count == 100000:
        append_letter(flow, letter - 32 if initiator else letter)


@inlined
def append_letter(flow: Any, letter: Integer) -> None:
    """Add one letter while there is room."""
    n = np.int64(flow["history_len"])
    if n < HISTORY:
        flow["history"][n] = letter
        flow["history_len"] = n + 1


@inlined
def endpoint_states(flow: Any, side: Any, peer: Any, flags: Integer) -> None:
    """Advance the sender's state (and the peer's, when the packet proves something about it)."""
    if side["state"] == CLOSED and peer["state"] == CLOSED:
        return
    if flags & RST:
        side["state"] = RESET
    elif flags & SYN:
        if flags & ACK == 0:
            if side["state"] == INACTIVE:
                side["state"] = SYN_SENT
        elif peer["state"] == SYN_SENT or peer["state"] == ESTABLISHED:
            if side["state"] <= SYN_ACK_SENT:
                side["state"] = ESTABLISHED
            peer["state"] = ESTABLISHED
        elif side["state"] == INACTIVE:
            side["state"] = SYN_ACK_SENT
        if flags & FIN:
            side["state"] = CLOSED
    elif flags & FIN:
        side["state"] = CLOSED
    elif side["state"] == INACTIVE:
        side["state"] = PARTIAL
    if side["state"] == RESET or (side["state"] == CLOSED and peer["state"] == CLOSED):
        flow["closed"] = 1


@kernel
def history_letters(flow: Any, side: Any, flags: Integer, payload: Integer, initiator: bool) -> None:
    """Letters of one packet: s h f r d a, and i, q for combinations that no stack sends."""
    odd = (flags & SYN and flags & (FIN | RST)) or (flags & FIN and flags & RST)
    if odd:
        note(flow, 113 if flags & SYN else 105, 6 if flags & SYN else 7, initiator)
        return
    if flags & SYN:
        if flags & ACK:
            note(flow, 104, 1, initiator)
        else:
            note(flow, 115, 0, initiator)
    if flags & RST:
        note(flow, 114, 4, initiator)
    if payload > 0 and flags & RST == 0:
        note(flow, 100, 3, initiator)
    elif flags & (SYN | FIN | RST) == 0 and flags & ACK:
        note(flow, 97, 2, initiator)
    if flags & FIN:
        note(flow, 102, 5, initiator)


@kernel
def sequence(flow: Any, side: Any, seq: Integer, length: Integer, flags: Integer, initiator: bool) -> None:
    """Account for `length` bytes of payload at `seq`: new, sent again, or filling a gap; SYN and FIN count one."""
    syn = 1 if flags & SYN else 0
    fin = 1 if flags & FIN else 0
    begin = (seq + syn) & 0xFFFFFFFF
    end = (begin + length + fin) & 0xFFFFFFFF
    if not side["seq_known"] or (syn and side["payload"] == 0):
        if syn and side["seq_known"] and side["next_seq"] == begin:
            sent_again(flow, side, initiator)
        side["seq_known"] = 1 + syn
        side["first_seq"] = begin
        side["next_seq"] = end
        side["payload"] += np.uint64(length)
        return
    if length == 0 and fin == 0:
        return
    gap = ahead(begin, np.int64(side["next_seq"]))
    reach = ahead(end, np.int64(side["next_seq"]))
    if gap == 0:
        side["next_seq"] = end
        side["payload"] += np.uint64(length)
    elif gap > MAX_JUMP or reach < -MAX_JUMP:
        resynchronise(side, end, length)
    elif gap > 0:
        open_hole(flow, side, begin, gap, initiator)
        side["next_seq"] = end
        side["payload"] += np.uint64(gap + length)
    else:
        behind(flow, side, begin, length, fin, reach, initiator)


@kernel
def resynchronise(side: Any, end: Integer, length: Integer) -> None:
    """Follow a jump that no window allows. One forged number must not stop the count of what comes after it."""
    side["missed"] = missed_bytes(side)
    side["holes"] = 0
    side["next_seq"] = end
    side["payload"] += np.uint64(length)


@kernel
def behind(
    flow: Any, side: Any, begin: Integer, length: Integer, fin: Integer, reach: Integer, initiator: bool
) -> None:
    """A segment that starts below what was seen: it fills a gap, or is sent again, and may bring new bytes too."""
    if length == 1 and reach == 0 and not fin:
        return  # a keep-alive probe repeats the last byte (RFC 9293 §3.8.4)
    filled = fill_holes(side, begin, length)
    fresh = reach - fin
    if reach > 0:
        side["payload"] += np.uint64(fresh)
        side["next_seq"] = (np.int64(side["next_seq"]) + reach) & 0xFFFFFFFF
    if filled:
        side["out_of_order"] += np.uint32(1)
    elif fresh <= 0:
        sent_again(flow, side, initiator, length)


@inlined
def sent_again(flow: Any, side: Any, initiator: bool, length: Integer = 0) -> None:
    """Count a retransmission; the letter is for payload only, at its 1st time, and every tenfold."""
    side["retransmits"] += np.uint32(1)
    if length > 0:
        note(flow, 116, 8, initiator)
        if side["retransmits"] >= 10:
            note_count(flow, 116, np.int64(side["retransmits"]), initiator)


@kernel
def open_hole(flow: Any, side: Any, begin: Integer, gap: Integer, initiator: bool) -> None:
    """Remember `gap` bytes before `begin` as not seen yet; the oldest of too many holes counts as missed for good."""
    n = np.int64(side["holes"])
    if n == HOLES:
        side["missed"] += np.uint64(ahead(np.int64(side["hole_to"][0]), np.int64(side["hole_from"][0])))
        for i in range(HOLES - 1):
            side["hole_from"][i] = side["hole_from"][i + 1]
            side["hole_to"][i] = side["hole_to"][i + 1]
        n -= 1
    side["hole_from"][n] = (begin - gap) & 0xFFFFFFFF
    side["hole_to"][n] = begin
    side["holes"] = n + 1
    side["gaps"] += np.uint32(1)
    note_count(flow, 103, np.int64(side["gaps"]), initiator)


@kernel
def fill_holes(side: Any, begin: Integer, length: Integer) -> bool:
    """Take [begin, begin + length) out of the holes; whether any byte of a hole was in it."""
    filled = False
    i = np.int64(0)
    while i < np.int64(side["holes"]):
        low, high = np.int64(side["hole_from"][i]), np.int64(side["hole_to"][i])
        start, stop = ahead(begin, low), ahead((begin + length) & 0xFFFFFFFF, low)
        size = ahead(high, low)
        if start >= size or stop <= 0:
            i += 1
            continue
        filled = True
        if start > 0 and stop < size:  # the middle: what lies behind becomes a hole of its own if there is room
            n = np.int64(side["holes"])
            if n < HOLES:
                side["hole_from"][n] = (low + stop) & 0xFFFFFFFF
                side["hole_to"][n] = high
                side["holes"] = n + 1
            else:
                side["missed"] += np.uint64(size - stop)
            side["hole_to"][i] = begin
            i += 1
        elif start > 0:
            side["hole_to"][i] = begin
            i += 1
        elif stop < size:
            side["hole_from"][i] = (low + stop) & 0xFFFFFFFF
            i += 1
        else:
            n = np.int64(side["holes"]) - 1
            for k in range(i, n):
                side["hole_from"][k] = side["hole_from"][k + 1]
                side["hole_to"][k] = side["hole_to"][k + 1]
            side["holes"] = n
    return filled


@kernel
def acknowledged(flow: Any, peer: Any, ack: Integer, peer_is_initiator: bool) -> None:
    """The peer's bytes up to `ack` arrived there; those that we have not seen were lost on the way to us."""
    if not peer["seq_known"]:
        return
    unseen = ahead(ack, np.int64(peer["next_seq"]))
    if 0 < unseen <= MAX_JUMP:
        open_hole(flow, peer, ack, unseen, peer_is_initiator)
        peer["payload"] += np.uint64(unseen)
        peer["next_seq"] = ack


@inlined
def missed_bytes(side: Any) -> Any:
    """Bytes of one side that were never seen: holes still open, and those given up."""
    total = np.int64(side["missed"])
    for i in range(np.int64(side["holes"])):
        total += ahead(np.int64(side["hole_to"][i]), np.int64(side["hole_from"][i]))
    return total


@inlined
def connection_state(originator: Integer, responder: Integer, empty: bool) -> Integer:
    """Index into STATES from the two endpoint states, by the table in Zeek's documentation of conn_state.

    empty: neither side sent payload, so that a RST from both is still a rejected attempt.
    """
    if responder == RESET:
        if originator == SYN_SENT or originator == SYN_ACK_SENT or (originator == RESET and empty):
            return 4  # REJ
        return 10 if originator == INACTIVE or originator == PARTIAL else 8  # RSTRH, RSTR
    if originator == RESET:
        return 9 if responder == INACTIVE or responder == PARTIAL else 7  # RSTOS0, RSTO
    if originator == CLOSED:
        if responder == CLOSED:
            return 3  # SF
        return 11 if responder == INACTIVE or responder == PARTIAL else 5  # SH, S2
    if responder == CLOSED:
        return 12 if originator == INACTIVE or originator == PARTIAL else 6  # SHR, S3
    if originator == SYN_SENT and responder == INACTIVE:
        return 1  # S0
    if originator == ESTABLISHED and responder == ESTABLISHED:
        return 2  # S1
    return 0

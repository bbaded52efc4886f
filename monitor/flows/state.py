"""What the flow table holds: one FLOW a connection, two SIDEs of it, and the words of TCP's states.

Layout only: `table` finds and ages flows, `update` counts into them, `export` makes columns of them.
"""

from __future__ import annotations

import numpy as np

SPLT = 16
HISTORY = 24
HOLES = 4

FLOW = np.dtype(
    [
        ("a_hi", "u8"),  # first endpoint of the key
        ("a_lo", "u8"),
        ("b_hi", "u8"),
        ("b_lo", "u8"),
        ("hash", "u8"),
        ("port_a", "u2"),
        ("port_b", "u2"),
        ("proto", "u1"),
        ("origin", "u1"),  # which endpoint is the initiator: 0 is a, 1 is b
        ("vlan", "u2"),
        ("start", "i8"),  # µs; of this part
        ("last", "i8"),
        ("birth", "i8"),  # µs; of the whole flow
        ("chain", "u8"),
        ("prev", "i4"),  # neighbours among flows of the same `answered`, oldest first
        ("next", "i4"),
        ("wheel_prev", "i4"),  # neighbours in the bucket of the timer wheel
        ("wheel_next", "i4"),
        ("bucket", "i4"),
        ("part", "u4"),
        ("answered", "u1"),  # a packet of the responder was seen
        ("closed", "u1"),  # TCP: both FINs, or a RST
        ("end_reason", "u1"),
        ("history_len", "u1"),
        ("history_seen", "u4"),  # letters that are recorded once a side
        ("syn_time", "i8"),
        ("rtt", "u4"),  # µs
        ("icmp_type", "u1"),
        ("icmp_code", "u1"),
        ("splt_count", "u1"),
        ("service", "u1"),  # by content; 0: not known
        ("names", "i4"),  # where its names are (see `naming`); exported: place in the text; -1: none
        ("port_src", "u2"),  # as on the wire, of the first packet (the key's may differ: ICMP)
        ("port_dst", "u2"),
        ("want", "u1"),  # sides whose first payload is not over: 1 is a's, 2 is b's
        ("ruled_out", "u1"),  # the initiator's first payload is of no protocol that we know
        ("history", "u1", (HISTORY,)),
        ("splt_len", "i4", (SPLT,)),
        ("splt_iat", "u4", (SPLT,)),
    ],
    align=True,
)
"""One flow; what both directions share."""

SIDE = np.dtype(
    [
        ("packets", "u8"),
        ("bytes", "u8"),
        ("payload", "u8"),
        ("first", "i8"),
        ("last", "i8"),
        ("len_squares", "f8"),
        ("iat_squares", "f8"),  # µs²
        ("missed", "u8"),
        ("len_min", "u4"),
        ("len_max", "u4"),
        ("iat_min", "u4"),  # µs
        ("iat_max", "u4"),
        ("next_seq", "u4"),
        ("retransmits", "u4"),
        ("out_of_order", "u4"),
        ("zero_windows", "u4"),
        ("gaps", "u4"),
        ("entropy", "f4"),
        ("flags", "u1"),
        ("state", "u1"),
        ("seq_known", "u1"),  # 2: from its SYN on
        ("holes", "u1"),
        ("first_seq", "u4"),  # of the first payload byte
        ("hole_from", "u4", (HOLES,)),
        ("hole_to", "u4", (HOLES,)),
    ],
    align=True,
)
"""One direction of a flow, as sent by one endpoint."""

INACTIVE, SYN_SENT, SYN_ACK_SENT, PARTIAL, ESTABLISHED, CLOSED, RESET = range(7)
"""States of a TCP endpoint as a bystander can tell them."""

IDLE_TIMEOUT, ACTIVE_TIMEOUT, END_DETECTED, FORCED_END, LACK_OF_RESOURCES = 1, 2, 3, 4, 5
"""IPFIX flowEndReason (RFC 5102 §5.11.3)."""

STATES: tuple[str, ...] = ("OTH", "S0", "S1", "SF", "REJ", "S2", "S3", "RSTO", "RSTR", "RSTOS0", "RSTRH", "SH", "SHR")
"""Words of the `state` column, by code."""

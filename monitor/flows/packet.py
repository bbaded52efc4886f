"""The decoded packet: one row of facts a packet, and the words for packets that are not decoded.

Written by `decode`, read by `table`; nothing else knows it. Rows are fixed size so that two threads can hand them over.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

PACKET = np.dtype(
    [
        ("time", "i8"),  # µs since 1970 UTC
        ("src_hi", "u8"),  # addresses as two big-endian halves; IPv4 is mapped into ::ffff:0:0/96
        ("src_lo", "u8"),
        ("dst_hi", "u8"),
        ("dst_lo", "u8"),
        ("hash", "u8"),  # same for both directions, seeded per process
        ("payload", "i8"),  # where the transport payload starts in the batch's bytes
        ("chain", "u8"),  # encapsulations, 5 bits each, outermost lowest (see `tunnels`)
        ("digest", "u8"),  # what a mirrored duplicate of the packet shares with it
        ("ip_bytes", "u4"),  # length of the innermost IP packet
        ("payload_len", "u4"),  # transport payload, by the headers
        ("payload_cap", "u4"),  # of which captured
        ("seq", "u4"),
        ("ack", "u4"),
        ("src_port", "u2"),  # ICMP: type
        ("dst_port", "u2"),  # ICMP: code
        ("key_src", "u2"),  # ports as the flow's key has them (ICMP: type and answering type)
        ("key_dst", "u2"),
        ("window", "u2"),
        ("vlan", "u2"),
        ("ip_id", "u2"),
        ("proto", "u1"),
        ("flags", "u1"),  # TCP flags, FIN lowest
        ("ttl", "u1"),
        ("outcome", "u1"),  # an Outcome
        ("fragment", "u1"),  # 1: a fragment other than the first
        ("forward", "u1"),  # 1: the source is the key's first endpoint
    ],
    align=True,
)
"""One decoded packet. `outcome` tells whether the rest means anything."""


class Outcome(IntEnum):
    """What became of a packet; the lower-case name is the label under `ignored` or `dropped`."""

    DECODED = 0
    UNSUPPORTED_LINK = 1
    TRUNCATED_LINK = 2
    TRUNCATED_IP = 3
    TRUNCATED_TRANSPORT = 4
    BAD_IP_VERSION = 5
    BAD_IP_LENGTH = 6
    BAD_TCP_HEADER = 7
    TUNNEL_DEPTH = 9
    ARP = 10
    LLDP = 11
    EAPOL = 12
    SPANNING_TREE = 13
    LLC = 14
    MACSEC = 15
    PPP_CONTROL = 16
    PPPOE_DISCOVERY = 17
    UNKNOWN_ETHERTYPE = 18
    UNKNOWN_TUNNEL = 19
    SLOW_PROTOCOLS = 20
    LOOPBACK_TEST = 21
    WAKE_ON_LAN = 22
    PROFINET = 23
    CONTROL_FRAME = 24
    DUPLICATE = 31


OUTCOMES = 32
"""Size of an array of counters by Outcome."""

IGNORED: tuple[Outcome, ...] = tuple(o for o in Outcome if o not in (Outcome.DECODED, Outcome.DUPLICATE))
"""Outcomes counted under `ignored{reason}`."""

DROPPED: tuple[Outcome, ...] = (Outcome.DUPLICATE,)
"""Outcomes counted under `dropped{reason}`."""

UNDECODABLE: tuple[Outcome, ...] = (
    Outcome.UNSUPPORTED_LINK, Outcome.TRUNCATED_LINK, Outcome.TRUNCATED_IP, Outcome.TRUNCATED_TRANSPORT,
    Outcome.BAD_IP_VERSION, Outcome.BAD_IP_LENGTH, Outcome.BAD_TCP_HEADER,
)  # fmt: skip
"""Outcomes of packets that are broken, or of a link type that we do not know, unless the capture cut them short."""

IGNORED_REASONS, DROPPED_REASONS = (tuple(o.name.lower() for o in group) for group in (IGNORED, DROPPED))
"""All labels of the two."""


def balance(outcomes: NDArray[np.int64]) -> tuple[int, dict[str, int], dict[str, int]]:
    """Packets decoded, ignored by reason, dropped by reason, of counters by Outcome (OUTCOMES,)."""
    ignored, dropped = (
        {reason.name.lower(): int(outcomes[reason]) for reason in group if outcomes[reason]}
        for group in (IGNORED, DROPPED)
    )
    return int(outcomes[Outcome.DECODED]), ignored, dropped


FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
"""TCP flags (RFC 9293 §3.1)."""

ICMP, TCP, UDP, ICMP6, SCTP = 1, 6, 17, 58, 132
"""IP protocol numbers (IANA)."""

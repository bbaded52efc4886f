"""From captured bytes to decoded packets: walks link layer, tags, encapsulations, IP and transport of a whole batch.

One row of PACKET a captured packet, whatever it is; `outcome` says which rows mean something. No flow is known here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.flows.bytes import be16, byte
from monitor.flows.duplicates import is_duplicate
from monitor.flows.fragments import fragment_key, recall_first, remember_first
from monitor.flows.headers import extensions, ipv4, ipv6, transport
from monitor.flows.key import finish_key
from monitor.flows.link import ETH_IPV4, ETH_IPV6, ETHERNET, IP, STOP, ignored_ethertype, link_header, llc, ppp_protocol
from monitor.flows.packet import ICMP, ICMP6, SCTP, TCP, UDP, Outcome
from monitor.flows.prefetch import prefetch
from monitor.flows.tunnels import (
    ETHERIP,
    FOUR_IN_SIX,
    GRE,
    IPIP,
    MPLS,
    PPPOE,
    SIX_IN_FOUR,
    SIX_IN_SIX,
    chained,
    gre,
    udp_tunnel,
)
from monitor.jit import Integer, inlined, kernel

MAX_DEPTH = 8
"""Encapsulations that are followed by default."""

LOOK_AHEAD = 12
"""Packets whose headers are fetched into the cache ahead of their turn."""

_OK = Outcome.DECODED.value
WITH_PORTS = (TCP, UDP, ICMP, ICMP6, SCTP)
"""Protocols whose later fragments need the first to be told apart."""


@kernel
def decode_batch(
    data: Any, offset: Any, captured: Any, wire: Any, time: Any, link: Any,
    packets: Any, fragments: Any, seen: Any, counters: Any, seed: Integer, max_depth: Integer, dedup_window: Integer,
) -> None:  # fmt: skip
    """Decode every packet of a batch into `packets` (PACKET, as long as `offset`) and count by Outcome.

    fragments: FRAGMENT table; seen: table of recent digests (see `duplicates`); counters: (OUTCOMES,) int64;
    seed: of the flow hash; dedup_window: µs within which an equal packet is a mirrored duplicate, 0 = keep all.
    """
    size = len(data)
    count = len(offset)
    for i in range(count):
        soon = offset[min(i + LOOK_AHEAD, count - 1)]
        prefetch(data, soon, 0)
        prefetch(data, soon, 64)
        row = packets[i]
        at = offset[i]
        end = at + np.int64(captured[i])
        row["time"] = time[i]
        if at < 0 or end > size:  # the source is trusted to be right, but never with memory
            outcome = Outcome.TRUNCATED_LINK.value
        else:
            wire_end = max(at + np.int64(wire[i]), end)
            outcome = decode_one(data, at, end, wire_end, np.int64(link[i]), row, fragments, max_depth)
        if outcome == _OK:
            finish_key(row, seed)
            if dedup_window > 0 and is_duplicate(seen, row, dedup_window):
                outcome = Outcome.DUPLICATE.value
        row["outcome"] = outcome
        counters[outcome] += 1


@kernel
def decode_one(
    data: Any, at: Integer, end: Integer, wire_end: Integer, link: Integer, row: Any, fragments: Any, max_depth: Integer
) -> Integer:
    """Decode one packet; its Outcome. When an encapsulation holds no IP packet, the one outside is the packet."""
    outcome, retry = walk(data, at, end, wire_end, link, row, fragments, max_depth, 64)
    while outcome != _OK and outcome != Outcome.TUNNEL_DEPTH.value and retry > 0:
        outcome, retry = walk(data, at, end, wire_end, link, row, fragments, max_depth, retry - 1)
    return outcome


@kernel
def walk(
    data: Any,
    at: Integer,
    end: Integer,
    wire_end: Integer,
    link: Integer,
    row: Any,
    fragments: Any,
    max_depth: Integer,
    inside: Integer,
) -> tuple[Integer, Integer]:
    """(outcome, retry) of the packet, following at most `inside` IP encapsulations.

    When it is not decoded, following `retry` - 1 of them would end at an IP header that was good; 0: there is none.
    """
    following, at, outcome = link_header(data, at, end, link)
    if following == STOP:
        return outcome, 0
    row["vlan"] = 0
    chain, depth, headers = np.uint64(0), 0, -1
    while True:
        if following == IP:
            following = ETH_IPV6 if at < end and byte(data, at) >> 4 == 6 else ETH_IPV4
        if following == ETH_IPV4 or following == ETH_IPV6:
            headers += 1
            following, at, end, wire_end, kind, outcome = network(
                data, at, end, wire_end, following, row, fragments, headers < inside
            )
            if following == STOP:
                row["chain"] = chain
                return outcome, headers
        else:
            if following == 0x8864 and end - at >= 6:  # what is behind the PPPoE payload is the frame's padding
                wire_end = min(wire_end, at + 6 + be16(data, at + 4))
                end = min(end, wire_end)
            following, at, kind, outcome = between(data, at, end, following, row)
            if following == STOP:
                return outcome, headers + 1
        if kind:
            outer_gre = 2 <= kind <= 4  # ERSPAN is GRE and a header more
            if depth + (2 if outer_gre else 1) > max_depth:
                return Outcome.TUNNEL_DEPTH.value, max(headers, 0)
            if outer_gre:
                chain = chained(chain, depth, GRE)
                depth += 1
            chain = chained(chain, depth, kind)
            depth += 1


@kernel
def between(
    data: Any, at: Integer, end: Integer, following: Integer, row: Any
) -> tuple[Integer, Integer, Integer, Integer]:
    """(next, position, encapsulation entered or 0, outcome) behind one header below IP."""
    if following == ETHERNET:
        if end - at < 14:
            return STOP, at, 0, Outcome.TRUNCATED_LINK.value
        return tagged(data, be16(data, at + 12), at + 14, end)
    if following in (0x8100, 0x88A8, 0x9100, 0x9200):
        if end - at < 4:
            return STOP, at, 0, Outcome.TRUNCATED_LINK.value
        if row["vlan"] == 0:
            row["vlan"] = be16(data, at) & 0x0FFF
        return tagged(data, be16(data, at + 2), at + 4, end)
    if following == 0x8847 or following == 0x8848:
        return mpls(data, at, end)
    if following == 0x8864:  # PPPoE session (RFC 2516)
        if end - at < 8:
            return STOP, at, 0, Outcome.TRUNCATED_LINK.value
        if be16(data, at) != 0x1100:
            return STOP, at, 0, Outcome.UNKNOWN_TUNNEL.value
        following, at, outcome = ppp_protocol(data, at + 6, end)
        return following, at, PPPOE, outcome
    if following == 0x880B:
        if end - at >= 2 and be16(data, at) == 0xFF03:
            at += 2
        following, at, outcome = ppp_protocol(data, at, end)
        return following, at, 0, outcome
    if following == 0x6558:
        return ETHERNET, at, 0, _OK
    if following == 0x8926:  # VN-tag (802.1BR's forerunner)
        if end - at < 6:
            return STOP, at, 0, Outcome.TRUNCATED_LINK.value
        return tagged(data, be16(data, at + 4), at + 6, end)
    return STOP, at, 0, ignored_ethertype(following)


@inlined
def tagged(data: Any, following: Integer, at: Integer, end: Integer) -> tuple[Integer, Integer, Integer, Integer]:
    """What `between` gives behind an EtherType or length field (IEEE 802.3 §3.2.6): a length is followed by LLC."""
    if following < 0x0600:
        following, at, outcome = llc(data, at, end)
        return following, at, 0, outcome
    return following, at, 0, _OK


@kernel
def mpls(data: Any, at: Integer, end: Integer) -> tuple[Integer, Integer, Integer, Integer]:
    """Behind a label stack (RFC 3032): IP by its first nibble, or Ethernet behind a control word (RFC 4448)."""
    while True:
        if end - at < 5:
            return STOP, at, 0, Outcome.TRUNCATED_LINK.value
        bottom = byte(data, at + 2) & 1
        at += 4
        if bottom:
            break
    nibble = byte(data, at) >> 4
    if nibble == 4 or nibble == 6:
        return IP, at, MPLS, _OK
    if nibble == 0 and end - at > 4 + 14:
        return ETHERNET, at + 4, MPLS, _OK
    return STOP, at, 0, Outcome.UNKNOWN_TUNNEL.value


@inlined
def network(
    data: Any, at: Integer, end: Integer, wire_end: Integer, version: Integer, row: Any, fragments: Any, enter: bool
) -> tuple[Integer, Integer, Integer, Integer, Integer, Integer]:
    """One IP packet: (next, position, captured end, wire end, encapsulation, outcome); STOP: it is the innermost."""
    fragment: Integer = 0
    identification: Integer = 0
    if version == ETH_IPV4:
        outcome, proto, at, wire_end, fragment = ipv4(data, at, end, wire_end, row)
        identification = np.int64(row["ip_id"])
        if outcome == _OK and proto == 51 and fragment & 0x1FFF == 0:
            outcome, proto, at, _, _ = extensions(data, at, min(end, wire_end), proto)
    else:
        outcome, proto, at, wire_end = ipv6(data, at, end, wire_end, row)
        if outcome == _OK:
            outcome, proto, at, fragment, identification = extensions(data, at, min(end, wire_end), proto)
            row["ip_id"] = identification & 0xFFFF
    if outcome != _OK:
        return STOP, at, end, wire_end, 0, outcome
    end = min(end, wire_end)
    row["proto"] = proto
    row["fragment"] = 1 if fragment & 0x1FFF else 0
    if fragment & 0x1FFF:
        return STOP, at, end, wire_end, 0, later_fragment(at, end, wire_end, row, fragments, identification, fragment)
    if enter:
        following, inner, kind = encapsulation(data, at, end, version, proto)
        if following != STOP:
            if fragment and proto == UDP:  # the tunnel's later fragments count to the tunnel's own flow
                row["src_port"], row["dst_port"] = be16(data, at), be16(data, at + 2)
                remember_first(fragments, fragment_key(row, identification, proto), row)
            return following, inner, end, wire_end, kind, _OK
    outcome = transport(data, at, end, wire_end, proto, row)
    if outcome == _OK and fragment and proto in WITH_PORTS:
        remember_first(fragments, fragment_key(row, identification, proto), row)
    return STOP, at, end, wire_end, 0, outcome


@kernel
def later_fragment(
    at: Integer, end: Integer, wire_end: Integer, row: Any, fragments: Any, identification: Integer, fragment: Integer
) -> Integer:
    """Give a fragment after the first the ports of the first, or 0 when that was not seen; its Outcome."""
    row["flags"] = 0
    row["seq"] = 0
    row["ack"] = 0
    row["window"] = 0
    row["src_port"] = 0
    row["dst_port"] = 0
    row["payload"] = at
    row["payload_len"] = wire_end - at
    row["payload_cap"] = max(end - at, 0)
    row["digest"] = np.uint64(fragment)
    proto = np.int64(row["proto"])
    if proto in WITH_PORTS:
        recall_first(fragments, fragment_key(row, identification, proto), row)
    return _OK


@kernel
def encapsulation(
    data: Any, at: Integer, end: Integer, version: Integer, proto: Integer
) -> tuple[Integer, Integer, Integer]:
    """(next, position, kind) of what an IP packet encapsulates; STOP when it is an ordinary packet."""
    if proto == UDP:
        if end - at >= 8:
            src_port, dst_port = be16(data, at), be16(data, at + 2)
            if max(src_port, dst_port) >= 2152:
                return udp_tunnel(data, at + 8, end, src_port, dst_port)
        return STOP, at, 0
    if proto == 4:
        return ETH_IPV4, at, IPIP if version == ETH_IPV4 else FOUR_IN_SIX
    if proto == 41:
        return ETH_IPV6, at, SIX_IN_FOUR if version == ETH_IPV4 else SIX_IN_SIX
    if proto == 47:
        return gre(data, at, end)
    if proto == 97 and end - at > 2 + 14 and byte(data, at) >> 4 == 3:  # EtherIP (RFC 3378)
        return ETHERNET, at + 2, ETHERIP
    if proto == 137:  # MPLS in IP (RFC 4023)
        return 0x8847, at, 0
    return STOP, at, 0

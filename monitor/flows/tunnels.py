"""Encapsulations that carry packets inside packets: recognise one and say what lies behind its header.

`decode` walks the nesting; here each function looks at one header and gives (next, position, kind) as `link` does, with
STOP when the bytes are not that encapsulation. Which kinds a packet went through is kept as a chain of 5-bit codes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.flows.bytes import be16, byte
from monitor.flows.link import ETH_IPV4, ETH_IPV6, ETHERNET, IP, STOP
from monitor.jit import Integer, inlined, kernel

KINDS: tuple[str, ...] = (
    "", "gre", "erspan1", "erspan2", "erspan3", "vxlan", "vxlan-gpe", "geneve", "ipip", "6in4", "4in6", "6in6",
    "teredo", "gtpu", "mpls", "pppoe", "etherip", "pptp",
)  # fmt: skip
"""Words of the `tunnel` column, by code."""

(_, GRE, ERSPAN1, ERSPAN2, ERSPAN3, VXLAN, VXLAN_GPE, GENEVE, IPIP, SIX_IN_FOUR, FOUR_IN_SIX, SIX_IN_SIX, TEREDO, GTPU,
 MPLS, PPPOE, ETHERIP, PPTP) = range(len(KINDS))  # fmt: skip

PORT_VXLAN, PORT_VXLAN_GPE, PORT_GENEVE, PORT_GTPU, PORT_TEREDO, PORT_MPLS = 4789, 4790, 6081, 2152, 3544, 6635


def chain_name(chain: int) -> str:
    """The `tunnel` column's text for a chain, outermost first: `gre/erspan2`."""
    words = []
    while chain:
        words.append(KINDS[chain & 31])
        chain >>= 5
    return "/".join(words)


@inlined
def chained(chain: Any, depth: Integer, kind: Integer) -> Any:
    """The chain with one more encapsulation at nesting `depth` (0 is outermost)."""
    return chain | (np.uint64(kind) << np.uint64(5 * depth))


@kernel
def gre(buf: Any, at: Integer, end: Integer) -> tuple[Integer, Integer, Integer]:
    """GRE (RFC 2784, 2890), PPTP's version 1 (RFC 2637), ERSPAN I–III behind it."""
    if end - at < 4:
        return STOP, at, GRE
    flags, protocol = be16(buf, at), be16(buf, at + 2)
    after = at + 4
    if flags & 7 == 1:  # PPTP
        after += 4 + (4 if flags & 0x1000 else 0) + (4 if flags & 0x0080 else 0)
        if protocol != 0x880B or after >= end:
            return STOP, at, PPTP
        return 0x880B, after, PPTP
    if flags & 7 != 0 or flags & 0x4000:  # an unknown version; source routing (RFC 1701)
        return STOP, at, GRE
    after += (4 if flags & 0x8000 else 0) + (4 if flags & 0x2000 else 0) + (4 if flags & 0x1000 else 0)
    if after >= end:
        return STOP, at, GRE
    if protocol == 0x88BE:
        if flags & 0x1000 == 0:
            return ETHERNET, after, ERSPAN1
        return (ETHERNET, after + 8, ERSPAN2) if end - after > 8 else (STOP, at, GRE)
    if protocol == 0x22EB:
        return erspan3(buf, after, end)
    if protocol == 0x6558:
        return ETHERNET, after, GRE
    if protocol == 0x883E:  # WCCP: IP directly (version 1) or behind a redirect header of four bytes (version 2)
        return IP, after if byte(buf, after) >> 4 == 4 else after + 4, GRE
    return (protocol, after, GRE) if protocol >= 0x0600 else (STOP, at, GRE)


@kernel
def erspan3(buf: Any, at: Integer, end: Integer) -> tuple[Integer, Integer, Integer]:
    """ERSPAN type III: 12 bytes, and 8 more with the platform-specific bit; the frame type says Ethernet or IP."""
    if end - at <= 12:
        return STOP, at, GRE
    tail = be16(buf, at + 10)
    after = at + 12 + (8 if tail & 1 else 0)
    frame = (tail >> 10) & 0x1F
    if after >= end:
        return STOP, at, GRE
    return (IP, after, ERSPAN3) if frame == 2 else (ETHERNET, after, ERSPAN3)


@kernel
def udp_tunnel(
    buf: Any, at: Integer, end: Integer, src_port: Integer, dst_port: Integer
) -> tuple[Integer, Integer, Integer]:
    """What a UDP payload encapsulates, by port and a header that is right in all its fixed bits; else STOP."""
    for port in (dst_port, src_port):
        if port == PORT_VXLAN:
            return vxlan(buf, at, end)
        if port == PORT_VXLAN_GPE:
            return vxlan_gpe(buf, at, end)
        if port == PORT_GENEVE:
            return geneve(buf, at, end)
        if port == PORT_GTPU:
            return gtpu(buf, at, end)
        if port == PORT_TEREDO:
            return teredo(buf, at, end)
        if port == PORT_MPLS:  # MPLS over UDP (RFC 7510)
            return (0x8847, at, 0) if end - at > 4 else (STOP, at, 0)  # the label stack enters itself in the chain
    return STOP, at, 0


@kernel
def vxlan(buf: Any, at: Integer, end: Integer) -> tuple[Integer, Integer, Integer]:
    """VXLAN (RFC 7348): the I flag set; group policy's flags tolerated."""
    if end - at < 8 + 14 or byte(buf, at) & 0x08 == 0 or byte(buf, at + 7) != 0:
        return STOP, at, VXLAN
    return ETHERNET, at + 8, VXLAN


@kernel
def vxlan_gpe(buf: Any, at: Integer, end: Integer) -> tuple[Integer, Integer, Integer]:
    """VXLAN GPE (draft-ietf-nvo3-vxlan-gpe): the P flag, and what comes next in one byte."""
    if end - at <= 8 or byte(buf, at) & 0x0C != 0x0C:
        return STOP, at, VXLAN_GPE
    following = byte(buf, at + 3)
    if following == 1:
        return ETH_IPV4, at + 8, VXLAN_GPE
    if following == 2:
        return ETH_IPV6, at + 8, VXLAN_GPE
    if following == 3:
        return ETHERNET, at + 8, VXLAN_GPE
    return STOP, at, VXLAN_GPE


@kernel
def geneve(buf: Any, at: Integer, end: Integer) -> tuple[Integer, Integer, Integer]:
    """Geneve (RFC 8926): version 0, options skipped; Ethernet or an EtherType."""
    if end - at < 8 or byte(buf, at) >> 6 != 0:
        return STOP, at, GENEVE
    after = at + 8 + 4 * (byte(buf, at) & 0x3F)
    protocol = be16(buf, at + 2)
    if after >= end:
        return STOP, at, GENEVE
    if protocol == 0x6558:
        return ETHERNET, after, GENEVE
    if protocol == ETH_IPV4 or protocol == ETH_IPV6:
        return protocol, after, GENEVE
    return STOP, at, GENEVE


@kernel
def gtpu(buf: Any, at: Integer, end: Integer) -> tuple[Integer, Integer, Integer]:
    """GTP-U (3GPP TS 29.281): version 1 T-PDUs, optional fields and extension headers skipped."""
    if end - at < 8:
        return STOP, at, GTPU
    flags = byte(buf, at)
    if flags & 0xF0 != 0x30 or byte(buf, at + 1) != 0xFF:
        return STOP, at, GTPU
    after = at + 8
    if flags & 0x07:
        if end - after < 4:
            return STOP, at, GTPU
        following = byte(buf, after + 3) if flags & 0x04 else 0
        after += 4
        while following != 0:
            if after >= end:
                return STOP, at, GTPU
            length = 4 * byte(buf, after)
            if length == 0 or end - after < length:
                return STOP, at, GTPU
            following = byte(buf, after + length - 1)
            after += length
    return (IP, after, GTPU) if after < end else (STOP, at, GTPU)


@kernel
def teredo(buf: Any, at: Integer, end: Integer) -> tuple[Integer, Integer, Integer]:
    """Teredo (RFC 4380 §5.1.1): authentication and origin indications skipped, then IPv6."""
    if end - at >= 4 and be16(buf, at) == 0x0001:
        at += 13 + byte(buf, at + 2) + byte(buf, at + 3)
    if end - at >= 8 and be16(buf, at) == 0x0000:
        at += 8
    if end - at < 40 or byte(buf, at) >> 4 != 6:
        return STOP, at, TEREDO
    return ETH_IPV6, at, TEREDO

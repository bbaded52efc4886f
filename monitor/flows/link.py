"""Link layers: from a frame's first byte to the EtherType of what it carries, or to IP itself.

Ethernet and its tags are walked in `decode`; here are the other link types of DESIGN §6 and what LLC and PPP carry.
"""

from __future__ import annotations

from typing import Any

from monitor.flows.bytes import be16, be32, byte
from monitor.flows.packet import Outcome
from monitor.jit import Integer, kernel

# What comes next, as `decode` walks it. EtherTypes above 0x600 stand for themselves.
STOP, ETHERNET, IP = 0, 1, 2

ETH_IPV4, ETH_IPV6 = 0x0800, 0x86DD

# LINKTYPE_ numbers (tcpdump.org registry).
LINK_NULL, LINK_ETHERNET, LINK_PPP, LINK_PPP_HDLC = 0, 1, 9, 50
LINK_PPP_ETHER, LINK_RAW_12, LINK_RAW_14, LINK_RAW, LINK_LOOP = 51, 12, 14, 101, 108
LINK_SLL, LINK_CHDLC, LINK_IPV4, LINK_IPV6, LINK_SLL2 = 113, 104, 228, 229, 276

SUPPORTED: tuple[int, ...] = (
    LINK_NULL, LINK_ETHERNET, LINK_PPP, LINK_PPP_HDLC, LINK_PPP_ETHER, LINK_RAW_12, LINK_RAW_14, LINK_RAW,
    LINK_LOOP, LINK_SLL, LINK_CHDLC, LINK_IPV4, LINK_IPV6, LINK_SLL2,
)  # fmt: skip
"""Link types that are decoded; packets of any other are ignored as `unsupported_link`."""


@kernel
def link_header(buf: Any, at: Integer, end: Integer, link: Integer) -> tuple[Integer, Integer, Integer]:
    """(next, position, outcome) of the frame at `at`; `next` is an EtherType, ETHERNET, IP or STOP with the outcome."""
    if link == LINK_ETHERNET:
        return ETHERNET, at, Outcome.DECODED.value
    if link in (LINK_RAW, LINK_RAW_12, LINK_RAW_14, LINK_IPV4, LINK_IPV6):
        return IP, at, Outcome.DECODED.value
    if link == LINK_SLL:
        if end - at < 16:
            return STOP, at, Outcome.TRUNCATED_LINK.value
        if be16(buf, at + 2) == 824:  # ARPHRD_NETLINK: the protocol field is a netlink family
            return STOP, at, Outcome.CONTROL_FRAME.value
        return cooked(buf, at + 14, at + 16, end)
    if link == LINK_SLL2:
        if end - at < 20:
            return STOP, at, Outcome.TRUNCATED_LINK.value
        if be16(buf, at + 8) == 824:
            return STOP, at, Outcome.CONTROL_FRAME.value
        return cooked(buf, at, at + 20, end)
    if link == LINK_NULL or link == LINK_LOOP:
        return loopback(buf, at, end)
    if link in (LINK_PPP, LINK_PPP_HDLC, LINK_CHDLC):
        return point_to_point(buf, at, end, link)
    if link == LINK_PPP_ETHER:
        return 0x8864, at, Outcome.DECODED.value
    return STOP, at, Outcome.UNSUPPORTED_LINK.value


@kernel
def cooked(buf: Any, protocol_at: Integer, payload: Integer, end: Integer) -> tuple[Integer, Integer, Integer]:
    """Linux cooked capture: the protocol field is an EtherType, or 1, 3, 4 for 802.3, all, LLC."""
    protocol = be16(buf, protocol_at)
    if protocol == 0x0004:
        return llc(buf, payload, end)
    if protocol < 0x0600:
        return STOP, payload, Outcome.CONTROL_FRAME.value
    return protocol, payload, Outcome.DECODED.value


@kernel
def loopback(buf: Any, at: Integer, end: Integer) -> tuple[Integer, Integer, Integer]:
    """BSD loopback: an address family in the byte order of the capturing host (LINKTYPE_LOOP: network order)."""
    if end - at < 4:
        return STOP, at, Outcome.TRUNCATED_LINK.value
    family = be32(buf, at)
    if family > 0xFFFF:  # the other byte order
        family = ((family >> 24) & 0xFF) | ((family >> 8) & 0xFF00)
    if family == 2:
        return ETH_IPV4, at + 4, Outcome.DECODED.value
    if family in (10, 24, 28, 30):  # AF_INET6 of Linux, NetBSD, FreeBSD, Darwin
        return ETH_IPV6, at + 4, Outcome.DECODED.value
    return STOP, at, Outcome.UNKNOWN_ETHERTYPE.value


@kernel
def point_to_point(buf: Any, at: Integer, end: Integer, link: Integer) -> tuple[Integer, Integer, Integer]:
    """PPP with or without HDLC framing (RFC 1661, 1662), and Cisco HDLC."""
    if end - at < 4:
        return STOP, at, Outcome.TRUNCATED_LINK.value
    first = byte(buf, at)
    if link == LINK_CHDLC or first == 0x0F or first == 0x8F:  # Cisco's HDLC is written as PPP too
        protocol = be16(buf, at + 2)
        if protocol < 0x0600 or protocol == 0x8035 or protocol == 0x2000:
            return STOP, at, Outcome.CONTROL_FRAME.value
        return protocol, at + 4, Outcome.DECODED.value
    if first == 0xFF and byte(buf, at + 1) == 0x03:
        at += 2
    elif link == LINK_PPP and first <= 1 and byte(buf, at + 1) == 0x00 and byte(buf, at + 2) == 0x21:
        at += 1  # a direction byte before the protocol
    return ppp_protocol(buf, at, end)


@kernel
def ppp_protocol(buf: Any, at: Integer, end: Integer) -> tuple[Integer, Integer, Integer]:
    """The PPP protocol field (one byte when compressed) to an EtherType."""
    if end - at < 1:
        return STOP, at, Outcome.TRUNCATED_LINK.value
    protocol = byte(buf, at)
    after = at + 1
    if protocol & 1 == 0:
        if end - at < 2:
            return STOP, at, Outcome.TRUNCATED_LINK.value
        protocol = be16(buf, at)
        after = at + 2
    if protocol == 0x21:
        return ETH_IPV4, after, Outcome.DECODED.value
    if protocol == 0x57:
        return ETH_IPV6, after, Outcome.DECODED.value
    if protocol == 0x281 or protocol == 0x283:
        return 0x8847, after, Outcome.DECODED.value
    if protocol == 0x31:  # bridged Ethernet (RFC 3518): flags, MAC type, frame
        if end - after < 2 or byte(buf, after + 1) != 1:
            return STOP, after, Outcome.PPP_CONTROL.value
        return ETHERNET, after + 2, Outcome.DECODED.value
    return STOP, after, Outcome.PPP_CONTROL.value


@kernel
def llc(buf: Any, at: Integer, end: Integer) -> tuple[Integer, Integer, Integer]:
    """IEEE 802.2 LLC, with SNAP (RFC 1042) to an EtherType; raw IP by DSAP 06."""
    if end - at < 3:
        return STOP, at, Outcome.TRUNCATED_LINK.value
    dsap, ssap, control = byte(buf, at), byte(buf, at + 1), byte(buf, at + 2)
    if dsap == 0xAA and ssap == 0xAA and control == 0x03:
        if end - at < 8:
            return STOP, at, Outcome.TRUNCATED_LINK.value
        organisation = (byte(buf, at + 3) << 16) | be16(buf, at + 4)
        protocol = be16(buf, at + 6)
        if (organisation == 0 or organisation == 0x0000F8) and protocol >= 0x0600:
            return protocol, at + 8, Outcome.DECODED.value
        return STOP, at, Outcome.LLC.value
    if dsap == 0x42 and ssap == 0x42:
        return STOP, at, Outcome.SPANNING_TREE.value
    if dsap == 0x06 and ssap == 0x06 and control == 0x03:
        return ETH_IPV4, at + 3, Outcome.DECODED.value
    return STOP, at, Outcome.LLC.value


@kernel
def ignored_ethertype(ethertype: Integer) -> Integer:
    """The Outcome for an EtherType that carries no IP."""
    if ethertype == 0x0806 or ethertype == 0x8035:
        return Outcome.ARP.value
    if ethertype == 0x88CC:
        return Outcome.LLDP.value
    if ethertype == 0x888E:
        return Outcome.EAPOL.value
    if ethertype == 0x88E5:
        return Outcome.MACSEC.value
    if ethertype == 0x8863:
        return Outcome.PPPOE_DISCOVERY.value
    if ethertype == 0x8809:
        return Outcome.SLOW_PROTOCOLS.value
    if ethertype == 0x9000:
        return Outcome.LOOPBACK_TEST.value
    if ethertype == 0x0842:
        return Outcome.WAKE_ON_LAN.value
    if ethertype == 0x8892:
        return Outcome.PROFINET.value
    return Outcome.UNKNOWN_ETHERTYPE.value

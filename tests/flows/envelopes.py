"""Wraps packets into every link layer, tag and encapsulation that the decoder follows, each byte of it right.

For tests that need to know what is inside; nothing here parses.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from packets import DOT1Q, IPV4, IPV6, UDP, ethernet, ip, udp_datagram

OUTER = ("203.0.113.1", "203.0.113.2")
"""Ends of the tunnels."""
OUTER6 = ("2001:db8:ffff::1", "2001:db8:ffff::2")

Wrap = Callable[[bytes], bytes]
"""From an IP packet to the IP packet that carries it."""


def ethertype(packet: bytes) -> int:
    """Of an IP packet, by its version."""
    return IPV6 if packet[0] >> 4 == 6 else IPV4


def gre_header(protocol: int, *, key: int | None = None, number: int | None = None, check: bool = False) -> bytes:
    """GRE (RFC 2784, 2890)."""
    flags = (0x8000 if check else 0) | (0x2000 if key is not None else 0) | (0x1000 if number is not None else 0)
    header = struct.pack("!HH", flags, protocol) + (b"\x12\x34\0\0" if check else b"")
    header += b"" if key is None else struct.pack("!I", key)
    return header + (b"" if number is None else struct.pack("!I", number))


def over_ip(proto: int, payload: bytes, ends: tuple[str, str] = OUTER) -> bytes:
    """An IP packet between the tunnel's ends."""
    return ip(*ends, proto, payload)


def over_udp(port: int, payload: bytes, *, sport: int = 50000) -> bytes:
    """An IP packet with a UDP datagram between the tunnel's ends."""
    return ip(*OUTER, UDP, udp_datagram(*OUTER, sport, port, payload))


def gre(packet: bytes) -> bytes:
    return over_ip(47, gre_header(ethertype(packet)) + packet)


def gre_all_fields(packet: bytes) -> bytes:
    return over_ip(47, gre_header(ethertype(packet), key=7, number=9, check=True) + packet)


def gre_bridged(packet: bytes) -> bytes:
    return over_ip(47, gre_header(0x6558, key=1) + ethernet(packet))


def erspan1(packet: bytes) -> bytes:
    return over_ip(47, gre_header(0x88BE) + ethernet(packet))


def erspan2(packet: bytes) -> bytes:
    """draft-foschiano-erspan: version 1, VLAN 5, session 3, index 0."""
    return over_ip(47, gre_header(0x88BE, number=1) + struct.pack("!HHI", 0x1005, 3, 0) + ethernet(packet, vlans=[5]))


def erspan3(packet: bytes) -> bytes:
    return over_ip(47, gre_header(0x22EB, number=1) + struct.pack("!HHIHH", 0x2005, 3, 0, 0, 0) + ethernet(packet))


def erspan3_platform(packet: bytes) -> bytes:
    """With the platform-specific subheader, and IP rather than Ethernet in it (frame type 2)."""
    header = struct.pack("!HHIHH", 0x2005, 3, 0, 0, (2 << 10) | 1) + bytes(8)
    return over_ip(47, gre_header(0x22EB, number=1) + header + packet)


def vxlan(packet: bytes) -> bytes:
    return over_udp(4789, struct.pack("!II", 0x08000000, 42 << 8) + ethernet(packet))


def vxlan_gpe(packet: bytes) -> bytes:
    following = 2 if packet[0] >> 4 == 6 else 1
    return over_udp(4790, struct.pack("!II", 0x0C000000 | following, 42 << 8) + packet)


def geneve(packet: bytes) -> bytes:
    """RFC 8926, with one option of four bytes of data."""
    header = struct.pack("!BBHI", 2, 0, 0x6558, 42 << 8) + struct.pack("!HBB", 0x0102, 3, 1) + b"abcd"
    return over_udp(6081, header + ethernet(packet))


def geneve_ip(packet: bytes) -> bytes:
    return over_udp(6081, struct.pack("!BBHI", 0, 0, ethertype(packet), 42 << 8) + packet)


def ip_in_ip(packet: bytes) -> bytes:
    """By the inner version: IP-in-IP (RFC 2003) or 6in4 (RFC 4213)."""
    return over_ip(41 if packet[0] >> 4 == 6 else 4, packet)


def ip_in_ip6(packet: bytes) -> bytes:
    """By the inner version: 4in6 or 6in6 (RFC 2473)."""
    return over_ip(41 if packet[0] >> 4 == 6 else 4, packet, OUTER6)


def gtpu(packet: bytes) -> bytes:
    """3GPP TS 29.281: a T-PDU with sequence number and one extension header."""
    body = struct.pack("!HBB", 7, 0, 0x85) + b"\x01\x10\x01\x00" + packet
    return over_udp(2152, struct.pack("!BBHI", 0x36, 0xFF, len(body), 99) + body)


def gtpu_plain(packet: bytes) -> bytes:
    return over_udp(2152, struct.pack("!BBHI", 0x30, 0xFF, len(packet), 99) + packet)


def teredo(packet: bytes) -> bytes:
    """RFC 4380: with authentication and origin indication. IPv6 only."""
    authentication = struct.pack("!HBB", 1, 0, 0) + bytes(9)
    origin = struct.pack("!HH4s", 0, 0xFFFF, b"\xff\xff\xff\xff")
    return over_udp(3544, authentication + origin + packet)


def label_stack(packet: bytes, labels: int = 2) -> bytes:
    """MPLS labels (RFC 3032) before a packet."""
    stack = [struct.pack("!I", (100 + i) << 12 | (0x100 if i == labels - 1 else 0) | 64) for i in range(labels)]
    return b"".join(stack) + packet


def mpls_in_ip(packet: bytes) -> bytes:
    return over_ip(137, label_stack(packet))


def mpls_in_udp(packet: bytes) -> bytes:
    return over_udp(6635, label_stack(packet, 1))


def etherip(packet: bytes) -> bytes:
    return over_ip(97, b"\x30\x00" + ethernet(packet))


def pptp(packet: bytes) -> bytes:
    """RFC 2637: GRE version 1 with sequence and acknowledgement numbers, PPP in it."""
    following = b"\x00\x57" if packet[0] >> 4 == 6 else b"\x00\x21"
    body = b"\xff\x03" + following + packet
    return over_ip(47, struct.pack("!HHHHII", 0x3081, 0x880B, len(body), 5, 1, 1) + body)


WRAPS: dict[str, tuple[Wrap, str]] = {
    "gre": (gre, "gre"),
    "gre with all fields": (gre_all_fields, "gre"),
    "gre with ethernet": (gre_bridged, "gre"),
    "erspan1": (erspan1, "gre/erspan1"),
    "erspan2": (erspan2, "gre/erspan2"),
    "erspan3": (erspan3, "gre/erspan3"),
    "erspan3 with platform header": (erspan3_platform, "gre/erspan3"),
    "vxlan": (vxlan, "vxlan"),
    "vxlan-gpe": (vxlan_gpe, "vxlan-gpe"),
    "geneve with options": (geneve, "geneve"),
    "geneve with IP": (geneve_ip, "geneve"),
    "in IPv4": (ip_in_ip, "ipip"),
    "in IPv6": (ip_in_ip6, "4in6"),
    "gtpu": (gtpu, "gtpu"),
    "gtpu without options": (gtpu_plain, "gtpu"),
    "teredo": (teredo, "teredo"),
    "mpls in IP": (mpls_in_ip, "mpls"),
    "mpls in UDP": (mpls_in_udp, "mpls"),
    "etherip": (etherip, "etherip"),
    "pptp": (pptp, "pptp"),
}
"""Each encapsulation of IP in IP, and what the `tunnel` column calls it (around IPv4, but Teredo)."""


def pppoe(packet: bytes) -> bytes:
    """Frame with a PPPoE session packet (RFC 2516), padded as Ethernet asks."""
    body = (b"\x00\x57" if packet[0] >> 4 == 6 else b"\x00\x21") + packet
    return ethernet(struct.pack("!BBHH", 0x11, 0, 1, len(body)) + body, ethertype=0x8864, pad=True)


def snap(packet: bytes) -> bytes:
    """IEEE 802.3 frame with LLC and SNAP (RFC 1042)."""
    body = b"\xaa\xaa\x03\0\0\0" + struct.pack("!H", ethertype(packet)) + packet
    return ethernet(body, ethertype=min(len(body), 1500))


def vntag(packet: bytes) -> bytes:
    return ethernet(struct.pack("!IHHH", 0x80010002, DOT1Q, 7, ethertype(packet)) + packet, ethertype=0x8926)


def mpls_pseudowire(packet: bytes) -> bytes:
    """Ethernet behind labels and a control word (RFC 4448)."""
    return ethernet(label_stack(bytes(4) + ethernet(packet)), ethertype=0x8847)


def sll(packet: bytes) -> bytes:
    return struct.pack("!HHH8sH", 0, 1, 6, b"\x02\0\0\0\0\x01\0\0", ethertype(packet)) + packet


def sll2(packet: bytes) -> bytes:
    return struct.pack("!HHIHBB8s", ethertype(packet), 0, 2, 1, 0, 6, b"\x02\0\0\0\0\x01\0\0") + packet


def bsd_loopback(packet: bytes) -> bytes:
    return struct.pack("<I", 30 if packet[0] >> 4 == 6 else 2) + packet


def ppp(packet: bytes) -> bytes:
    return b"\xff\x03" + (b"\x00\x57" if packet[0] >> 4 == 6 else b"\x00\x21") + packet


def cisco_hdlc(packet: bytes) -> bytes:
    return b"\x0f\x00" + struct.pack("!H", ethertype(packet)) + packet


FRAMES: dict[str, tuple[int, Callable[[bytes], bytes], str, int]] = {
    "ethernet": (1, ethernet, "", 0),
    "802.1Q": (1, lambda packet: ethernet(packet, vlans=[7]), "", 7),
    "QinQ": (1, lambda packet: ethernet(packet, vlans=[7, 8]), "", 7),
    "three VLAN tags": (1, lambda packet: ethernet(packet, vlans=[7, 8, 9]), "", 7),
    "QinQ 0x9100": (
        1, lambda packet: ethernet(struct.pack("!HHHH", 7, DOT1Q, 8, ethertype(packet)) + packet, ethertype=0x9100),
        "", 7,
    ),
    "padded": (1, lambda packet: ethernet(packet, pad=True), "", 0),
    "snap": (1, snap, "", 0),
    "pppoe": (1, pppoe, "pppoe", 0),
    "pppoe in a VLAN": (1, lambda packet: ethernet(pppoe(packet)[14:], ethertype=0x8864, vlans=[7]), "pppoe", 7),
    "mpls": (1, lambda packet: ethernet(label_stack(packet), ethertype=0x8847), "mpls", 0),
    "mpls in a VLAN": (1, lambda packet: ethernet(label_stack(packet), ethertype=0x8847, vlans=[7]), "mpls", 7),
    "mpls with ethernet": (1, mpls_pseudowire, "mpls", 0),
    "vntag": (1, vntag, "", 7),
    "sll": (113, sll, "", 0),
    "sll2": (276, sll2, "", 0),
    "null": (0, bsd_loopback, "", 0),
    "loop": (108, lambda packet: bsd_loopback(packet)[3::-1] + packet, "", 0),
    "raw": (101, bytes, "", 0),
    "raw of OpenBSD": (14, bytes, "", 0),
    "ppp": (9, ppp, "", 0),
    "ppp compressed": (9, lambda packet: ppp(packet)[3:], "", 0),
    "ppp in hdlc": (50, ppp, "", 0),
    "cisco hdlc": (104, cisco_hdlc, "", 0),
    "cisco hdlc as ppp": (9, cisco_hdlc, "", 0),
    "pppoe alone": (51, lambda packet: pppoe(packet)[14:], "pppoe", 0),
}  # fmt: skip
"""Each link layer: its LINKTYPE, the frame of an IP packet, and what `tunnel` and `vlan` must come of it."""

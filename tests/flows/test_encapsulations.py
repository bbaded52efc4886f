"""Every link layer and encapsulation, alone and one in the other: the flow is what is innermost, the chain says how."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from itertools import product
from typing import Any

import pytest
from envelopes import FRAMES, OUTER, WRAPS, erspan2, gre, ip_in_ip, over_ip, over_udp, vxlan
from packets import ICMP, START, TCP, UDP, batch, ethernet, icmp_message, ip, tcp_segment, udp_datagram

from monitor.flows import FlowMeter
from monitor.flows.packet import Outcome
from monitor.flows.tunnels import chain_name
from monitor.settings import FlowSettings

CLIENT, SERVER = "10.1.2.3", "192.0.2.9"
CLIENT6, SERVER6 = "2001:db8::3", "2001:db8::9"
V4 = ip(CLIENT, SERVER, TCP, tcp_segment(CLIENT, SERVER, 40000, 443, "PA", b"hello", seq=77, ack=99))
V6 = ip(CLIENT6, SERVER6, UDP, udp_datagram(CLIENT6, SERVER6, 40000, 53, b"hello"))


def decoded(*frames: bytes, link: int = 1) -> Any:
    """Rows of the decoder, one a frame."""
    return FlowMeter(FlowSettings(dedup=False)).decode(batch([(START, frame) for frame in frames], link=link))


def address(row: Any, end: str) -> str:
    """`src` or `dst` of a row as text."""
    value = IPv6Address(int(row[f"{end}_hi"]) << 64 | int(row[f"{end}_lo"]))
    return str(value.ipv4_mapped or value)


def is_inner(row: Any, packet: bytes) -> bool:
    """Whether the row is V4 or V6 with all of its facts."""
    ends = (CLIENT, SERVER, TCP, 40000, 443) if packet == V4 else (CLIENT6, SERVER6, UDP, 40000, 53)
    found = (address(row, "src"), address(row, "dst"), int(row["proto"]), int(row["src_port"]), int(row["dst_port"]))
    sizes = int(row["ip_bytes"]), int(row["payload_len"]), int(row["payload_cap"])
    tcp = packet != V4 or (int(row["seq"]), int(row["ack"]), int(row["flags"])) == (77, 99, 0x18)
    return row["outcome"] == Outcome.DECODED and found == ends and sizes == (len(packet), 5, 5) and tcp


@pytest.mark.parametrize("packet", [V4, V6], ids=["v4", "v6"])
@pytest.mark.parametrize("name", FRAMES)
def test_link_layers(name: str, packet: bytes) -> None:
    link, frame, tunnel, vlan = FRAMES[name]
    (row,) = decoded(frame(packet), link=link)
    assert is_inner(row, packet)
    assert (chain_name(int(row["chain"])), int(row["vlan"])) == (tunnel, vlan)


def word(name: str, packet: bytes) -> str:
    """The tunnel's word for what is inside."""
    swap = {"ipip": "6in4", "4in6": "6in6"} if packet[0] >> 4 == 6 else {}
    return swap.get(WRAPS[name][1], WRAPS[name][1])


@pytest.mark.parametrize("name", WRAPS)
def test_encapsulations(name: str) -> None:
    for packet in (V6,) if name == "teredo" else (V4, V6):
        (row,) = decoded(ethernet(WRAPS[name][0](packet), vlans=[7]))
        assert is_inner(row, packet)
        assert chain_name(int(row["chain"])) == word(name, packet)
        assert row["vlan"] == 7, "the outermost VLAN is where the sensor saw the packet"


def test_one_in_the_other() -> None:
    """All pairs: whatever mirrors wrap, the host inside is the one that is named."""
    for outer, inner in product(WRAPS, WRAPS):
        wrapped = WRAPS[inner][0](V6)
        if outer == "teredo" and wrapped[0] >> 4 != 6:
            continue
        (row,) = decoded(ethernet(WRAPS[outer][0](wrapped)))
        assert is_inner(row, V6), (outer, inner)
        assert chain_name(int(row["chain"])) == f"{word(outer, wrapped)}/{word(inner, V6)}"


def test_eight_deep_and_deeper() -> None:
    """Eight encapsulations are followed; a packet with more is counted by its reason, however deep."""
    packet, frames = V4, []
    for _ in range(40):
        packet = ip_in_ip(packet)
        frames.append(ethernet(packet))
    meter = FlowMeter(FlowSettings(dedup=False))
    rows = meter.decode(batch([(START, frame) for frame in frames]))
    assert all(is_inner(row, V4) for row in rows[:8])
    assert chain_name(int(rows[7]["chain"])) == "/".join(["ipip"] * 8)
    assert meter.counters.ignored == {"tunnel_depth": 32}
    assert meter.counters.decoded == 8


def test_erspan_counts_as_two() -> None:
    """`gre/erspan2` is two links of the chain, so four of them are eight deep."""
    packet = V4
    for _ in range(4):
        packet = erspan2(packet)
    row, deeper = decoded(ethernet(packet), ethernet(gre(packet)))
    assert chain_name(int(row["chain"])) == "/".join(["gre/erspan2"] * 4)
    assert deeper["outcome"] == Outcome.TUNNEL_DEPTH


@pytest.mark.parametrize(
    "carrier",
    [
        over_ip(47, b"\0\0\x88\xbe" + ethernet(b"\0" * 28, ethertype=0x0806)),  # a mirrored ARP
        over_ip(47, b"\0\0\0\0"),  # GRE keep-alive
        over_ip(4, V4[:12]),  # cut off
        over_ip(4, b"\x55" + V4[1:]),  # no IP version
        over_ip(137, b"\0\0\1"),
        over_ip(97, b"\x30\0" + b"\0" * 10),
        over_udp(4789, b"\x08\0\0\0\0\0\0\0" + ethernet(V4[:30])),
        over_udp(4789, b"not VXLAN, but a DNS answer to that port"),
        over_udp(2152, b"\x32\xff\0\4\0\0\0\1\0\0\0\x85\0"),  # an extension header of length 0
        over_udp(3544, b"\0\1\xff\xff"),
    ],
    ids=["arp", "keep-alive", "cut", "version", "mpls", "etherip", "vxlan cut", "not vxlan", "gtp extension", "teredo"],
)
def test_nothing_inside(carrier: bytes) -> None:
    """A packet is never lost for what it fails to carry: it counts to the tunnel's own flow."""
    (row,) = decoded(ethernet(carrier))
    assert row["outcome"] == Outcome.DECODED
    assert (address(row, "src"), address(row, "dst")) == OUTER
    assert row["ip_bytes"] == len(carrier)
    assert row["chain"] == 0


def test_a_port_alone_makes_no_tunnel() -> None:
    """Whoever sends from port 4789 does not choose which host his packet is charged to."""
    forged = vxlan(V4)
    payload = bytes([0x00]) + forged[29:]  # the I flag must be set
    (row,) = decoded(ethernet(forged[:28] + payload))
    assert (address(row, "src"), int(row["dst_port"])) == (OUTER[0], 4789)


def test_icmp_errors_stay_icmp() -> None:
    """The packet that an ICMP error quotes was not sent by whom it names."""
    (row,) = decoded(ethernet(ip(SERVER, CLIENT, ICMP, icmp_message(SERVER, CLIENT, 3, 3, bytes(4), V4[:28]))))
    assert (address(row, "src"), int(row["proto"]), int(row["src_port"]), int(row["dst_port"])) == (SERVER, ICMP, 3, 3)


@pytest.mark.parametrize(
    ("ethertype", "reason"),
    [
        (0x0806, "arp"), (0x88CC, "lldp"), (0x888E, "eapol"), (0x88E5, "macsec"), (0x8863, "pppoe_discovery"),
        (0x8809, "slow_protocols"), (0x9000, "loopback_test"), (0x0842, "wake_on_lan"), (0x8892, "profinet"),
        (0x22F0, "unknown_ethertype"), (38, "llc"),
    ],
)  # fmt: skip
def test_reasons_for_ignoring(ethertype: int, reason: str) -> None:
    """Each under a word that docs/decoding.md explains; and the counters balance."""
    meter = FlowMeter(FlowSettings())
    meter.decode(batch([(START, ethernet(b"\xe0\xe0\x03" + bytes(43), ethertype=ethertype))]))
    counters = meter.counters
    assert counters.ignored == {reason: 1}
    assert (counters.packets, counters.decoded, counters.dropped) == (1, 0, {})


@pytest.mark.parametrize("kind", [0, 1, 2, 0x05FF])
def test_a_length_is_no_ethertype(kind: int) -> None:
    """Found by the hostile packets: a VN-tag or GRE header that announces 0 let a row of chance pass as a packet."""
    tag, carrier = decoded(
        ethernet(bytes(4) + kind.to_bytes(2) + V4, ethertype=0x8926),
        ethernet(over_ip(47, b"\0\0" + kind.to_bytes(2) + V4)),
    )
    assert tag["outcome"] == Outcome.LLC
    assert (address(carrier, "src"), int(carrier["proto"])) == (OUTER[0], 47)


def test_hosts_are_named_by_the_innermost_address() -> None:
    """Mirrored and direct traffic of one connection are one flow."""
    frames = [(START + i, frame) for i, frame in enumerate([ethernet(V4), ethernet(erspan2(V4)), ethernet(vxlan(V4))])]
    (records,) = FlowMeter(FlowSettings(dedup=False)).records([batch(frames)])
    assert records.num_rows == 1
    assert records["src_packets"].to_pylist() == [3]
    assert records["src_ip"].to_pylist() == [int(ip_address("::ffff:" + CLIENT)).to_bytes(16)]

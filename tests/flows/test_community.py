"""Our Community IDs against the specification's own package and against Wireshark's dissector."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any

import communityid
import numpy as np
import pytest
from packets import batch, icmp
from test_decode_oracle import unpacked

from monitor.capture import open_captures
from monitor.flows import FlowMeter
from monitor.flows.community import COMMUNITY_ID_BYTES, community_id
from monitor.flows.packet import ICMP, ICMP6, SCTP, TCP, UDP
from monitor.settings import FlowSettings

MAKERS = {
    TCP: communityid.FlowTuple.make_tcp,
    UDP: communityid.FlowTuple.make_udp,
    SCTP: communityid.FlowTuple.make_sctp,
    ICMP: communityid.FlowTuple.make_icmp,
    ICMP6: communityid.FlowTuple.make_icmp6,
}


def reference(src: int, dst: int, proto: int, sport: int, dport: int) -> str:
    """The package's Community ID; addresses have 128 bits, IPv4 mapped; ICMP: type and code for the ports."""
    ends = [IPv6Address(address) for address in (src, dst)]
    texts = [str(end.ipv4_mapped or end) if all(e.ipv4_mapped for e in ends) else str(end) for end in ends]
    if proto in MAKERS:
        flow = MAKERS[proto](*texts, sport, dport)
    else:
        flow = communityid.FlowTuple.make_ip(*texts, proto)
    return str(communityid.CommunityID().calc(flow))


def kernel(src: int, dst: int, proto: int, sport: int, dport: int) -> str:
    """Our kernel's."""
    out = np.zeros(COMMUNITY_ID_BYTES, np.uint8)
    low = (1 << 64) - 1
    halves = [np.uint64(half) for address in (src, dst) for half in (address >> 64, address & low)]
    community_id(*halves, proto, sport, dport, np.zeros(64, np.uint8), np.zeros(20, np.uint8), out, 0)
    return out.tobytes().decode()


def test_endpoints_at_random() -> None:
    """Both orders, equal addresses and ports, all protocols, IPv4 and IPv6."""
    rng = np.random.default_rng(1)
    for _ in range(4000):
        proto = int(rng.choice([TCP, UDP, SCTP, ICMP, ICMP6, 2, 47, 50, 0, 255]))
        pool = [int.from_bytes(rng.bytes(16)), int.from_bytes(rng.bytes(16))]
        if proto != ICMP6 and rng.random() < 0.5:
            pool = [0xFFFF << 32 | int.from_bytes(rng.bytes(4)) for _ in range(2)]
        src, dst = (pool[i] for i in rng.integers(0, 2, 2))
        most = 256 if proto in (ICMP, ICMP6) else 65536
        sport, dport = (int(port) for port in rng.integers(0, most, 2))
        sport = dport if rng.random() < 0.1 else sport
        assert kernel(src, dst, proto, sport, dport) == reference(src, dst, proto, sport, dport)


@pytest.mark.parametrize("proto", [ICMP, ICMP6])
def test_every_icmp_type(proto: int) -> None:
    """Requests and replies have one ID, one-way messages their own; the package decides which are which."""
    a, b = (0xFFFF0A000001, 0xFFFF0A000002) if proto == ICMP else (0xFE80 << 112 | 1, 0xFE80 << 112 | 2)
    for kind in range(256):
        for code in (0, 3):
            for src, dst in ((a, b), (b, a), (a, a)):
                assert kernel(src, dst, proto, kind, code) == reference(src, dst, proto, kind, code)


def test_records_of_icmp() -> None:
    """Who asks whom matters: a ping and the ping back are two flows with two IDs, each with its replies."""
    for a, b in (("10.0.0.1", "10.0.0.2"), ("fe80::1", "fe80::2")):
        kinds = range(256)
        ways = [(src, dst, kind) for kind in kinds for src, dst in ((a, b), (b, a))]
        frames = [(1_000_000 + i, icmp(src, dst, kind, 1)) for i, (src, dst, kind) in enumerate(ways)]
        packets: Counter[str] = Counter()
        for src, dst, kind in ways:
            ends = [ip_address(end) for end in (src, dst)]
            numbers = [int(end) | (0xFFFF00000000 if end.version == 4 else 0) for end in ends]
            packets[reference(numbers[0], numbers[1], ICMP if ends[0].version == 4 else ICMP6, kind, 1)] += 1
        found: Counter[str] = Counter()
        for row in flows([batch(frames)]):
            found[row[5]] += row[6]
        assert found == packets


def flows(batches: Any) -> Iterator[tuple[int, int, int, int, int, str, int]]:
    """(source, destination, protocol, ports, Community ID, packets) of all flow records."""
    for records in FlowMeter(FlowSettings(dedup=False)).records(batches):
        names = ("src_ip", "dst_ip", "proto", "src_port", "dst_port", "community_id", "src_packets", "dst_packets")
        for src, dst, *middle, sent, received in zip(*(records[name].to_pylist() for name in names), strict=True):
            yield int.from_bytes(src), int.from_bytes(dst), *middle, sent + received


@pytest.mark.data
def test_the_package_agrees_on_real_flows(shared_data: Path) -> None:
    seen: dict[tuple[int, int, int, int, int], str] = {}
    for folder in ("protocols", "scan", "c2", "p2p_vpn_tor"):
        for path in sorted((shared_data / folder).glob("*.xz")):
            if "linerd" in path.name or path.stat().st_size < 200_000:
                with open_captures([path]) as reader:
                    seen.update({flow[:5]: flow[5] for flow in flows(reader)})
    assert len({key[2] for key in seen}) > 50, "too few protocols to prove much"
    wrong = [key for key, found in seen.items() if found != reference(*key)]
    assert wrong == []


@pytest.mark.data
@pytest.mark.parametrize(
    "name",
    [
        "benign/browse_fusa_ipv6.pcap", "benign/iot_sentinel_Aria.pcap", "icmptunnel/icmp_tunnel_ndpi_2013.pcap",
        "protocols/zeek_communityid_sctp.pcap", "protocols/zeek_tunnels_6in6in6.pcap",
        "protocols/zeek_erspanIII.pcap", "protocols/zeek_tunnels_vxlan-encapsulated-http.pcap",
        "protocols/zeek_linux_dlt_sll2.pcap", "scan/icmp_ping_sweep.pcap", "scan/nmap_ack.pcap",
    ],
)  # fmt: skip
def test_wireshark_agrees(name: str, shared_data: Path, tmp_path: Path) -> None:
    """Packets by Community ID: as many as Wireshark has.

    Not for protocols without ports inside a tunnel: there Wireshark 4.0 takes the outermost IP packet's protocol.
    """
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed; `make tools` installs it")
    capture = unpacked(shared_data / f"{name}.xz", tmp_path)
    options = ["-n", "--enable-protocol", "communityid", "-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE"]
    fields = ["-T", "fields", "-e", "communityid", "-e", "frame.protocols"]
    done = subprocess.run(["tshark", *options, "-r", str(capture), *fields], capture_output=True, text=True, check=True)
    theirs = Counter(line.split("\t")[0] for line in done.stdout.splitlines() if line[0] != "\t")
    ours: Counter[str] = Counter()
    with open_captures([capture]) as reader:
        for *_, found, packets in flows(reader):
            ours[found] += packets
    assert ours == theirs

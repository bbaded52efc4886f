"""Totals of our flow records against Wireshark's conversations: packets and bytes, each way, of all pairs of endpoints.

Wireshark counts frames; the link layer's share of them comes from the frames themselves, not from our flow table.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
from test_decode_oracle import unpacked

from monitor.capture import open_captures
from monitor.flows import FlowMeter
from monitor.flows.packet import TCP, UDP, Outcome
from monitor.settings import FlowSettings

End = tuple[int, int]
Way = tuple[int, End, End]
"""Protocol, sender, receiver; an end is its address (128 bits, IPv4 mapped) and port."""

CAPTURES = (
    "benign/ad_lab_20160816_21min.pcap", "benign/ad_lab_20170501_share.pcap", "benign/app_alexa.pcapng",
    "benign/app_dnscrypt_v2_doh.pcap", "benign/app_zoom.pcap", "benign/browse_badssl.pcap",
    "benign/browse_win7_chrome.pcap", "benign/dns_user_browsing.pcap", "benign/iot_sentinel_HueSwitch.pcap",
    "bruteforce/ftp_crack_2002.pcap", "bruteforce/ssh_nmap_brute_902.pcap", "c2/empire_http_20170213.pcap",
    "c2/strrat.pcap", "dga/random_domains_bot_2015.pcap", "dnstunnel/iodine_cname.pcap",
    "dnstunnel/maxf_dns2tcp_default_light.pcap", "dos/dhcp_request_flood.pcap", "dos/synflood_spoofed_minecraft.pcap",
    "exfil/dnsexfiltrator.pcap", "exfil/email_confidential_2018.pcap", "malware/agenttesla_smtp_a30789ce.pcap",
    "malware/zeus_gameover_2013.pcap", "p2p_vpn_tor/anyconnect_vpn.pcap", "p2p_vpn_tor/bittorrent.pcap",
    "p2p_vpn_tor/tor_page_bing.pcap", "protocols/zeek_http-qinq-0.pcap", "protocols/ipfixprobe_tls.pcap",
    "protocols/zeek_gap-data-missing_perpacket.pcapng", "scan/nmap_syn.pcap", "scan/nmap_udp.pcap",
)  # fmt: skip
"""Of every class; without tunnels and fragments, whose frames Wireshark counts several times or not at all."""

_UNIT = {"bytes": 1, "kB": 1000, "MB": 1_000_000}
_LINE = re.compile(r"^(\S+)\s+<->\s+(\S+)\s+(\d+) (\d+) (\w+)\s+(\d+) (\d+) (\w+)\s")


def end(text: str) -> End:
    """An endpoint from `address:port`."""
    address, port = text.rsplit(":", 1)
    value = ip_address(address)
    return int(value) | (0xFFFF00000000 if value.version == 4 else 0), int(port)


def conversations(capture: Path) -> Iterator[tuple[Way, int, int, int]]:
    """(way, frames, bytes, unit of these bytes) of all TCP and UDP conversations by tshark, which rounds bytes down."""
    command = ["tshark", "-n", "-q", "-z", "conv,tcp", "-z", "conv,udp", "-r", str(capture)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    proto = 0
    for line in done.stdout.splitlines():
        if line.endswith(" Conversations"):
            proto = {"TCP Conversations": TCP, "UDP Conversations": UDP}[line]
        elif found := _LINE.match(line):
            a, b = end(found[1]), end(found[2])
            yield (proto, b, a), int(found[3]), int(found[4]) * _UNIT[found[5]], _UNIT[found[5]]
            yield (proto, a, b), int(found[6]), int(found[7]) * _UNIT[found[8]], _UNIT[found[8]]


def our_totals(capture: Path) -> dict[Way, list[int]]:
    """Packets and IP bytes each way, summed over our flow records."""
    totals: dict[Way, list[int]] = defaultdict(lambda: [0, 0])
    wanted = (
        "proto",
        "src_ip",
        "src_port",
        "dst_ip",
        "dst_port",
        "src_packets",
        "src_bytes",
        "dst_packets",
        "dst_bytes",
    )
    with open_captures([capture]) as reader:
        for records in FlowMeter(FlowSettings(dedup=False)).records(reader):
            for flow in zip(*(records[name].to_pylist() for name in wanted), strict=True):
                proto, src, dst = flow[0], (int.from_bytes(flow[1]), flow[2]), (int.from_bytes(flow[3]), flow[4])
                for way, packets, size in (((proto, src, dst), *flow[5:7]), ((proto, dst, src), *flow[7:9])):
                    totals[way][0] += packets
                    totals[way][1] += size
    return totals


def link_bytes(capture: Path) -> dict[Way, int]:
    """Bytes of frames that are not of the IP packet: headers, tags, padding."""
    around: dict[Way, int] = defaultdict(int)
    meter = FlowMeter(FlowSettings(dedup=False))
    with open_captures([capture]) as reader:
        for batch in reader:
            rows = meter.decode(batch)
            for row, wire in zip(rows, batch.wire.tolist(), strict=True):
                if row["outcome"] == Outcome.DECODED:
                    src = int(row["src_hi"]) << 64 | int(row["src_lo"]), int(row["src_port"])
                    dst = int(row["dst_hi"]) << 64 | int(row["dst_lo"]), int(row["dst_port"])
                    around[int(row["proto"]), src, dst] += wire - int(row["ip_bytes"])
    return around


@pytest.mark.data
@pytest.mark.parametrize("name", CAPTURES)
def test_conversations_agree(name: str, shared_data: Path, tmp_path: Path) -> None:
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed; `make tools` installs it")
    capture = unpacked(shared_data / f"{name}.xz", tmp_path)
    ours, around = our_totals(capture), link_bytes(capture)
    frames: dict[Way, int] = defaultdict(int)
    least: dict[Way, int] = defaultdict(int)
    most: dict[Way, int] = defaultdict(int)
    for way, packets, size, unit in conversations(capture):
        frames[way] += packets
        least[way] += size
        most[way] += size + unit - 1
    assert len(frames) > 0
    for way, packets in frames.items():
        found, size = ours.get(way, (0, 0))
        assert found == packets, way
        assert least[way] <= size + around[way] <= most[way], way
    extra = [way for way, (packets, _) in ours.items() if packets and way[0] in (TCP, UDP) and way not in frames]
    assert extra == []

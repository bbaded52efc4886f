"""Our decoder against Wireshark's, packet by packet, on the real captures: addresses, ports, lengths, flags, times.

pyshark for a cut of captures of every class in `make test`; tshark over all of them, all packets, in `make bench`.
"""

from __future__ import annotations

import lzma
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import dissection
import numpy as np
import pytest
from agreement import DIFFERENCES, Verdict, compare

from monitor.capture import PacketBatch, open_captures
from monitor.flows import FlowMeter
from monitor.flows.packet import DROPPED, IGNORED
from monitor.settings import FlowSettings

DECODING = Path(__file__).parent.parent.parent / "docs" / "decoding.md"

CUT = 250
"""Packets of each capture that pyshark dissects; it manages some hundreds a second."""

CAPTURES = (
    "benign/ad_lab_20160816_18min.pcap", "benign/app_kakaotalk.pcap", "benign/app_youtube_quic.pcap",
    "benign/browse_fusa_ipv6.pcap", "benign/browse_espn_2010.pcapng", "benign/iot_sentinel_EdnetGateway.pcap",
    "benign/dns_user_browsing.pcap", "bruteforce/kerbrute_spray.pcapng", "c2/gh0st_ratinfected_2010.pcapng",
    "dga/random_domains_bot_2015.pcap", "dnstunnel/andiodine_mx_sll.pcap", "dos/ipv6_exthdr_flood_b.pcap",
    "dos/arp_storm_2004.pcap", "exfil/ftp_leak_filezilla_2018.pcap", "icmptunnel/icmp_tunnel_ndpi_2013.pcap",
    "malware/wannacry_smb.pcap", "p2p_vpn_tor/ipsec_ndpi.pcap", "p2p_vpn_tor/wireguard_nfstream.pcap",
    "scan/nmap_ipproto.pcap", "scan/nmap_fin.pcap", "protocols/arkime_ah-esp.pcap", "protocols/arkime_gtp-iphone.pcap",
    "protocols/linerd_ascii_hex_frames.pcap", "protocols/ndpi_BGP_Cisco_hdlc_slarp.pcap",
    "protocols/ndpi_fuzz-2006-06-26-2594.pcap", "protocols/ndpi_ip_fragmented_garbage.pcap",
    "protocols/ndpi_malformed_icmp.pcap", "protocols/suri_decode-sll2-02.pcap", "protocols/suri_defrag-vlan6.pcap",
    "protocols/suri_pppoe-session-http.pcap", "protocols/tcpdump_HDLC.pcap", "protocols/tcpdump_mpls-over-udp.pcap",
    "protocols/tcpdump_erspan-type-i-4.pcap", "protocols/tcpdump_erspan-type-ii-3.pcap",
    "protocols/tcpdump_tcp-handshake-nano.pcap", "protocols/tcpdump_wccp_redirect_gre.pcap",
    "protocols/zeek_communityid_sctp.pcap", "protocols/zeek_erspanIII.pcap", "protocols/zeek_http-qinq-0.pcap",
    "protocols/zeek_pppoe-over-qinq.pcap", "protocols/zeek_snap-tcp.pcap", "protocols/zeek_tunnels_6in6in6.pcap",
    "protocols/zeek_tunnels_Teredo.pcap", "protocols/zeek_tunnels_geneve-many-options.pcap",
    "protocols/zeek_tunnels_gtp_gtp8_teredo.pcap", "protocols/zeek_tunnels_vxlan-encapsulated-http.pcap",
    "protocols/zeek_vntag.pcap",
)  # fmt: skip
"""Of every class, with every link type and encapsulation that we claim."""


@pytest.fixture(autouse=True)
def wireshark() -> None:
    """tshark, or a skip that says so."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed; `make tools` installs it")


def unpacked(capture: Path, folder: Path) -> Path:
    """The capture without its xz: Wireshark reads no xz."""
    target = folder / capture.name.removesuffix(".xz")
    with lzma.open(capture) as source, target.open("wb") as out:
        shutil.copyfileobj(source, out)
    return target


def first(batches: Iterable[PacketBatch], limit: int) -> Iterator[PacketBatch]:
    """The first batch, cut to `limit` packets."""
    for batch in batches:
        yield PacketBatch(
            batch.data, batch.offset[:limit], batch.captured[:limit], batch.wire[:limit], batch.time[:limit],
            batch.link[:limit],
        )  # fmt: skip
        return


def judged(batches: Iterable[PacketBatch], theirs: list[dissection.Dissected]) -> Verdict:
    """Our decoder's rows of all packets against theirs."""
    meter, verdict, done = FlowMeter(FlowSettings(dedup=False)), Verdict(), 0
    for batch in batches:
        compare(batch, meter.decode(batch), theirs[done : done + len(batch)], verdict)
        done += len(batch)
    assert done == len(theirs), "they read another number of packets"
    return verdict


@pytest.mark.data
@pytest.mark.parametrize("name", CAPTURES)
def test_pyshark_agrees(name: str, shared_data: Path, tmp_path: Path) -> None:
    capture = unpacked(shared_data / f"{name}.xz", tmp_path)
    theirs = list(dissection.pyshark_packets(capture, CUT))
    with open_captures([capture]) as reader:
        verdict = judged(first(reader, CUT), theirs)
    assert not verdict.disagreements
    assert verdict.compared == len(theirs)
    assert verdict.same + verdict.differences.total() == verdict.compared > 0


def test_the_oracle_can_disagree(shared_data: Path, tmp_path: Path) -> None:
    """A comparison that finds nothing wrong with wrong rows would prove nothing."""
    capture = unpacked(shared_data / "protocols/zeek_http-qinq-0.pcap.xz", tmp_path)
    theirs = list(dissection.tshark(capture))
    with open_captures([capture]) as reader:
        batch = next(reader)
        rows = FlowMeter(FlowSettings(dedup=False)).decode(batch)
    for column in ("time", "src_lo", "dst_lo", "src_port", "dst_port", "proto", "ip_bytes", "payload_len", "seq", "ack",
                   "flags", "window", "fragment"):  # fmt: skip
        wrong, verdict = rows.copy(), Verdict()
        wrong[column] += np.ones(1, rows.dtype[column])
        compare(batch, wrong, theirs, verdict)
        assert len(verdict.disagreements) == len(theirs), column


def test_differences_are_documented() -> None:
    headings = [line.strip("# \n") for line in DECODING.read_text().splitlines() if line[:1] == "#"]
    assert [name for name in DIFFERENCES if name.capitalize() not in headings and name not in headings] == []


def test_reasons_are_documented() -> None:
    """A person who reads `ignored{llc}` can look the word up."""
    text = DECODING.read_text()
    assert [reason.name.lower() for reason in (*IGNORED, *DROPPED) if f"`{reason.name.lower()}`" not in text] == []


@pytest.mark.bench
@pytest.mark.data
@pytest.mark.timeout(3600)
def test_tshark_agrees_on_every_packet_of_every_capture(shared_data: Path, tmp_path: Path) -> None:
    captures = sorted(path for path in shared_data.glob("*/*.xz") if ".pcap" in path.name)
    assert len(captures) >= 280
    total, wrong = Verdict(), []
    for path in captures:
        capture = unpacked(path, tmp_path)
        with open_captures([capture]) as reader:
            verdict = judged(reader, list(dissection.tshark(capture)))
        capture.unlink()
        wrong += [f"{path.name}: {line}" for line in verdict.disagreements[:5]]
        total.compared += verdict.compared
        total.same += verdict.same
        total.differences += verdict.differences
    print(f"{total.compared} packets, {total.same} equal, {dict(total.differences)}")
    assert wrong == []
    assert total.same > 0.995 * total.compared > 1_000_000

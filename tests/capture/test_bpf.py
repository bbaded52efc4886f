"""Packet filters choose what tcpdump chooses, whatever the filter asks for and however short the packets are."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import packets
import pytest

from monitor.capture import FilterError, PacketFilter, open_captures

pytestmark = pytest.mark.skipif(not shutil.which("tcpdump"), reason="tcpdump is not installed (tests/install-tools)")

FILTERS = (
    "host 10.0.0.5", "net 10.0.0.0/8 and not port 53", "tcp port 443", "udp portrange 50-60", "icmp", "icmp6",
    "ip6 host 2001:db8::5", "greater 200", "less 100", "len % 7 = 3", "tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn",
    "ip[8] > 32 and ip[2:2] / 3 > 20", "ether[15] & 1 != 0 or ether[12] < 8", "vlan 7 and host 10.0.0.5", "arp",
    "tcp[200] = 0x78",
    "ip proto 17 or (ip[0] & 0xf) * 4 = 24", "(ip[2:2] << 2) - 9 > 300 and ip[2:2] * 3 < 4000 and -ip[8] < 4294967290",
)  # fmt: skip


def traffic() -> list[packets.Packet]:
    start, out = packets.START, []
    for n in range(40):
        out.append(
            (start + n, packets.tcp("10.0.0.5", f"203.0.113.{n}", 40000 + n, 443, "SA"[: 1 + n % 2], b"x" * n * 9))
        )
        out.append((start + n, packets.udp(f"10.0.{n % 3}.5", "192.0.2.53", 30 + n, 53, b"y" * n)))
        out.append((start + n, packets.icmp("10.0.0.5", f"192.0.2.{n}")))
        out.append((start + n, packets.icmp("2001:db8::5", f"2001:db8::{n:x}", 128)))
        out.append((start + n, packets.tcp("2001:db8::5", f"2001:db8::{n:x}", 5, 80 + n, "S")))
        inner = packets.ip(
            "10.0.0.5", "10.0.0.9", 17, packets.udp_datagram("10.0.0.5", "10.0.0.9", n, 53), options=b"\1" * 4
        )
        out.append((start + n, packets.ethernet(inner)))
        out.append((start + n, packets.ethernet(inner, vlans=[7])))
        out.append((start + n, packets.ethernet(b"\0\1\x08\0\6\4\0\1" + bytes(20), ethertype=0x0806)))
        out.append((start + n, out[n][1][: 14 + n]))
    return out


@pytest.mark.parametrize("expression", FILTERS)
def test_it_passes_what_tcpdump_passes(tmp_path: Path, expression: str) -> None:
    rows = traffic()
    path = packets.write_pcap(tmp_path / "all.pcap", rows)
    passed = PacketFilter(expression).matches(next(open_captures([path])))
    ours = [frame for (_, frame), good in zip(rows, passed, strict=True) if good]
    kept = tmp_path / "kept.pcap"
    subprocess.run(["tcpdump", "-r", path, "-w", kept, expression], check=True, capture_output=True)
    batch = next(open_captures([kept]), None)
    theirs = [] if batch is None else [
        batch.data[at : at + size].tobytes() for at, size in zip(batch.offset, batch.captured, strict=True)
    ]  # fmt: skip
    assert ours == theirs
    assert 0 < len(ours) < len(rows)


@pytest.mark.parametrize(("expression", "said"), [("hots 10.0.0.1", "syntax error"), ("port 99999", "illegal port")])
def test_what_is_no_filter_is_told(expression: str, said: str) -> None:
    with pytest.raises(FilterError, match=said):
        PacketFilter(expression)

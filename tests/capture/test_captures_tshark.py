"""Real captures, packet by packet against tshark: times, lengths and bytes."""

from __future__ import annotations

import hashlib
import lzma
import shutil
import subprocess
from pathlib import Path

import pytest
from capture_builder import Row, collect, interface, packet, pcap, pcapng, section, some_rows

from monitor.capture import open_captures

pytestmark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")

CAPTURES = [
    "benign/app_alexa.pcapng.xz",
    "benign/browse_espn_2010.pcapng.xz",
    "bruteforce/kerbrute_spray.pcapng.xz",
    "c2/strrat.pcap.xz",
    "protocols/ipfixprobe_mqtt.pcap.xz",  # nanoseconds
    "protocols/ndpi_fuzz-2020-02-16-11740.pcap.xz",
    "protocols/tcpdump_tcp-handshake-nano.pcap.xz",
    "protocols/tcpdump_unsupported-link-type-dbus.pcap.xz",
    "protocols/zeek_gap-data-missing_perpacket.pcapng.xz",  # 126 interfaces of several link types
    "protocols/zeek_vlan-pcp-dei.pcapng.xz",
    "protocols/zeek_vntag.pcap.xz",  # nanoseconds
]


def by_tshark(path: Path) -> list[tuple[int, str, int, int]]:
    """(time in µs, MD5 of the bytes, captured length, length on the wire) of every packet."""
    fields = [f for name in ("time_epoch", "md5_hash", "cap_len", "len") for f in ("-e", f"frame.{name}")]
    command = ["tshark", "-n", "-r", str(path), "-o", "frame.generate_md5_hash:TRUE"]
    command += ["--disable-protocol", "ip", "--disable-protocol", "ipv6", "-T", "fields", *fields]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    rows = []
    for line in done.stdout.splitlines():
        epoch, digest, captured, wire = line.split("\t")
        seconds, _, fraction = epoch.partition(".")
        rows.append((int(seconds) * 1_000_000 + int(fraction[:6].ljust(6, "0")), digest, int(captured), int(wire)))
    return rows


def ours(rows: list[Row]) -> list[tuple[int, str, int, int]]:
    return [(time, hashlib.md5(content).hexdigest(), len(content), wire) for time, content, wire, _ in rows]


@pytest.mark.data
@pytest.mark.parametrize("name", CAPTURES)
def test_real_captures(shared_data: Path, tmp_path: Path, name: str) -> None:
    """As it lies there (xz) and plain."""
    plain = tmp_path / Path(name).stem
    plain.write_bytes(lzma.decompress((shared_data / name).read_bytes()))
    rows = collect(open_captures([shared_data / name], batch_packets=1000))
    assert rows == collect(open_captures([plain]))
    assert ours(rows) == by_tshark(plain)


@pytest.mark.parametrize(
    "content",
    [
        pcap(some_rows(50), order=">", magic=0xA1B23C4D),
        pcap(some_rows(50), order="<", magic=0xA1B2CD34),
        pcapng(some_rows(50), ">"),
        section()
        + interface(resolution=0x80 | 20)
        + interface(resolution=9, offset=3600)
        + interface(resolution=3)
        + b"".join(
            packet("<", b"p" * 60, ticks=1_700_000_000 * unit + i, number=i % 3)
            for i in range(30)
            for unit in [[2**20, 10**9, 10**3][i % 3]]
        ),
    ],
    ids=["pcap-big-endian-ns", "pcap-modified", "pcapng-big-endian", "pcapng-clocks"],
)
def test_built_captures(tmp_path: Path, content: bytes) -> None:
    """The builder and the reader agree with a third party on what the formats say."""
    path = tmp_path / "x"
    path.write_bytes(content)
    rows = collect(open_captures([path]))
    assert len(rows) >= 30
    assert ours(rows) == by_tshark(path)


@pytest.mark.parametrize("cut", [1, 30, 500])
def test_a_cut_capture_gives_what_tshark_gives(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "x"
    for whole in (pcap(some_rows(50)), pcapng(some_rows(50))):
        path.write_bytes(whole[:-cut])
        reader = open_captures([path])
        assert ours(collect(reader)) == by_tshark(path)
        assert len(reader.damage) == 1

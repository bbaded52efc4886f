"""Sessions of the real captures, from which `benchmarks.inputs` replicates a town's Internet segment.

Reads pcap with its own few lines (pcapng through Wireshark's editcap), not with the product's reader: the inputs do not
depend on what is measured. Which captures, and what share of the packets each group of them gets, is decided here; how
sessions are replicated, shifted and written is not.
"""

from __future__ import annotations

import lzma
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CAPTURES = Path(__file__).resolve().parents[2] / "shared" / "data"

SHARES: tuple[tuple[str, float, tuple[str, ...]], ...] = (
    ("browsing", 0.22, ("benign/browse_*",)),
    ("applications", 0.15, ("benign/app_*",)),
    ("office", 0.15, ("benign/ad_lab_*",)),
    ("transfers", 0.02, ("benign/ftp_bulk_*",)),
    ("devices", 0.21, ("benign/iot_*",)),
    ("look-ups", 0.06, ("benign/dns_user_*", "benign/dns_top1M_0*")),
    ("tunnels", 0.11, ("p2p_vpn_tor/*", "dnstunnel/*", "icmptunnel/*")),
    ("malware", 0.05, ("malware/*", "c2/*", "exfil/*", "dga/*")),
    ("attacks", 0.03, ("scan/nmap_*", "scan/telnet_*", "bruteforce/*", "dos/synflood_*")),
)
"""Group, its share of the packets, its captures beneath `CAPTURES`."""

PIECE = 5_000
"""Packets in a session at most; a longer capture is cut into several sessions."""
LARGEST = 1_600
"""Larger packets (segmentation offload) are left out, and so is a capture with over 5 % of them: mirrors show none."""
LONGEST_GAP = 20_000_000
"""µs; silence is cut to this, since several captures pause for days."""

UNCHANGED, INTERNAL, EXTERNAL, IPV6 = 0, 1, 2, 3
"""What an address is: multicast and the like, RFC 1918, other IPv4, unicast IPv6."""


@dataclass(frozen=True, slots=True)
class Session:
    """A piece of one capture, one entry a packet; `time` is µs since its first packet."""

    group: str
    name: str
    frames: list[bytes]
    wire: NDArray[np.uint32]
    time: NDArray[np.int64]
    layer3: NDArray[np.int32]
    """Where the IP header begins; -1: none."""
    kind: NDArray[np.uint8]
    """Shape (packets, 2): what source and destination are."""
    rank: NDArray[np.uint32]
    """Shape (packets, 2): an internal address's number within the session."""


def sessions(folder: Path = CAPTURES) -> list[Session]:
    """Every session of `SHARES`, in a fixed order. Raises FileNotFoundError without the captures."""
    if not (folder / "labels.tsv").is_file():
        raise FileNotFoundError(f"{folder.name}: the shared captures are not beside the checkout; A and B need them")
    found: list[Session] = []
    for group, _, patterns in SHARES:
        for pattern in patterns:
            for path in sorted(folder.glob(pattern)):
                found += _cut(group, path)
    return found


def _cut(group: str, path: Path) -> Iterator[Session]:
    every = list(_packets(_classic(lzma.decompress(path.read_bytes()))))
    packets = [packet for packet in every if len(packet[2]) <= LARGEST]
    if len(packets) < 0.95 * len(every):
        return
    for first in range(0, len(packets), PIECE):
        yield _session(group, path.name.split(".")[0], packets[first : first + PIECE])


def _session(group: str, name: str, packets: list[tuple[int, int, bytes]]) -> Session:
    times = np.array([time for time, _, _ in packets], np.int64)
    gaps = np.clip(np.diff(times, prepend=times[0]), 0, LONGEST_GAP)
    frames = [frame for _, _, frame in packets]
    layer3 = np.array([_layer3(frame) for frame in frames], np.int32)
    numbers: dict[bytes, int] = {}
    kind = np.zeros((len(frames), 2), np.uint8)
    rank = np.zeros((len(frames), 2), np.uint32)
    for row, (frame, start) in enumerate(zip(frames, layer3, strict=True)):
        for side, address in enumerate(_addresses(frame, int(start))):
            kind[row, side] = _kind(address)
            if kind[row, side] == INTERNAL:
                rank[row, side] = numbers.setdefault(address, len(numbers))
    wire = np.array([wire for _, wire, _ in packets], np.uint32)
    return Session(group, name, frames, wire, np.cumsum(gaps), layer3, kind, rank)


def _classic(content: bytes) -> bytes:
    """The capture as classic pcap."""
    if content[:4] != b"\x0a\x0d\x0d\x0a":
        return content
    with tempfile.NamedTemporaryFile(suffix=".pcapng") as given, tempfile.NamedTemporaryFile(suffix=".pcap") as made:
        given.write(content)
        given.flush()
        subprocess.run(["editcap", "-F", "pcap", given.name, made.name], check=True, stderr=subprocess.DEVNULL)
        return Path(made.name).read_bytes()


def _packets(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Time (µs), wire length and bytes of each packet of an Ethernet pcap; nothing of other link types."""
    order = "<" if content[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    nanoseconds = content[:4] in (b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d")
    if struct.unpack_from(order + "I", content, 20)[0] & 0xFFFF != 1:
        return
    at = 24
    while at + 16 <= len(content):
        seconds, fraction, captured, wire = struct.unpack_from(order + "4I", content, at)
        at += 16
        if at + captured > len(content):
            return
        yield seconds * 1_000_000 + (fraction // 1000 if nanoseconds else fraction), wire, content[at : at + captured]
        at += captured


def _layer3(frame: bytes) -> int:
    """Offset of an IPv4 or IPv6 header that is wholly there, behind at most two VLAN tags; else -1."""
    at = 12
    for _ in range(2):
        if frame[at : at + 2] in (b"\x81\x00", b"\x88\xa8"):
            at += 4
    kind, at = frame[at : at + 2], at + 2
    if kind == b"\x08\x00" and len(frame) >= at + 20 and frame[at] >> 4 == 4:
        return at
    if kind == b"\x86\xdd" and len(frame) >= at + 40 and frame[at] >> 4 == 6:
        return at
    return -1


def _addresses(frame: bytes, at: int) -> tuple[bytes, ...]:
    if at < 0:
        return ()
    if frame[at] >> 4 == 4:
        return frame[at + 12 : at + 16], frame[at + 16 : at + 20]
    return frame[at + 8 : at + 24], frame[at + 24 : at + 40]


def _kind(address: bytes) -> int:
    first, second = address[0], address[1]
    if len(address) == 16:
        return UNCHANGED if first in (0, 0xFF) else IPV6
    if first in (0, 127) or first >= 224 or (first, second) == (169, 254):
        return UNCHANGED
    private = first == 10 or (first, second) == (192, 168) or (first == 172 and 16 <= second < 32)
    return INTERNAL if private else EXTERNAL

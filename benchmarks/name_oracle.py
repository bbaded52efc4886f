"""What tshark finds in a capture that our flow records should carry: SNI, ALPN, DNS query, HTTP host, by conversation.

One pass of tshark a capture with reassembly on; how its answers compare with ours is in `names.py`.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

FIELDS: tuple[str, ...] = (
    "frame.number", "frame.time_epoch", "frame.protocols", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport",
    "tcp.dstport", "udp.srcport", "udp.dstport", "tls.handshake.type", "tls.handshake.extensions_server_name",
    "tls.handshake.extensions_alpn_str", "dns.qry.name", "http.request.method", "http.host", "http.request.uri",
    "gquic.tag.sni",
)  # fmt: skip
_OPTIONS = ("tcp.reassemble_out_of_order:TRUE",)
_WANTED = "tls.handshake.type==1 or tls.handshake.type==2 or dns.qry.name or http.request.method or gquic.tag.sni"
_BETWEEN = "\x1f"

NOT_FOLLOWED = frozenset({"icmp", "icmpv6", "sflow", "capwap", "l2tp", "nsh", "wlan", "cfp", "ipvs"})
"""Layers behind which we mean to see nothing (docs/decoding.md says why)."""

Ends = frozenset[tuple[bytes, int]]
"""Both ends of a conversation: 16 bytes of address and the port."""


@dataclass(slots=True)
class Said:
    """What one packet said, in tshark's words; empty where it said nothing."""

    frame: int
    time: int
    """µs since 1970 UTC."""
    proto: int
    ends: Ends
    layers: str
    carrier: str
    """`tls`, `quic`, `dtls`, `dns` or `http`."""
    values: dict[str, list[str]] = field(default_factory=dict)


def packed(text: str) -> bytes:
    """16 bytes of an address, IPv4 mapped."""
    address = ip_address(text)
    return address.packed if address.version == 6 else b"\0" * 10 + b"\xff\xff" + address.packed


def _plain(text: str) -> str:
    """The text behind tshark's escapes for control characters (octal)."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def said(capture: Path, *, decode_as: Sequence[str] = ()) -> Iterator[Said]:
    """Packets that name something, in order. Raises RuntimeError when tshark fails before the capture's end."""
    command = ["tshark", "-n", "-r", str(capture), "-Y", _WANTED, "-T", "fields", "-E", f"aggregator={_BETWEEN}"]
    for option in _OPTIONS:
        command += ["-o", option]
    for rule in decode_as:
        command += ["-d", rule]
    for name in FIELDS:
        command += ["-e", name]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode not in (0, 2):  # 2: the capture is damaged further on
        raise RuntimeError(f"tshark {capture.name}: {done.stderr.decode(errors='replace').strip()[-300:]}")
    for line in done.stdout.decode("utf-8", "replace").rstrip("\n").split("\n"):
        if not line:  # nothing at all was found
            continue
        cells = dict(zip(FIELDS, (cell.split(_BETWEEN) if cell else [] for cell in line.split("\t")), strict=False))
        packet = _packet(cells)
        if packet is not None:
            yield packet


def _packet(cells: dict[str, list[str]]) -> Said | None:
    layers = cells["frame.protocols"][0].split(":")
    if NOT_FOLLOWED & set(layers):
        return None
    outer = [layer for layer in layers if layer in ("ip", "ipv6")]
    transport = [layer for layer in layers if layer in ("tcp", "udp")]
    if not outer or not transport:
        return None
    version, kind = outer[-1], transport[-1]
    src, dst = cells[f"{version}.src"][-1], cells[f"{version}.dst"][-1]
    ends = frozenset(
        {(packed(src), int(cells[f"{kind}.srcport"][-1])), (packed(dst), int(cells[f"{kind}.dstport"][-1]))}
    )
    carrier = next(
        (layer for layer in ("quic", "gquic", "dtls", "tls", "http", "mdns", "llmnr", "dns") if layer in layers), ""
    )
    seconds, _, fraction = cells["frame.time_epoch"][0].partition(".")
    return Said(
        frame=int(cells["frame.number"][0]),
        time=int(seconds) * 1_000_000 + int(fraction[:6].ljust(6, "0")),
        proto=6 if kind == "tcp" else 17,
        ends=ends,
        layers=":".join(layers),
        carrier=carrier,
        values={name: [_plain(value) for value in cells[name]] for name in FIELDS[11:] if cells.get(name)},
    )

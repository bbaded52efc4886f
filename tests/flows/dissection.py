"""What Wireshark's dissectors say a packet is: the innermost IP packet that our decoder ought to find, as one row.

For the tests that take pyshark and tshark as the oracle; how our rows compare with it is in `agreement`.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from monitor.capture import dissector

LIKE_WITH_LIKE = {
    "ip.defragment": "FALSE",
    "ipv6.defragment": "FALSE",
    "tcp.relative_sequence_numbers": "FALSE",
    "tcp.desegment_tcp_streams": "FALSE",
}
"""Wireshark's preferences that make it look at each packet for itself, as our decoder does."""

FIELDS: tuple[str, ...] = (
    "frame.number", "frame.time_epoch", "frame.protocols", "ip.src", "ip.dst", "ip.proto", "ip.len", "ip.hdr_len",
    "ip.frag_offset", "ipv6.src", "ipv6.dst", "ipv6.plen", "ipv6.nxt", "ipv6.hopopts.nxt", "ipv6.routing.nxt",
    "ipv6.dstopts.nxt", "ipv6.fraghdr.nxt", "ipv6.fraghdr.offset", "ah.next_header", "ipv6.hopopts.len_oct",
    "ipv6.routing.len_oct", "ipv6.dstopts.len_oct", "ah.length", "pppoe.payload_length", "tcp.srcport", "tcp.dstport",
    "tcp.seq_raw", "tcp.ack_raw", "tcp.flags", "tcp.len", "tcp.hdr_len", "tcp.window_size_value", "udp.srcport",
    "udp.dstport", "udp.length", "icmp.type", "icmp.code", "icmpv6.type", "icmpv6.code", "sctp.srcport", "sctp.dstport",
)  # fmt: skip

_EXTENSIONS = {
    "ipv6.hopopts": ("ipv6.hopopts.nxt", "ipv6.hopopts.len_oct"),
    "ipv6.routing": ("ipv6.routing.nxt", "ipv6.routing.len_oct"),
    "ipv6.dstopts": ("ipv6.dstopts.nxt", "ipv6.dstopts.len_oct"),
    "ipv6.fraghdr": ("ipv6.fraghdr.nxt", ""),
    "ah": ("ah.next_header", "ah.length"),
}
"""Headers between IP and transport: where each says what follows, and its length in bytes (AH: in words less two)."""

_PREFIXES = {"ipv6": ("ipv6.", "ah."), "ip": ("ip.", "ah."), "pppoes": "pppoe."}
"""What names of fields in pyshark's layers begin with, where it is not the layer's name."""

_PARSED = " ".join(("frame", "ip", "ipv6", *_EXTENSIONS, "tcp", "udp", "icmp", "icmpv6", "sctp", "pppoes"))
"""Layers that pyshark needs to parse; with all of them it is four times slower."""

_FOLLOWED = frozenset(
    {
        "eth", "ethertype", "vlan", "ieee8021ad", "vntag", "llc", "sll", "null", "raw", "ppp", "chdlc", "pppoes",
        "mpls", "pwethheuristic", "pwethcw", "gre", "erspan", "vxlan", "geneve", "gtp", "teredo", "etherip", "wccp",
    }
)  # fmt: skip
"""Layers of link, tags and encapsulations (DESIGN §6) behind which the flow's IP packet may be."""


@dataclass(slots=True)
class Dissected:
    """One packet as the dissector has it; None where it names no value. Lengths are in bytes."""

    number: int
    time: int
    """µs since 1970 UTC."""
    layers: str
    """Names of all layers, outermost first, joined by colons."""
    src: int | None = None
    """Addresses as numbers of 128 bits, IPv4 mapped; None: no IP packet."""
    dst: int | None = None
    ip_version: int = 0
    proto: int = -1
    ip_bytes: int = -1
    header: int = 0
    """IP header with its options and extension headers."""
    outer: Dissected | None = None
    """The IP packet around this one."""
    pppoe: int | None = None
    """Length of the PPPoE payload around the IP packet: the PPP protocol field of one or two bytes and the packet."""
    offload: bool = False
    """The IP packet does not say its length: a jumbogram."""
    later_fragment: bool = False
    transport: str = ""
    src_port: int | None = None
    """Port; ICMP: type."""
    dst_port: int | None = None
    payload: int | None = None
    seq: int | None = None
    ack: int | None = None
    flags: int | None = None
    tcp_header: int | None = None
    window: int | None = None


class _Occurrences:
    """Values of fields in the order in which the layers that they belong to occur."""

    def __init__(self, fields: Mapping[str, Sequence[str]]) -> None:
        self._fields = fields
        self._taken: dict[str, int] = {}

    def next_layer(self, name: str) -> int:
        """Which occurrence of that layer this is, from 0."""
        place = self._taken.get(name, 0)
        self._taken[name] = place + 1
        return place

    def number(self, field: str, place: int) -> int | None:
        """The field's value in occurrence `place` of its layer, if it has one."""
        values = self._fields.get(field, ())
        return int(values[place], 0) if place < len(values) else None

    def address(self, field: str, place: int) -> int | None:
        """As `number`, for an address."""
        values = self._fields.get(field, ())
        if place >= len(values):
            return None
        text = values[place]
        return int(IPv6Address(text)) if ":" in text else 0xFFFF00000000 | int(IPv4Address(text))


def dissected(number: int, time: str, layers: str, fields: Mapping[str, Sequence[str]]) -> Dissected:
    """The innermost IP packet outside of ICMP errors and of what we do not follow.

    time: seconds with nine decimals; layers: as in `frame.protocols`; fields: all values of each of FIELDS, in order.
    """
    seconds, fraction = time.split(".")
    sign = -1 if seconds.startswith("-") else 1
    row = Dissected(number, int(seconds) * 1_000_000 + sign * int(fraction[:6]), layers)
    values = _Occurrences(fields)
    pppoe = None
    for layer in layers.split(":"):
        place = values.next_layer(layer)
        if layer in ("ip", "ipv6"):
            inner = _network(Dissected(number, row.time, layers, pppoe=pppoe), layer, place, values)
            if inner.src is None:  # cut off or malformed: the packet around it is the innermost one that is whole
                break
            inner.outer = None if row.src is None else row
            row = inner
            if row.later_fragment:
                break
        elif layer in _EXTENSIONS:
            if layer != "ah" and row.ip_version == 4:  # tshark decodes IPv6's headers behind IPv4 too; no stack does
                break
            _extension(row, layer, place, values)
            if row.later_fragment:
                break
        elif layer == "pppoes":
            pppoe = values.number("pppoe.payload_length", place)
        elif layer in ("tcp", "udp", "icmp", "icmpv6", "sctp"):
            _transport(row, layer, place, values)
            if layer != "udp":
                break
        elif layer not in _FOLLOWED:
            break
    return row


def _network(row: Dissected, layer: str, place: int, values: _Occurrences) -> Dissected:
    row.ip_version = 4 if layer == "ip" else 6
    row.src = values.address(f"{layer}.src", place)
    row.dst = values.address(f"{layer}.dst", place)
    if layer == "ip":
        row.proto = values.number("ip.proto", place) or 0
        length = values.number("ip.len", place)
        row.header = values.number("ip.hdr_len", place) or 0
        row.later_fragment = bool(values.number("ip.frag_offset", place))
        row.ip_bytes = -1 if length is None else length
    else:
        row.proto = values.number("ipv6.nxt", place) or 0
        length = values.number("ipv6.plen", place)
        row.header = 40
        row.ip_bytes = -1 if length is None else 40 + length
        row.offload = length == 0 and row.proto in (0, 6, 17)
    return row


def _extension(row: Dissected, layer: str, place: int, values: _Occurrences) -> None:
    next_field, length_field = _EXTENSIONS[layer]
    following = values.number(next_field, place)
    if following is None:  # cut off
        return
    row.proto = following
    length = values.number(length_field, place) or 0
    row.header += 8 if not length_field else 4 * (length + 2) if layer == "ah" else length
    row.later_fragment = layer == "ipv6.fraghdr" and bool(values.number("ipv6.fraghdr.offset", place))


def _transport(row: Dissected, layer: str, place: int, values: _Occurrences) -> None:
    row.transport = layer
    if layer in ("icmp", "icmpv6"):
        row.src_port, row.dst_port = values.number(f"{layer}.type", place), values.number(f"{layer}.code", place)
        return
    row.src_port, row.dst_port = values.number(f"{layer}.srcport", place), values.number(f"{layer}.dstport", place)
    if layer == "tcp":
        row.payload = values.number("tcp.len", place)
        row.seq, row.ack = values.number("tcp.seq_raw", place), values.number("tcp.ack_raw", place)
        row.flags, row.window = values.number("tcp.flags", place), values.number("tcp.window_size_value", place)
        row.tcp_header = values.number("tcp.hdr_len", place)
    elif layer == "udp":
        length = values.number("udp.length", place)
        row.payload = None if length is None else length - 8


def pyshark_packets(capture: Path, limit: int) -> Iterator[Dissected]:
    """The first `limit` packets of a capture file, by pyshark."""
    with dissector.dissected(capture, LIKE_WITH_LIKE, ["-c", str(limit), "-j", _PARSED]) as packets:
        for packet in packets:
            fields: dict[str, list[str]] = {}
            for layer in packet.layers:
                for name in FIELDS:
                    own = name.startswith(_PREFIXES.get(layer.layer_name, f"{layer.layer_name}."))
                    if own and (found := layer.get_field(name)) is not None:
                        fields.setdefault(name, []).extend(value.get_default_value() for value in found.all_fields)
            frame = packet.frame_info
            yield dissected(int(frame.number), str(frame.time_epoch), str(frame.protocols), fields)


def tshark(capture: Path) -> Iterator[Dissected]:
    """Every packet of a capture file, by tshark. Raises CalledProcessError when it cannot read the file at all."""
    command = ["tshark", "-n", "-r", str(capture), "-T", "fields", "-E", "separator=/t", "-E", "aggregator=,"]
    for name, value in LIKE_WITH_LIKE.items():
        command += ["-o", f"{name}:{value}"]
    for field in FIELDS:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 2) or (done.returncode and not done.stdout):  # 2: damaged, but read up to there
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout[-200:], done.stderr[-400:])
    yield from parsed(done.stdout)


def parsed(table: str) -> Iterator[Dissected]:
    """The rows of tshark's `-T fields` output with FIELDS as its columns."""
    for line in table.splitlines():
        values = dict(zip(FIELDS, line.split("\t"), strict=True))
        fields = {name: value.split(",") for name, value in values.items() if value}
        yield dissected(int(values["frame.number"]), values["frame.time_epoch"], values["frame.protocols"], fields)

"""Compares the names in our flow records with tshark's over the shared captures: recall and precision a protocol.

    python -m benchmarks.names [CAPTURE...] [--show]

A name of ours is right when tshark finds it first in the same conversation. A flow that tshark does not take for the
protocol at all (it dissects by port more than we do) is looked at again with the protocol forced upon it.
"""

from __future__ import annotations

import argparse
import lzma
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.name_oracle import Ends, Said, said
from benchmarks.table import Row, show

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
BAR, QUIC_BAR = 0.995, 0.98
KINDS = ("TLS SNI", "TLS ALPN", "QUIC SNI", "QUIC ALPN", "DNS query", "HTTP host")


@dataclass(slots=True)
class Tally:
    """Flows in which both say the same, and those in which they do not."""

    same: int = 0
    missed: int = 0
    """tshark has a name, we have none."""
    other: int = 0
    """Both have one, and they differ."""
    only_ours: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def recall(self) -> float:
        found = self.same + self.missed + self.other
        return self.same / found if found else 1.0

    @property
    def precision(self) -> float:
        given = self.same + self.other + self.only_ours
        return self.same / given if given else 1.0


Tallies = dict[str, Tally]


@dataclass(slots=True)
class Expected:
    """What tshark says of one flow; None: it says nothing of it."""

    carrier: str = ""
    server_name: str | None = None
    offered: str | None = None
    agreed: str | None = None
    query: str | None = None
    host: str | None = None


def flows_of(capture: Path) -> list[dict[str, Any]]:
    """Our flow records of a capture."""
    from monitor.capture import open_captures
    from monitor.flows import FlowMeter
    from monitor.settings import FlowSettings

    wanted = ["start", "end", "src_ip", "dst_ip", "src_port", "dst_port", "proto", "part", "service", "server_name",
              "alpn", "dns_query", "http_method", "http_uri"]  # fmt: skip
    found: list[dict[str, Any]] = []
    with open_captures([capture]) as reader:
        for batch in FlowMeter(FlowSettings(active=0)).records(reader):
            for name in ("start", "end"):
                assert batch.schema.field(name).type.unit == "us"
            columns = {name: batch.column(name) for name in wanted}
            for name in ("start", "end"):
                columns[name] = columns[name].cast("int64")
            for name in ("server_name", "dns_query", "http_uri"):
                columns[name] = columns[name].cast("binary")
            lists = {name: column.to_pylist() for name, column in columns.items()}
            found += [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]
    for flow in found:
        for name in ("server_name", "dns_query", "http_uri"):
            flow[name] = flow[name].decode("utf-8", "replace")
    return found


def expected(packets: Iterable[Said], flows: Sequence[dict[str, Any]], where: str = "") -> dict[int, Expected]:
    """tshark's first words of each flow, by its place in `flows`; below 0: no flow of ours."""
    places: dict[tuple[int, Ends], list[int]] = defaultdict(list)
    for place, flow in enumerate(flows):
        ends = frozenset({(flow["src_ip"], flow["src_port"]), (flow["dst_ip"], flow["dst_port"])})
        places[flow["proto"], ends].append(place)
    found: dict[int, Expected] = defaultdict(Expected)
    homeless: dict[tuple[int, Ends], int] = {}
    for packet in packets:
        near = places.get((packet.proto, packet.ends), ())
        if near:  # of several one after the other, the one of that time; captures out of order have gaps
            place = min(near, key=lambda one: _away(packet.time, flows[one]))
        else:
            place = homeless.setdefault((packet.proto, packet.ends), -1 - len(homeless))
            if where:
                print(f"  {where}: frame {packet.frame}: no flow of ours: {packet.layers}", file=sys.stderr)
        _add(found[place], packet)
    return found


def _away(time: int, flow: dict[str, Any]) -> int:
    """µs between a packet and a flow; 0 within it."""
    return int(max(flow["start"] - time, time - flow["end"], 0))


def _add(flow: Expected, packet: Said) -> None:
    values = packet.values
    flow.carrier = flow.carrier or packet.carrier
    if "gquic.tag.sni" in values and flow.server_name is None:
        flow.server_name = values["gquic.tag.sni"][0]
    kinds = values.get("tls.handshake.type", [])
    names = values.get("tls.handshake.extensions_alpn_str", [])
    if "1" in kinds:
        if flow.server_name is None:
            flow.server_name = values.get("tls.handshake.extensions_server_name", [""])[0]
        if flow.offered is None:
            flow.offered = next((name for name in names if not _is_grease(name)), "")
    elif "2" in kinds and names and flow.agreed is None:
        flow.agreed = names[0]
    if "dns.qry.name" in values and flow.query is None:
        flow.query = values["dns.qry.name"][0]
    if "http.request.method" in values and flow.host is None:
        flow.host = _host(values)


def _is_grease(name: str) -> bool:
    return len(name) == 2 and ord(name[0]) & 15 == 10 and name[0] == name[1]


def _host(values: dict[str, list[str]]) -> str:
    """Authority of the target, else the Host field, without port."""
    target, host = values.get("http.request.uri", [""])[0], values.get("http.host", [""])[0]
    if values["http.request.method"][0] == "CONNECT":
        host = target
    elif "://" in target.split("?")[0] and not target.startswith("/"):
        host = target.split("://", 1)[1]
        for mark in "/?#":
            host = host.split(mark, 1)[0]
    host = host.rpartition("@")[2].strip()
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def compare(flows: Sequence[dict[str, Any]], theirs: dict[int, Expected], tallies: Tallies, where: str) -> list[int]:
    """Count every flow; the places of flows of which tshark knows nothing though we name something."""
    unknown = []
    for place, saw in theirs.items():
        if place < 0:
            _compare_one(saw, _NOTHING, tallies, where)
    for place, flow in enumerate(flows):
        saw = theirs.get(place)
        if saw is None:
            if flow["server_name"] or flow["dns_query"] or flow["alpn"]:
                unknown.append(place)
            continue
        _compare_one(saw, flow, tallies, where)
    return unknown


_NOTHING = {"service": "no flow", "src_port": 0, "dst_port": 0, "server_name": "", "alpn": "", "dns_query": "",
            "http_method": ""}  # fmt: skip


def _compare_one(saw: Expected, flow: dict[str, Any], tallies: Tallies, where: str) -> None:
    over = "QUIC" if saw.carrier in ("quic", "gquic") else "TLS"
    name, web = flow["server_name"], bool(flow["http_method"])
    if saw.server_name is not None and saw.host is None:
        _count(tallies[f"{over} SNI"], saw.server_name, name, flow, where)
    if saw.host is not None and saw.carrier in ("http", "tls"):
        _count(tallies["HTTP host"], saw.host, name if web or not saw.server_name else "", flow, where)
    if saw.offered is not None or saw.agreed is not None:
        _count(tallies[f"{over} ALPN"], saw.agreed or saw.offered or "", flow["alpn"], flow, where)
    if saw.query is not None:
        _count(tallies["DNS query"], _root(saw.query), flow["dns_query"], flow, where)


def _root(name: str) -> str:
    return "." if name == "<Root>" else name


def _count(tally: Tally, wanted: str, got: str, flow: dict[str, Any], where: str) -> None:
    if wanted == got:
        tally.same += bool(wanted)
        return
    if not got:
        tally.missed += 1
    elif not wanted:
        tally.only_ours += 1
    else:
        tally.other += 1
    tally.examples.append(f"{where}: {flow['service']} {flow['src_port']}→{flow['dst_port']}: {wanted!r} / {got!r}")


def unpacked(path: Path, folder: Path) -> Path:
    """The capture without its xz."""
    target = folder / path.name.removesuffix(".xz")
    with lzma.open(path) as source, target.open("wb") as out:
        shutil.copyfileobj(source, out)
    return target


def judge(capture: Path, tallies: Tallies) -> Counter[str]:
    """Compare one capture; what we name in flows of which tshark knows nothing, by service."""
    flows = flows_of(capture)
    unknown = compare(flows, expected(said(capture), flows, capture.name), tallies, capture.name)
    rules = sorted({rule for place in unknown if (rule := _rule(flows[place]))})
    if rules:
        again = [flows[place] for place in unknown]
        theirs = expected(_matching(said(capture, decode_as=rules), again), again)
        theirs = {place: saw for place, saw in theirs.items() if place >= 0}  # those were counted before
        unknown = [unknown[place] for place in compare(again, theirs, tallies, f"{capture.name} (forced)")]
    for place in unknown:
        flow = flows[place]
        if flow["service"] in ("tls", "quic", "dns", "http", "mdns", "llmnr"):
            kind = {"tls": "TLS SNI", "quic": "QUIC SNI", "http": "HTTP host"}.get(flow["service"], "DNS query")
            _count(tallies[kind], "", flow["server_name"] or flow["dns_query"], flow, capture.name)
    return Counter(flows[place]["service"] for place in unknown)


def _matching(packets: Iterable[Said], flows: Sequence[dict[str, Any]]) -> Iterator[Said]:
    ends = {frozenset({(f["src_ip"], f["src_port"]), (f["dst_ip"], f["dst_port"])}) for f in flows}
    return (packet for packet in packets if packet.ends in ends)


def _rule(flow: dict[str, Any]) -> str:
    """tshark's -d rule that makes it take the flow for what we do."""
    service = {"mdns": "mdns", "llmnr": "llmnr", "dns": "dns", "http": "http", "tls": "tls", "quic": "quic"}
    if flow["service"] not in service:
        return ""
    port = flow["dst_port"]
    return f"{'tcp' if flow['proto'] == 6 else 'udp'}.port=={port},{service[flow['service']]}"


def over_all(paths: Sequence[Path]) -> tuple[Tallies, Counter[str]]:
    """Every capture's flows against tshark."""
    tallies: Tallies = {kind: Tally() for kind in KINDS}
    unknown: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            capture = unpacked(path, Path(folder)) if path.suffix == ".xz" else path
            unknown += judge(capture, tallies)
            if capture != path:
                capture.unlink()
    return tallies, unknown


def captures() -> list[Path]:
    """Every shared capture. Raises FileNotFoundError without them."""
    found = sorted(path for path in DATA.glob("*/*.xz") if ".pcap" in path.name)
    if not found:
        raise FileNotFoundError("the shared captures are not beside the checkout")
    return found


def rows() -> list[Row]:
    """A row a protocol."""
    tallies, _ = over_all(captures())
    return [
        Row(
            f"{kind} of flows against tshark, all shared captures",
            f"recall {tally.recall:.2%}, precision {tally.precision:.2%} ({tally.same:,} same, {tally.missed} missed, "
            f"{tally.other} other, {tally.only_ours} only ours)",
            f"≥ {(bar := QUIC_BAR if kind.startswith('QUIC') else BAR):.1%} each",
            min(tally.recall, tally.precision) >= bar,
            "python -m benchmarks.names",
        )
        for kind, tally in tallies.items()
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("capture", nargs="*", type=Path)
    parser.add_argument("--show", action="store_true", help="say where they differ: tshark's / ours")
    chosen = parser.parse_args()
    if chosen.show or chosen.capture:
        found, rest = over_all(chosen.capture or captures())
        for kind, tally in found.items():
            print(f"{kind}: recall {tally.recall:.4f} precision {tally.precision:.4f} {tally.same} same, "
                  f"{tally.missed} missed, {tally.other} other, {tally.only_ours} only ours")  # fmt: skip
            for example in tally.examples:
                print("   ", example)
        print("tshark knows nothing of:", dict(rest))
    else:
        show(rows())

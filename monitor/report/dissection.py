"""Shows what a dissection found, as it comes: packets, then what was said in names, certificates, streams.

Whatever is from the wire goes through `printable`; where it comes from is up to `inspecting`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from monitor.report.escape import as_text, printable
from monitor.report.lines import json_object
from monitor.report.output import JSON

_HEADINGS = {
    "flow": "Flows", "packet": "Packets", "dns": "DNS", "http": "HTTP", "certificate": "Certificates",
    "expert": "Wireshark's warnings", "stream": "Streams",
}  # fmt: skip
_FLOW = (
    "service",
    "state",
    "history",
    "server_name",
    "alpn",
    "ja4",
    "dns_query",
    "user_agent",
    "tunnel",
    "missed_bytes",
)
_STREAM_LINES = 40


def show_dissection(found: Iterable[Mapping[str, Any]], form: str, *, tree: bool = False) -> list[str]:
    """Print each object as soon as it comes; returns the lines that tell of damaged input."""
    damage: list[str] = []
    heading = ""
    for one in found:
        if one["kind"] == "carved":
            damage += one["damage"]
        if form == JSON:
            sys.stdout.write(f"{json_object(_plain(one))}\n")
        elif one["kind"] == "note":
            sys.stdout.flush()
            print(f"monitor: {printable(one['text'])}", file=sys.stderr)
        else:
            title = _HEADINGS.get(one["kind"], "")
            if title and title != heading:
                sys.stdout.write(f"\n{title}\n")
                heading = title
            sys.stdout.writelines(f"{printable(line)}\n" for line in _lines(one, tree))
        sys.stdout.flush()
    return damage


def _plain(one: Mapping[str, Any]) -> Mapping[str, Any]:
    """With the bytes of a stream as text, `\\xNN` where they are none."""
    if one["kind"] != "stream":
        return one
    return {**one, "turns": [{"from": sender, "said": as_text(said)} for sender, said in one["turns"]]}


def _lines(one: Mapping[str, Any], tree: bool) -> Iterator[str]:
    kind = one["kind"]
    if kind == "carved":
        yield f"{one['packets']:,} of {one['searched']:,} packets, {one['bytes']:,} bytes"
        yield f"{_time(one['first_seen'])} to {_time(one['last_seen'])} UTC"
    elif kind == "flow":
        yield (
            f"  {_end(one['src_ip'], one['src_port'])} → {_end(one['dst_ip'], one['dst_port'])}  proto {one['proto']}"
            f"  {one['src_packets']:,} + {one['dst_packets']:,} packets"
            f"  {one['src_bytes']:,} + {one['dst_bytes']:,} bytes  {one['duration']:.3f} s"
        )
        said = [f"{name} {one[name]}" for name in _FLOW if one.get(name)]
        yield f"    {one['community_id']}  " + "  ".join(said)
    elif kind == "packet":
        yield from _packet(one, tree)
    elif kind == "stream":
        yield from _stream(one)
    else:
        facts = [f"{name} {_said(value)}" for name, value in one.items() if name not in ("kind", "packet") and value]
        yield f"  packet {one['packet']}: " + "  ".join(facts)


def _packet(one: Mapping[str, Any], tree: bool) -> Iterator[str]:
    when = datetime.fromtimestamp(float(one["time"]), UTC)
    path = "·".join(layer["layer"] for layer in one["layers"])
    yield (
        f"  {one['number']:>5}  {when:%H:%M:%S.%f}  {one.get('source', '')} → {one.get('destination', '')}"
        f"  {one.get('length', '')}  {path}  {one.get('info', '')}"
    )
    if tree:
        for layer in one["layers"]:
            yield f"           {layer['layer']}"
            yield from (f"             {field}" for field in layer["fields"])


def _stream(one: Mapping[str, Any]) -> Iterator[str]:
    yield f"  {one['protocol']} stream {one['number']}: {one['ends'][0]} and {one['ends'][1]}" + (
        " (the beginning of it)" if one["cut"] else ""
    )
    shown = 0
    for sender, said in one["turns"]:
        mark = ">" if sender == one["ends"][0] else "<"
        if _is_binary(said):
            yield f"    {mark} {len(said):,} bytes that are no text"
            shown += 1
            continue
        for line in as_text(said).split("\n"):
            if shown == _STREAM_LINES:
                yield "    … more; --format json has it"
                return
            yield f"    {mark} {line.rstrip(chr(13))[:200]}"
            shown += 1


def _is_binary(said: bytes) -> bool:
    """Whether more than a tenth of the bytes are controls or no UTF-8: encrypted, compressed, or a binary protocol."""
    text = said.decode("utf-8", "replace")
    odd = sum(letter == "\ufffd" or (letter < " " and letter not in "\r\n\t") for letter in text)
    return odd * 10 > len(text)


def _end(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _time(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else str(value)


def _said(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else _time(value)

"""Builds batches of flow records from the few columns that a test cares about; the schema fills in the rest.

    flows({"src_ip": "192.168.0.5", "dst_ip": "203.0.113.9", "dst_port": 443, "start": 60.0}, ...)

Times are seconds after `EPOCH`; addresses are written as people write them. What is left out follows from what is given
where that is possible (end, direction, Community ID, flow id, byte counts), else it is the column's empty value.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import communityid
import pyarrow as pa

from monitor.flows.schema import COLUMNS, NAMES, arrow_schema

EPOCH = 1_767_225_600_000_000
"""2026-01-01 00:00 UTC in µs: time 0 of the tests."""

_EMPTY: dict[str, Any] = {"text": "", "word": "", "words": [], "i32s": [], "u32s": [], "bool": False}
_COMMUNITY_ID = communityid.CommunityID()
_WITH_PORTS = (1, 6, 17, 58, 132)
"""ICMP's type and code take the place of ports (Community ID v1)."""


def flows(*rows: Mapping[str, Any]) -> pa.RecordBatch:
    """A batch with the schema between stages, one flow a mapping. Raises KeyError on a name that is no column."""
    return columns(
        {name: [row[name] for row in full] for name in NAMES} if (full := [_complete(row) for row in rows]) else {}
    )


def columns(given: Mapping[str, Sequence[Any]]) -> pa.RecordBatch:
    """A batch from whole columns in the schema's own representation (16-byte addresses, µs); the rest is empty."""
    unknown = set(given) - set(NAMES)
    if unknown:
        raise KeyError(f"no such column: {', '.join(sorted(unknown))}")
    count = len(next(iter(given.values()))) if given else 0
    arrays = [
        given[entry.name]
        if isinstance(given.get(entry.name), pa.Array)
        else pa.array(given.get(entry.name, [_empty(entry.name, entry.kind)] * count), entry.arrow)
        for entry in COLUMNS
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=arrow_schema())


def microseconds(moment: float | datetime) -> int:
    """Seconds after EPOCH, or a time with a zone, as µs since 1970."""
    if isinstance(moment, datetime):
        return round(moment.astimezone(UTC).timestamp() * 1e6)
    return EPOCH + round(moment * 1e6)


@lru_cache(maxsize=65536)
def packed(address: str) -> bytes:
    """16 bytes of an address; IPv4 is mapped (::ffff:a.b.c.d)."""
    parsed = ipaddress.ip_address(address)
    return parsed.packed if parsed.version == 6 else b"\0" * 10 + b"\xff\xff" + parsed.packed


def _empty(name: str, kind: str) -> Any:
    if kind == "ip":
        return bytes(16)
    return 1.0 if name == "p_value" else _EMPTY.get(kind, 0)


def _complete(row: Mapping[str, Any]) -> dict[str, Any]:
    """Every column of one flow."""
    unknown = set(row) - set(NAMES)
    if unknown:
        raise KeyError(f"no such column: {', '.join(sorted(unknown))}")
    flow: dict[str, Any] = {
        "sensor": "test",
        "src_ip": "192.168.1.10",
        "dst_ip": "198.51.100.20",
        "src_port": 50000,
        "dst_port": 443,
        "proto": 6,
        "start": 0.0,
        "duration": 0.5,
        "src_packets": 5,
        "dst_packets": 5,
        "src_payload": 400,
        "dst_payload": 1200,
        "state": "SF" if row.get("proto", 6) in (6, 17) else "OTH",
        **row,
    }
    flow.setdefault("src_bytes", flow["src_payload"] + 40 * flow["src_packets"])
    flow.setdefault("dst_bytes", flow["dst_payload"] + 40 * flow["dst_packets"])
    flow.setdefault("direction", _direction(flow["src_ip"], flow["dst_ip"]))
    flow.setdefault("community_id", _community_id(flow))
    flow["start"] = microseconds(flow["start"])
    if "end" in flow:
        flow["end"] = microseconds(flow["end"])
        flow["duration"] = (flow["end"] - flow["start"]) / 1e6
    else:
        flow["end"] = flow["start"] + round(flow["duration"] * 1e6)
    flow.setdefault("flow_id", _flow_id(flow))
    for side in ("src_ip", "dst_ip"):
        flow[side] = packed(flow[side]) if isinstance(flow[side], str) else flow[side]
    return {entry.name: flow.get(entry.name, _empty(entry.name, entry.kind)) for entry in COLUMNS}


@lru_cache(maxsize=65536)
def _is_home(address: str) -> bool:
    """RFC 1918 and ULA: what the product takes for home unless told otherwise."""
    parsed = ipaddress.ip_address(address)
    home = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
    return any(
        parsed in ipaddress.ip_network(net) for net in home if ipaddress.ip_network(net).version == parsed.version
    )


def _direction(src: str, dst: str) -> str:
    return {(True, True): "internal", (True, False): "outbound", (False, True): "inbound", (False, False): "external"}[
        _is_home(src), _is_home(dst)
    ]


def _community_id(flow: Mapping[str, Any]) -> str:
    proto = flow["proto"]
    if proto in _WITH_PORTS:
        ports = communityid.FlowTuple(proto, flow["src_ip"], flow["dst_ip"], flow["src_port"], flow["dst_port"])
    else:
        ports = communityid.FlowTuple(proto, flow["src_ip"], flow["dst_ip"])
    return str(_COMMUNITY_ID.calc(ports))


def _flow_id(flow: Mapping[str, Any]) -> int:
    key = [str(flow[name]) for name in ("src_ip", "dst_ip", "src_port", "dst_port", "proto", "vlan") if name in flow]
    digest = hashlib.blake2b(json.dumps([*key, flow["start"]]).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")

"""Makes flow records of Zeek's connections and of what dns, ssl, http and quic logs say about them.

What Zeek does not log stays empty: packet lengths but their mean, inter-arrival times, entropy, the round trip. A model
for such flows is trained on such flows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from monitor.addresses import packed_address
from monitor.flows.schema import COLUMNS, NAMES, arrow_schema
from monitor.zeek.logs import Log
from monitor.zeek.services import service_of

if TYPE_CHECKING:
    import pyarrow as pa

    from monitor.flows import Zones

BATCH = 20_000
"""Flows of a record batch."""

_PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1, "icmp6": 58, "sctp": 132}
_LETTERS = {"s": 0x02, "h": 0x12, "a": 0x10, "d": 0x10, "f": 0x01, "r": 0x04}
"""TCP flags that a letter of Zeek's history tells of."""

_EMPTY: dict[str, Any] = {"text": "", "word": "", "words": [], "i32s": [], "u32s": [], "bool": False, "ip": bytes(16)}
_DEFAULTS: dict[str, Any] = {entry.name: _EMPTY.get(entry.kind, 0) for entry in COLUMNS} | {"p_value": 1.0}


class ZeekFlows:
    """Reads a set of logs; `batches` gives the flow records, the counts say what became of the lines."""

    def __init__(self, logs: Sequence[Log], zones: Zones, *, sensor: str, keep_query: bool = False) -> None:
        """`keep_query`: keep what follows the ? in a request's target."""
        self._logs, self._sensor, self._keep_query = logs, sensor, keep_query
        self._places = _Places(zones)
        self.flows = 0
        self.skipped = 0
        """Lines of conn logs without address, time or known protocol."""

    @property
    def damage(self) -> list[str]:
        """What was wrong with the logs, once they were read."""
        return [log.damage for log in self._logs if log.damage]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Flow records with the schema of `flows.schema`, in the order of the logs. The names are read first."""
        names: dict[str, dict[str, Any]] = {}
        for log in self._logs:
            if log.kind != "conn":
                for row in log.rows():
                    _say(names, log.kind, row, self._keep_query)
        rows: list[dict[str, Any]] = []
        for log in self._logs:
            for row in log.rows() if log.kind == "conn" else ():
                try:
                    rows.append(self._flow(row, names.get(str(row.get("uid")), {})))
                except (KeyError, ValueError, TypeError, OverflowError):
                    self.skipped += 1
                if len(rows) == BATCH:
                    yield self._batch(rows)
                    rows = []
        if rows:
            yield self._batch(rows)

    def _batch(self, rows: list[dict[str, Any]]) -> pa.RecordBatch:
        import pyarrow as pa

        self.flows += len(rows)
        columns = {name: [row.get(name, _DEFAULTS[name]) for row in rows] for name in NAMES}
        columns["community_id"] = _community_ids(rows)
        arrays = [pa.array(columns[entry.name], entry.arrow) for entry in COLUMNS]
        return pa.RecordBatch.from_arrays(arrays, schema=arrow_schema())

    def _flow(self, row: Mapping[str, Any], named: Mapping[str, Any]) -> dict[str, Any]:
        src, dst = _packed(row["id.orig_h"]), _packed(row["id.resp_h"])
        proto = _PROTOCOLS[row["proto"]]
        if proto == 1 and ":" in str(row["id.orig_h"]):
            proto = 58
        start, duration = _microseconds(row["ts"]), round(float(row.get("duration", 0)) * 1e6)
        history = str(row.get("history", ""))
        src_port, dst_port = _whole(row["id.orig_p"], 16), _whole(row["id.resp_p"], 16)
        src_zone, dst_zone, direction = self._places.of(src, dst)
        packets = [_whole(row.get(f"{side}_pkts", 0)) for side in ("orig", "resp")]
        carried = [_whole(row.get(f"{side}_ip_bytes", 0)) for side in ("orig", "resp")]
        service, odd = service_of(str(row.get("service", "")), proto, src_port, dst_port)
        flow = {
            "sensor": self._sensor, "flow_id": _flow_id(str(row.get("uid", "")), start),
            "community_id": str(row.get("community_id", "")), "start": start, "end": start + duration,
            "duration": duration / 1e6, "src_ip": src, "dst_ip": dst, "src_port": src_port, "dst_port": dst_port,
            "proto": proto, "vlan": _whole(row.get("vlan", 0), 16), "src_zone": src_zone, "dst_zone": dst_zone,
            "direction": direction, "src_packets": packets[0], "dst_packets": packets[1], "src_bytes": carried[0],
            "dst_bytes": carried[1], "src_payload": _whole(row.get("orig_bytes", 0)),
            "dst_payload": _whole(row.get("resp_bytes", 0)), "state": str(row.get("conn_state", "OTH")),
            "history": history, "missed_bytes": _whole(row.get("missed_bytes", 0)),
            "end_reason": 3 if str(row.get("conn_state", "")) in ("SF", "REJ", "RSTO", "RSTR") else 1,
            "service": service, "service_on_odd_port": odd,
            "src_len_mean": carried[0] / packets[0] if packets[0] else 0.0,
            "dst_len_mean": carried[1] / packets[1] if packets[1] else 0.0, **named,
        }  # fmt: skip
        if proto == 6:
            flow |= _tcp(history)
        elif proto in (1, 58):
            flow |= {"icmp_type": src_port & 0xFF, "icmp_code": dst_port & 0xFF}
        return flow


def _tcp(history: str) -> dict[str, int]:
    """Flags seen, and how often at least segments came again (t) and windows closed (w)."""
    flags = {"src": 0, "dst": 0}
    for letter in history:
        flags["src" if letter.isupper() else "dst"] |= _LETTERS.get(letter.lower(), 0)
    return {
        "src_flags": flags["src"], "dst_flags": flags["dst"],
        "src_retransmits": _times(history, "T"), "dst_retransmits": _times(history, "t"),
        "src_zero_windows": _times(history, "W"), "dst_zero_windows": _times(history, "w"),
    }  # fmt: skip


def _times(history: str, letter: str) -> int:
    """A letter is written at the 1st, 10th, 100th … time: at least so often."""
    seen = min(history.count(letter), 9)
    return int(10 ** (seen - 1)) if seen else 0


def _say(names: dict[str, dict[str, Any]], kind: str, row: Mapping[str, Any], keep_query: bool) -> None:
    """Take what a log says first about a connection."""
    known = names.setdefault(str(row.get("uid", "")), {})
    for name, value in _SAID[kind](row, keep_query).items():
        if value and name not in known:
            known[name] = value


def _dns(row: Mapping[str, Any], _: bool) -> dict[str, Any]:
    lifetimes = [float(value) for value in _list(row.get("TTLs"))]
    return {
        "dns_query": _text(row.get("query")), "dns_type": _text(row.get("qtype_name")),
        "dns_rcode": _text(row.get("rcode_name")), "dns_answers": [_text(a) for a in _list(row.get("answers"))][:16],
        "dns_ttl": min(int(min(lifetimes, default=0)), 2**32 - 1),
    }  # fmt: skip


def _ssl(row: Mapping[str, Any], _: bool) -> dict[str, Any]:
    version = _text(row.get("version"))
    version = f"{version[:-2]}v{version[-2]}.{version[-1]}" if version[-2:].isdigit() else version
    return {
        "server_name": _text(row.get("server_name")), "tls_version": version.replace("vv", "v"),
        "alpn": _text(row.get("next_protocol")), "ja4": _text(row.get("ja4")),
        "cert_names": [_text(name) for name in _list(row.get("san.dns"))],
    }  # fmt: skip


def _http(row: Mapping[str, Any], keep_query: bool) -> dict[str, Any]:
    target = _text(row.get("uri"))
    return {
        "server_name": _text(row.get("host")), "http_method": _text(row.get("method")),
        "http_uri": target if keep_query else target.partition("?")[0],
        "http_status": _whole(row.get("status_code", 0), 16), "user_agent": _text(row.get("user_agent")),
    }  # fmt: skip


def _quic(row: Mapping[str, Any], _: bool) -> dict[str, Any]:
    return {"server_name": _text(row.get("server_name")), "alpn": _text(row.get("client_protocol"))}


_SAID = {"dns": _dns, "ssl": _ssl, "http": _http, "quic": _quic}


def _text(value: Any) -> str:
    """Text that any exit can encode: what was no UTF-8 in the log becomes the replacement character."""
    return str(value or "").encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _whole(value: Any, bits: int = 64) -> int:
    number = int(value)
    if not 0 <= number < 1 << bits:
        raise ValueError(f"{number} is no number of {bits} bits")
    return number


def _microseconds(value: Any) -> int:
    """Seconds since 1970, or ISO 8601; exact, since a double holds microseconds until 2255."""
    if isinstance(value, str) and not value.replace(".", "", 1).isdigit():
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
        return round(moment.timestamp() * 1e6)
    return round(float(value) * 1e6)


_packed = lru_cache(maxsize=1 << 16)(packed_address)


def _flow_id(uid: str, start: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{uid} {start}".encode(errors="replace"), digest_size=8).digest(), "big")


class _Places:
    """Zones and direction by address, as the flow table tells them."""

    def __init__(self, zones: Zones) -> None:
        self._names = zones.names
        self._ranges, self._home = _spans(zones.ranges), _spans(zones.home)
        self._of = lru_cache(maxsize=1 << 16)(self._look_up)

    def of(self, src: bytes, dst: bytes) -> tuple[str, str, str]:
        """Zone of both ends, and the direction."""
        from monitor.flows.zones import DIRECTIONS

        (src_zone, src_home), (dst_zone, dst_home) = self._of(src), self._of(dst)
        return src_zone, dst_zone, DIRECTIONS[2 * src_home + dst_home]

    def _look_up(self, packed: bytes) -> tuple[str, bool]:
        number = int.from_bytes(packed, "big")
        home = any(low <= number <= high for low, high, _ in self._home)
        zone = next((zone for low, high, zone in self._ranges if low <= number <= high), int(home))
        return self._names[zone], home


def _spans(ranges: Any) -> list[tuple[int, int, int]]:
    return [
        (int(e["low_hi"]) << 64 | int(e["low_lo"]), int(e["high_hi"]) << 64 | int(e["high_lo"]), int(e["zone"]))
        for e in ranges
    ]


def _community_ids(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Those that the log has, else computed."""
    import numpy as np

    from monitor.flows.community import COMMUNITY_ID_BYTES, community_id

    block, digest, out = np.zeros(64, np.uint8), np.zeros(20, np.uint8), np.zeros(COMMUNITY_ID_BYTES, np.uint8)
    found = []
    for row in rows:
        if row["community_id"]:
            found.append(row["community_id"])
            continue
        halves = [
            np.uint64(int.from_bytes(row[end][at : at + 8], "big")) for end in ("src_ip", "dst_ip") for at in (0, 8)
        ]
        src_hi, src_lo, dst_hi, dst_lo = halves
        ports = row["src_port"], row["dst_port"]
        community_id(src_hi, src_lo, dst_hi, dst_lo, row["proto"], *ports, block, digest, out, 0)
        found.append(out.tobytes().decode("ascii"))
    return found

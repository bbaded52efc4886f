"""Canaries: small attacks made up at flow level on hosts of an ordinary day, to try a model before its use.

A beacon, an upload, a sweep, a DNS tunnel. Flows take their shape from one of the day where it has such flows, so that
what gives the canary away is its behaviour. Addresses are documentation ranges. How they fare is told in `trial`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import numpy as np

from monitor.addresses import packed_address
from monitor.evaluation.matching import Truth
from monitor.evaluation.scenario import home_hosts, span
from monitor.event_time import datetime_of, microseconds

if TYPE_CHECKING:
    import pyarrow as pa

_SECOND = 1_000_000
LEAST_SPAN = 3600 * _SECOND
"""µs: canaries are laid into this much time at least."""


@dataclass(frozen=True, slots=True)
class Canary:
    """One made-up attack: its flows, and what is true of them."""

    flows: pa.Table
    truth: Truth


def canaries(day: pa.Table, seed: int = 0) -> list[Canary]:
    """The canaries of a day, each on a host of its own as far as the day has hosts; the same for the same seed."""
    random = np.random.default_rng((seed, 4))
    hosts = sorted(host for host in home_hosts(day) if "." in host) or ["10.254.0.10"]
    first, last = span(day)
    time = (first, max(last - first, LEAST_SPAN))
    random.shuffle(hosts)
    made = []
    for place, make in enumerate((_beacon, _upload, _sweep, _tunnel)):
        behaviour, peer, rows = make(time, random)
        host = hosts[place % len(hosts)]
        service = next((row["service"] for row in rows if "service" in row), "")
        table = _flows(_shape(day, service), host, rows, random)
        begun, ended = map(datetime_of, span(table))
        truth = Truth(behaviour, "canary", behaviour, frozenset({host}), (ip_network(peer),), begun, ended)
        made.append(Canary(table, truth))
    return made


Made = tuple[str, str, list[dict[str, Any]]]
"""Behaviour, peer (address or network), and the columns of each flow that are not those of the shape."""


def _beacon(time: tuple[int, int], random: np.random.Generator) -> Made:
    """A hundred calls over the time, each interval 20 % longer or shorter."""
    at = time[0] + np.cumsum(random.uniform(0.8, 1.2, 99)) * time[1] / 100
    rows = [
        {"dst": "203.0.113.7", "start": int(when), "service": "tls", "dst_port": 443, "proto": 6, "server_name": ""}
        for when in at
    ]
    return "beacon", "203.0.113.7", rows


def _upload(time: tuple[int, int], random: np.random.Generator) -> Made:
    """300 MB in ten minutes, to one address."""
    sent = 300_000_000
    row = {
        "dst": "203.0.113.8", "start": int(time[0] + time[1] * random.uniform(0.3, 0.6)), "duration": 600.0,
        "service": "tls", "dst_port": 443, "proto": 6, "server_name": "", "src_payload": sent, "src_packets": 210_000,
        "src_bytes": sent + 210_000 * 40, "dst_payload": 60_000, "dst_packets": 90_000, "dst_bytes": 3_660_000,
        "src_len_mean": 1_470.0, "src_len_max": 1_500.0, "dst_len_mean": 41.0, "src_iat_mean": 0.003,
        "dst_iat_mean": 0.007, "state": "SF",
    }  # fmt: skip
    return "upload", "203.0.113.8", [row]


def _sweep(time: tuple[int, int], random: np.random.Generator) -> Made:
    """One SYN to each of 250 neighbours, in a minute."""
    begin = int(time[0] + time[1] * random.uniform(0.2, 0.7))
    rows = [
        {"dst": f"10.254.9.{n + 1}", "start": begin + n * 60 * _SECOND // 250, "dst_port": 445, **_SYN}
        for n in range(250)
    ]
    return "horizontal_scan", "10.254.9.0/24", rows


_SYN: Mapping[str, Any] = {
    "service": "unknown", "proto": 6, "duration": 0.0, "state": "S0", "history": "S", "src_flags": 2, "dst_flags": 0,
    "src_packets": 1, "dst_packets": 0, "src_payload": 0, "dst_payload": 0, "src_bytes": 60, "dst_bytes": 0,
    "src_len_mean": 60.0, "src_len_min": 60.0, "src_len_max": 60.0, "splt_len": [60], "splt_iat": [0], "bare": True,
}  # fmt: skip


def _tunnel(time: tuple[int, int], random: np.random.Generator) -> Made:
    """600 look-ups of new names, 60 characters each, under one domain, in twenty minutes."""
    begin = int(time[0] + time[1] * random.uniform(0.1, 0.5))
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz234567"))
    rows = [
        {
            "dst": "203.0.113.53", "start": begin + n * 2 * _SECOND, "service": "dns", "proto": 17, "dst_port": 53,
            "dns_query": f"{''.join(random.choice(letters, 50))}.{n}.canary-domain.net", "dns_type": "TXT",
            "dns_rcode": "NOERROR", "src_packets": 1, "dst_packets": 1, "src_payload": 96, "dst_payload": 230,
            "src_bytes": 124, "dst_bytes": 258, "src_len_mean": 124.0, "src_len_max": 124.0, "dst_len_mean": 258.0,
            "dst_len_max": 258.0, "splt_len": [124, -258], "splt_iat": [0, 20_000], "duration": 0.02, "state": "SF",
        }
        for n in range(600)
    ]  # fmt: skip
    return "dns_tunnel", "203.0.113.53", rows


_CALL: Mapping[str, Any] = {
    "duration": 0.4, "src_packets": 9, "dst_packets": 8, "src_payload": 900, "dst_payload": 4_000, "src_bytes": 1_260,
    "dst_bytes": 4_320, "state": "SF", "history": "ShADadFf", "src_flags": 27, "dst_flags": 27,
    "src_len_mean": 140.0, "src_len_min": 40.0, "src_len_max": 600.0, "dst_len_mean": 540.0, "dst_len_max": 1_500.0,
    "splt_len": [60, -60, 52, 569, -1500, 52], "splt_iat": [0, 20_000, 100, 2_000, 25_000, 200], "rtt": 0.02,
}  # fmt: skip
"""A call, where the day has none."""


def _shape(day: pa.Table, service: str) -> dict[str, Any]:
    """An answered flow of that service of the day, of middling size; a plain call when there is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    fits = pc.and_(
        pc.equal(day["service"].cast(pa.string()), service), pc.greater(day["dst_packets"], pa.scalar(0, pa.uint64()))
    )
    some = day.filter(pc.and_(fits, pc.equal(day["direction"].cast(pa.string()), "outbound")))
    if not some.num_rows:
        return {**dict(_empty()), **_CALL}
    ordered = some.sort_by([("src_payload", "ascending"), ("flow_id", "ascending")])
    row: dict[str, Any] = ordered.slice(some.num_rows // 2, 1).to_pylist()[0]
    return row


def _empty() -> Iterator[tuple[str, Any]]:
    from monitor.flows.schema import COLUMNS

    for column in COLUMNS:
        whole = {"ip": bytes(16), "text": "", "word": "", "bool": False}
        yield column.name, [] if column.kind in ("words", "i32s", "u32s") else whole.get(column.kind, 0)


def _flows(shape: Mapping[str, Any], host: str, rows: list[dict[str, Any]], random: np.random.Generator) -> pa.Table:
    """Flow records of the rows from the host: the shape, with what each row says instead."""
    import pyarrow as pa

    from monitor.flows.schema import COLUMNS, arrow_schema

    bare = dict(_empty())
    full = []
    for row in rows:
        given = dict(row)
        flow = {
            **(bare if given.pop("bare", False) else shape),
            "src_ip": packed_address(host),
            "p_value": 1.0,
            "score": 0.0,
        }
        dst = given.pop("dst")
        flow |= {
            "dst_ip": packed_address(dst),
            "src_port": int(random.integers(32_768, 61_000)),
            "part": 0,
            "reasons": [],
        }
        flow |= {
            "direction": "internal" if dst.startswith("10.") else "outbound",
            "flow_id": int(random.integers(1 << 62)),
        }
        flow |= {"src_zone": "home", "dst_zone": "home" if dst.startswith("10.") else "internet", "dns_answers": []}
        flow |= given
        flow["community_id"] = f"1:canary-{flow['flow_id']:x}"
        flow["end"] = flow["start"] + round(flow["duration"] * _SECOND)
        full.append(flow)
    arrays = [pa.array([_plain(flow[column.name]) for flow in full], column.arrow) for column in COLUMNS]
    return pa.Table.from_arrays(arrays, schema=arrow_schema())


def _plain(value: Any) -> Any:
    return microseconds(value) if isinstance(value, datetime) else value

"""Makes the flows of an imagined office for the benchmarks of the store: synthetic, of the shape and size of real ones.

Columns agree as a meter's do: a Community ID is that of the ends, `duration` is `end` minus `start`, and a flow of at
most sixteen packets has the lengths and times that its lists of packets say; longer ones have others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.flows.community import COMMUNITY_ID_BYTES, community_id
from monitor.flows.schema import COLUMNS, SPLT, arrow_schema
from monitor.jit import kernel
from monitor.stack import stack_u8

HOUR = 3_600_000_000
EPOCH = 1_767_225_600_000_000
Rng = np.random.Generator
_JA4 = [f"t13d1516h2_{i:012x}_e5627efa2ab1" for i in range(40)]

SERVICES = ("dns", "tls", "quic", "http", "ntp", "unknown")
_SHARES = (0.5, 0.28, 0.06, 0.04, 0.02, 0.1)
_PORTS = np.array([53, 443, 443, 80, 123, 8443], np.uint16)
_PROTOS = np.array([17, 6, 17, 6, 17, 6], np.uint8)
_HISTORIES = np.array(["Dd", "ShADadFf", "Dd", "ShADadFf", "Dd", "S"])
_PATHS = np.array([f"/news/{i}/index.html" for i in range(500)])
_AGENTS = np.array([f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/{i}.0.0.0 Safari/537.36" for i in range(40)])
_NAMES = np.array([f"{name}{i}.example.{top}" for i in range(400) for name in ("www", "cdn") for top in ("com", "jp")])


def office_flows(count: int, *, seed: int = 0, start: int = EPOCH, span: int = 3_600_000_000) -> pa.RecordBatch:
    """`count` flows of an imagined office of 300 hosts, in the order in which a meter would report them.

    `start` and `span` are µs: flows begin evenly within them.
    """
    rng = np.random.default_rng(seed)
    service = rng.choice(len(SERVICES), count, p=_SHARES)
    tcp = _PROTOS[service] == 6
    packets = np.where(tcp, 2 + rng.geometric(0.08, count), 1).astype(np.uint64)
    begin = np.sort(rng.integers(0, span, count)) + start
    lasting = np.where(tcp, rng.exponential(3e6, count), rng.exponential(3e4, count)).astype(np.int64)
    client = rng.integers(0, 300, count)
    server = rng.zipf(1.4, count) % 5000
    order = np.argsort(begin + lasting, kind="stable")
    begin, lasting = begin[order], lasting[order]
    size = rng.lognormal(6.5, 1.2, count)
    src_packets, dst_packets = packets, packets + rng.integers(0, 4, count).astype(np.uint64)
    ends = {
        "src_ip": _addresses(np.array([192, 168, 0, 0], np.uint8), client),
        "dst_ip": _addresses(np.array([203, 0, 0, 0], np.uint8), server),
        "src_port": pa.array(rng.integers(32768, 61000, count).astype(np.uint16)),
        "dst_port": pa.array(_PORTS[service]),
        "proto": pa.array(_PROTOS[service]),
    }
    named = {
        **ends,
        **_packets(rng, src_packets.astype(np.int64), dst_packets.astype(np.int64)),
        "sensor": _words(np.zeros(count, np.int64), ["edge"]),
        "run_id": _words(np.zeros(count, np.int64), ["0123456789abcdef"]),
        "flow_id": pa.array(rng.integers(0, 2**63, count).astype(np.uint64)),
        "community_id": _community_ids(ends),
        "start": pa.array(begin).cast(pa.timestamp("us", tz="UTC")),
        "end": pa.array(begin + lasting).cast(pa.timestamp("us", tz="UTC")),
        "duration": pa.array(lasting * 1e-6),
        "direction": _words(np.zeros(count, np.int64), ["outbound"]),
        "src_packets": pa.array(src_packets),
        "dst_packets": pa.array(dst_packets),
        "state": _words((service == 5).astype(np.int64), ["SF", "S0"]),
        "history": pa.array(_HISTORIES[service]),
        "service": _words(service, list(SERVICES)),
        "server_name": pa.array(np.where(service == 1, _NAMES[server % len(_NAMES)], "")),
        "dns_query": pa.array(np.where(service == 0, _NAMES[server % len(_NAMES)], "")),
        "ja4": _words(np.where(service == 1, client % 40 + 1, 0), ["", *_JA4]),
        "alpn": _words(service == 1, ["", "h2"]),
        "tls_version": _words(service == 1, ["", "TLSv1.3"]),
        "dns_type": _words(service == 0, ["", "A"]),
        "dns_rcode": _words(service == 0, ["", "NOERROR"]),
        "dns_ttl": pa.array(np.where(service == 0, rng.integers(1, 3600, count), 0).astype(np.uint32)),
        "http_method": _words(service == 3, ["", "GET"]),
        "http_uri": pa.array(np.where(service == 3, _PATHS[server % len(_PATHS)], "")),
        "http_status": pa.array(np.where(service == 3, 200, 0).astype(np.uint16)),
        "user_agent": pa.array(np.where(service == 3, _AGENTS[client % len(_AGENTS)], "")),
        "p_value": pa.array(rng.random(count)),
        "score": pa.array(rng.beta(4, 6, count).astype(np.float32)),
    }
    arrays = [
        named[entry.name] if entry.name in named else _filler(rng, entry.name, entry.kind, size, tcp)
        for entry in COLUMNS
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=arrow_schema())


def _filler(rng: Rng, name: str, kind: str, size: NDArray[np.float64], tcp: NDArray[np.bool_]) -> pa.Array:
    """A column that the benchmark does not spell out: sizes and shapes vary, the words stay empty."""
    count = len(size)
    if kind == "f4":
        alone = np.floor(size) if "_len_" in name and not name.endswith("std") else np.zeros(count)  # one packet a side
        varied = np.floor(size * rng.random(count)) if "_len_" in name else rng.random(count)
        return pa.array(np.where(tcp, varied, alone).astype(np.float32))
    if kind == "u64":
        carried = np.where(tcp, size * 20, size / 8) if "bytes" in name or "payload" in name else np.zeros(count)
        return pa.array(carried.astype(np.uint64))
    if kind in ("u8", "u16", "u32"):
        small = {"u8": np.uint8, "u16": np.uint16, "u32": np.uint32}[kind]
        return pa.array((tcp & (rng.random(count) < 0.05)).astype(small))
    if kind == "words":
        answers = pa.array([[], ["192.0.2.1", "192.0.2.2"]], pa.list_(pa.string()))
        return answers.take(pa.array((rng.random(count) < 0.4).astype(np.int64)))
    if kind == "word":
        return _words(np.zeros(count, np.int64), [""])
    if kind == "text":
        return pa.array(np.full(count, ""))
    return pa.array(np.zeros(count, bool)) if kind == "bool" else pa.array(np.zeros(count))


def _words(index: NDArray[np.int64], words: list[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(index.astype(np.int32)), pa.array(words, pa.string()))


def _addresses(network: NDArray[np.uint8], host: NDArray[np.int64]) -> pa.Array:
    raw = np.zeros((len(host), 16), np.uint8)
    raw[:, 10:12] = 255
    raw[:, 12:] = network
    raw[:, 14] += (host >> 8).astype(np.uint8)
    raw[:, 15] = host & 255
    return pa.Array.from_buffers(pa.binary(16), len(host), [None, pa.py_buffer(raw.tobytes())])


def _community_ids(ends: dict[str, pa.Array]) -> pa.Array:
    count = len(ends["proto"])
    addresses = [np.frombuffer(ends[name].buffers()[1], ">u8").reshape(count, 2) for name in ("src_ip", "dst_ip")]
    text = np.empty(count * COMMUNITY_ID_BYTES, np.uint8)
    numbers = [ends[name].to_numpy() for name in ("proto", "src_port", "dst_port")]
    _fill_ids(np.concatenate(addresses, axis=1).astype(np.uint64), *numbers, text)
    offsets = np.arange(0, (count + 1) * COMMUNITY_ID_BYTES, COMMUNITY_ID_BYTES, np.int32)
    return pa.Array.from_buffers(pa.string(), count, [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(text)])


@kernel
def _fill_ids(ends: Any, proto: Any, src_port: Any, dst_port: Any, text: Any) -> None:
    """ends: (n, 4) uint64; text: (n * COMMUNITY_ID_BYTES,) uint8, filled."""
    block, digest = stack_u8(64), stack_u8(20)
    for i in range(len(proto)):
        community_id(
            ends[i, 0], ends[i, 1], ends[i, 2], ends[i, 3], np.int64(proto[i]), np.int64(src_port[i]),
            np.int64(dst_port[i]), block, digest, text, i * COMMUNITY_ID_BYTES,
        )  # fmt: skip


def _packets(rng: Rng, src: NDArray[np.int64], dst: NDArray[np.int64]) -> dict[str, pa.Array]:
    """The lists of the first packets, the sides in turn, and the figures of all; src, dst: (n,) packets of each."""
    place, total = np.arange(SPLT), (src + dst)[:, None]
    in_turn = 2 * np.minimum(src, dst)[:, None]
    ours = np.where(place < in_turn, place % 2 == 0, (src > dst)[:, None])
    sizes = np.where(ours, 1, -1) * rng.choice(np.array([40, 52, 60, 180, 583, 1420, 1500]), (len(src), SPLT))
    gaps = np.where(place > 0, rng.lognormal(8, 2, (len(src), SPLT)), 0).astype(np.uint32).astype(np.int64)
    there = place < total
    others = np.where(total[:, 0] > SPLT, 1 + rng.random(len(src)), 1.0)  # of the packets beyond the lists
    lengths = np.minimum(src + dst, SPLT)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    found = {
        "splt_len": pa.ListArray.from_arrays(offsets, pa.array(sizes[there].astype(np.int32))),
        "splt_iat": pa.ListArray.from_arrays(offsets, pa.array(gaps[there].astype(np.uint32))),
    }
    now = np.cumsum(gaps, axis=1)
    for side, own in (("src", there & ours), ("dst", there & ~ours)):
        last = np.maximum.accumulate(np.where(own, now, -1), axis=1)
        before = np.concatenate([np.full((len(src), 1), -1), last[:, :-1]], axis=1)
        for what, values, counted, unit in (
            ("len", np.abs(sizes), own, 1.0), ("iat", now - before, own & (before >= 0), 1e-6)
        ):  # fmt: skip
            for stat, figure in _figures(values, counted, unit).items():
                found[f"{side}_{what}_{stat}"] = pa.array((figure * others).astype(np.float32))
    return found


def _figures(values: NDArray[np.int64], counted: NDArray[np.bool_], unit: float) -> dict[str, NDArray[np.float64]]:
    """Figures of the values of each row that count; 0 where none does."""
    n = np.maximum(counted.sum(axis=1), 1)
    kept = np.where(counted, values, 0)
    mean = kept.sum(axis=1) / n
    deviation = np.sqrt(np.maximum((kept * kept).sum(axis=1) / n - mean * mean, 0.0))
    least = np.where(counted.any(axis=1), np.where(counted, values, np.iinfo(np.int64).max).min(axis=1), 0)
    return {"min": least * unit, "mean": mean * unit, "std": deviation * unit, "max": kept.max(axis=1) * unit}

"""Measures how many flow records a second go into an empty embedded store, with every column of the schema.

    python -m benchmarks.inserts [--flows 2000000] [--batch 100000] [--threads 2] [--store chdb:///path] [--writer]

With --writer they go as live rows do: through the spool on disk, with tokens, feeding the views.

The batches are synthetic but shaped like an office's traffic: mostly DNS and TLS, some plain HTTP, some scanning, few
words in the word columns, short packet lists. They are built before the clock starts. Reading is measured elsewhere.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.flows.schema import COLUMNS, SPLT, arrow_schema
from monitor.store import Writer, open_store
from monitor.store.arrow import with_run_id

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
    named = {
        "sensor": _words(np.zeros(count, np.int64), ["edge"]),
        "run_id": _words(np.zeros(count, np.int64), ["0123456789abcdef"]),
        "flow_id": pa.array(rng.integers(0, 2**63, count).astype(np.uint64)),
        "community_id": _community_ids(rng, client, server, count),
        "start": pa.array(begin).cast(pa.timestamp("us", tz="UTC")),
        "end": pa.array(begin + lasting).cast(pa.timestamp("us", tz="UTC")),
        "duration": pa.array(lasting / 1e6),
        "src_ip": _addresses(np.array([192, 168, 0, 0], np.uint8), client),
        "dst_ip": _addresses(np.array([203, 0, 0, 0], np.uint8), server),
        "src_port": pa.array(rng.integers(32768, 61000, count).astype(np.uint16)),
        "dst_port": pa.array(_PORTS[service]),
        "proto": pa.array(_PROTOS[service]),
        "direction": _words(np.zeros(count, np.int64), ["outbound"]),
        "src_packets": pa.array(packets),
        "dst_packets": pa.array(packets + rng.integers(0, 4, count).astype(np.uint64)),
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
        "splt_len": _lists(rng, packets, pa.int32()),
        "splt_iat": _lists(rng, packets, pa.uint32()),
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


def _community_ids(rng: Rng, client: NDArray[np.int64], server: NDArray[np.int64], count: int) -> pa.Array:
    """As long and as random as the real ones: 30 characters, seldom twice the same."""
    digits = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", np.uint8)
    text = np.full((count, 30), ord("="), np.uint8)
    text[:, 0:2] = np.frombuffer(b"1:", np.uint8)
    text[:, 2:29] = digits[rng.integers(0, 64, (count, 27))]
    offsets = pa.py_buffer((np.arange(count + 1, dtype=np.int32) * 30).tobytes())
    return pa.Array.from_buffers(pa.string(), count, [None, offsets, pa.py_buffer(text.tobytes())])


def _lists(rng: Rng, packets: NDArray[np.uint64], inner: pa.DataType) -> pa.Array:
    lengths = np.minimum(packets * 2, SPLT).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    if inner == pa.int32():
        values = rng.choice(np.array([40, 52, 60, 1500, -1500, -52, -180, 583, -1420], np.int32), offsets[-1])
    else:
        values = rng.lognormal(8, 2, offsets[-1]).astype(np.uint32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values, inner))


def measure(url: str, count: int, batch: int, threads: int) -> dict[str, float]:
    """Insert `count` flows as a replay from `threads` threads: flows/s, CPU seconds, bytes a flow on disk, memory."""
    ring = [office_flows(batch, seed=i, start=EPOCH + i * HOUR) for i in range(min(10, -(-count // batch)))]
    turns = -(-count // batch)
    with open_store(url) as store:
        store.begin_run("benchmark", sources=["synthetic"])
        begun, cpu = time.perf_counter(), time.process_time()
        with ThreadPoolExecutor(threads) as pool:
            rows = sum(pool.map(lambda turn: store.insert_flows(ring[turn % len(ring)]), range(turns)))
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
        begun = time.perf_counter()
        published = store.publish_flows()
        publishing = time.perf_counter() - begun
        on_disk = store.query("SELECT sum(bytes_on_disk) AS bytes FROM system.parts WHERE active AND table = 'flows'")
    if published != rows:
        raise AssertionError(f"{rows} flows inserted, {published} stored")
    return {
        "flows": rows,
        "seconds": seconds,
        "flows_per_second": rows / seconds,
        "cpu_seconds": cpu,
        "publish_seconds": publishing,
        "bytes_per_flow": on_disk["bytes"][0].as_py() / rows,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def measure_writer(url: str, count: int, batch: int, threads: int) -> dict[str, float]:
    """Hand `count` flows of now to a writer with `threads` senders until the store has them all: the same figures.

    Flows of now, since old ones would be packed harder at the first merge, an hour before their time.
    """
    now = time.time_ns() // 1000 - HOUR // 6
    made = [office_flows(batch, seed=i, start=now, span=HOUR // 6) for i in range(min(10, -(-count // batch)))]
    ring = [with_run_id(flows, "") for flows in made]
    turns = -(-count // batch)
    with tempfile.TemporaryDirectory(prefix="monitor-spool-") as spool, open_store(url) as store:
        with Writer(store, Path(spool), batch_rows=batch, senders=threads) as writer:
            begun, cpu = time.perf_counter(), time.process_time()
            for turn in range(turns):
                while writer.counts().spooled > 3 * batch:  # a sensor's queue is bounded too
                    time.sleep(0.002)
                writer.put(ring[turn % len(ring)])
            delivered = writer.flush(600)
            seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
            counts = writer.counts()
        summed = store.query("SELECT sum(flows) AS n FROM flows_by_minute")["n"][0].as_py()
        on_disk = store.query("SELECT sum(bytes_on_disk) AS bytes FROM system.parts WHERE active AND table = 'flows'")
    if not delivered or counts.written != turns * batch or summed != counts.written:
        raise AssertionError(f"{turns * batch} flows handed over, {counts.written} written, {summed} in the sums")
    return {
        "flows": counts.written,
        "seconds": seconds,
        "flows_per_second": counts.written / seconds,
        "cpu_seconds": cpu,
        "publish_seconds": 0.0,
        "bytes_per_flow": on_disk["bytes"][0].as_py() / counts.written,
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flows", type=int, default=2_000_000)
    parser.add_argument("--batch", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--store", default="none", help="default: an embedded store in a temporary folder")
    parser.add_argument("--writer", action="store_true", help="as live rows: through the writer and its spool")
    given = parser.parse_args()
    result = (measure_writer if given.writer else measure)(given.store, given.flows, given.batch, given.threads)
    print(f"{len(COLUMNS)} columns, batches of {given.batch:,}, {given.threads} threads")
    for name, value in result.items():
        print(f"{name:20} {value:,.2f}")


if __name__ == "__main__":
    main()

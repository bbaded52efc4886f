"""A network's ordinary flows, made up: three services with distributions of their own, in columns, seeded."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from flow_builder import EPOCH, columns

HOUR = 3_600_000_000


def ordinary(count: int, seed: int, *, hours: float = 24.0) -> pa.RecordBatch:
    """`count` flows over some hours, in order of time: 50 % TLS, 40 % DNS, the rest NTP and a handful of others."""
    rng = np.random.default_rng(seed)
    service = rng.choice(["tls", "dns", "ntp", "ldap", "sip"], count, p=[0.5, 0.4, 0.07, 0.02, 0.01])
    tls = service == "tls"
    sent = np.where(tls, rng.lognormal(7.5, 0.8, count), rng.normal(45, 8, count).clip(20)).astype(np.uint64)
    received = np.where(tls, rng.lognormal(9.5, 1.2, count), rng.normal(120, 40, count).clip(30)).astype(np.uint64)
    src_packets = np.where(tls, 5 + sent // 400, 1).astype(np.uint64)
    dst_packets = np.where(tls, 5 + received // 1300, 1).astype(np.uint64)
    duration = np.where(tls, rng.lognormal(1.0, 1.0, count), rng.lognormal(-4, 0.5, count))
    start = np.sort(EPOCH + (rng.random(count) * hours * HOUR).astype(np.int64))
    states = np.where(tls, rng.choice(["SF", "RSTO", "S1"], count, p=[0.9, 0.07, 0.03]), "SF")
    lengths = [
        [60, -60, 52, int(300 + 250 * share), -1400, 52] if encrypted else [74, -150]
        for encrypted, share in zip(tls, rng.random(count), strict=True)
    ]
    gaps = [[0, 20_000, 100, 2_000, 25_000, 200] if encrypted else [0, 12_000] for encrypted in tls]
    side = {
        "src_len_mean": (sent / src_packets + 40).astype(np.float32),
        "dst_len_mean": (received / dst_packets + 40).astype(np.float32),
        "src_len_max": np.where(tls, 600, sent + 28).astype(np.float32),
        "dst_len_max": np.where(tls, 1500, received + 28).astype(np.float32),
        "src_iat_mean": (duration / src_packets).astype(np.float32),
        "dst_iat_mean": (duration / dst_packets).astype(np.float32),
        "src_iat_max": (duration / 2).astype(np.float32),
        "dst_iat_max": (duration / 2).astype(np.float32),
        "src_entropy": rng.normal(6.5, 0.2, count).astype(np.float32),
        "dst_entropy": rng.normal(6.8, 0.2, count).astype(np.float32),
        "rtt": np.where(tls, rng.lognormal(-4, 0.4, count), 0).astype(np.float32),
    }
    hosts = [b"\0" * 10 + b"\xff\xff\x0a\x00\x00" + bytes([host]) for host in rng.integers(1, 40, count)]
    given = {
        "flow_id": rng.integers(0, 1 << 63, count).astype(np.uint64),
        "start": start,
        "end": start + (duration * 1e6).astype(np.int64),
        "duration": duration,
        "src_ip": hosts,
        "src_port": rng.integers(1024, 65535, count),
        "dst_port": np.where(tls, 443, np.where(service == "dns", 53, 123)),
        "proto": np.where(tls, 6, 17),
        "src_packets": src_packets,
        "dst_packets": dst_packets,
        "src_payload": sent,
        "dst_payload": received,
        "state": states.tolist(),
        "service": service.tolist(),
        "splt_len": lengths,
        "splt_iat": gaps,
        "p_value": np.ones(count),
        **side,
    }
    return columns(given)


def changed(batch: pa.RecordBatch, **values: object) -> pa.RecordBatch:
    """The batch with whole columns replaced."""
    out = batch
    for name, value in values.items():
        at = batch.schema.get_field_index(name)
        array = value if isinstance(value, pa.Array) else pa.array(value, batch.schema.field(at).type)
        out = out.set_column(at, batch.schema.field(at), array)
    return out

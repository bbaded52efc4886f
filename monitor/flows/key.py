"""The flow key: endpoints in one order for both directions, ICMP request and reply as one, and the keyed hash of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.flows.packet import ICMP, ICMP6
from monitor.jit import Integer, inlined, kernel

_K1, _K2, _32 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53), np.uint64(32)


@inlined
def mix(h: Any, value: Any) -> Any:
    """One step of a 64-bit multiply-and-shift hash (the finaliser of MurmurHash3, Appleby 2011)."""
    h = (h ^ value) * _K1
    return h ^ (h >> _32)


@inlined
def key_hash(a_hi: Any, a_lo: Any, b_hi: Any, b_lo: Any, ports: Any, seed: Any) -> Any:
    """Hash of a key in canonical order; with a secret seed it cannot be steered into collisions from outside."""
    h = mix(seed ^ a_hi, a_lo)
    h = mix(h, b_hi)
    h = mix(h, b_lo)
    h = mix(h, ports) * _K2
    return h ^ (h >> _32)


@kernel
def icmp_counterpart(proto: Integer, kind: Integer) -> Integer:
    """The type that answers an ICMP type, or that it answers; -1 for one-way messages (Community ID v1)."""
    if proto == ICMP:
        if kind == 8 or kind == 0:
            return 8 - kind
        if kind == 13 or kind == 14:
            return 27 - kind
        if kind == 15 or kind == 16:
            return 31 - kind
        if kind == 17 or kind == 18:
            return 35 - kind
        if kind == 10 or kind == 9:
            return 19 - kind
        return -1
    if 128 <= kind <= 129:
        return 257 - kind
    if 133 <= kind <= 134:
        return 267 - kind
    if 135 <= kind <= 136:
        return 271 - kind
    if 130 <= kind <= 131:
        return 261 - kind
    if 139 <= kind <= 140:
        return 279 - kind
    if 144 <= kind <= 145:
        return 289 - kind
    return -1


@inlined
def finish_key(row: Any, seed: Any) -> None:
    """Fill a decoded packet's key ports, direction, hash and duplicate digest."""
    proto = np.int64(row["proto"])
    key_src, key_dst = np.int64(row["src_port"]), np.int64(row["dst_port"])
    if proto == ICMP or proto == ICMP6:
        other = icmp_counterpart(proto, key_src)
        if other >= 0:
            key_dst = other  # who asks whom stays apart from the other way round, as in Community ID
        else:  # one-way messages: each direction is a flow of its own
            key_dst |= 0x8000
    row["key_src"] = key_src
    row["key_dst"] = key_dst
    s_hi, s_lo, d_hi, d_lo = row["src_hi"], row["src_lo"], row["dst_hi"], row["dst_lo"]
    forward = s_hi < d_hi
    if s_hi == d_hi:
        forward = s_lo < d_lo
        if s_lo == d_lo:
            forward = key_src <= key_dst
    row["forward"] = 1 if forward else 0
    ends = np.uint64(proto) << np.uint64(32)
    if forward:
        h = key_hash(s_hi, s_lo, d_hi, d_lo, ends | np.uint64(key_src << 16 | key_dst), seed)
    else:
        h = key_hash(d_hi, d_lo, s_hi, s_lo, ends | np.uint64(key_dst << 16 | key_src), seed)
    row["hash"] = h
    sizes = (np.uint64(row["ip_id"]) << np.uint64(48)) | (np.uint64(row["ip_bytes"]) << np.uint64(16))
    numbers = (np.uint64(row["seq"]) << _32) | np.uint64(row["ack"])
    d = mix(mix(mix(mix(s_hi, s_lo), d_hi), d_lo), row["digest"] | sizes)  # without the seed: the same in every run
    row["digest"] = mix(d, numbers ^ np.uint64(row["flags"]))

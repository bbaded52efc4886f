"""Builds the captures that the benchmarks read: A and B, a town's mixed traffic, and C, a flood of SYNs.

A (1 M packets) and B (5 M) replicate the sessions of `benchmarks.town`: each replica gets hosts and servers of its own,
starts at a random moment of the same twenty minutes, and all are merged in time order. Checksums (IP, TCP, UDP, ICMPv6)
are corrected incrementally (RFC 1624); addresses inside payloads (ARP, DNS answers, ICMP quotes, tunnels) stay. C is
3 M SYNs in three seconds, each from another address and port. The seed is fixed; what has been built is reused.

    python -m benchmarks.inputs [A B C]
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.town import EXTERNAL, INTERNAL, IPV6, SHARES, Session, sessions
from monitor.jit import kernel
from monitor.stack import stack_u32

RECIPE = 2
"""Raise when a change here or in `town.py` changes the captures."""
SEED = 20_260_113
PACKETS = {"A": 1_000_000, "B": 5_000_000, "C": 3_000_000}
PERIOD = 20 * 60 * 1_000_000
"""µs over which A and B are laid."""
START = 1_768_266_000 * 1_000_000
"""2026-01-13 01:00 UTC, a Tuesday morning in Japan."""
FLOOD_GAP = 1
"""µs between the SYNs of C."""
SERVICES = 256
"""Variants of the Internet's servers: replicas share them, as users share popular services."""
CHUNK = 1 << 18
_HEADER = np.array([0xA1B2C3D4, 0x00040002, 0, 0, 0x40000, 1], "<u4").tobytes()


def cache() -> Path:
    """Folder for what the benchmarks build: $MONITOR_BENCH_DIR, else build/bench of the checkout."""
    named = os.environ.get("MONITOR_BENCH_DIR")
    folder = Path(named) if named else Path(__file__).resolve().parents[1] / "build" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def capture(name: str) -> Path:
    """Path of input A, B or C, built when it is not there yet. Raises FileNotFoundError without the shared captures."""
    path = cache() / f"{name}-{RECIPE}.pcap"
    if path.exists():
        return path
    began = time.monotonic()
    aside = path.with_suffix(".part")
    packets = _flood if name == "C" else _mixture
    with aside.open("wb", buffering=0) as out:
        out.write(_HEADER)
        packets(name, out.write)
        os.fsync(out.fileno())
    aside.replace(path)
    size = path.stat().st_size
    print(f"{path.name}: {PACKETS[name]:,} packets, {size:,} bytes, {time.monotonic() - began:.0f} s", file=sys.stderr)
    return path


def cut(name: str, packets: int) -> Path:
    """Path of the first packets of input `name`, for what is too slow for all of it."""
    path = cache() / f"{name}-{RECIPE}-{packets}.pcap"
    if not path.exists():
        aside = path.with_suffix(".part")
        with capture(name).open("rb") as whole, aside.open("wb") as out:
            out.write(whole.read(len(_HEADER)))
            for _ in range(packets):
                head = whole.read(16)
                out.write(head + whole.read(int.from_bytes(head[8:12], "little")))
        aside.replace(path)
    return path


def _mixture(name: str, write: Callable[[NDArray[Any]], object]) -> None:
    """Draw sessions until each group has its share of the packets, merge the replicas by time and write them."""
    random = np.random.default_rng(SEED)
    every = sessions()
    drawn = _draw(every, PACKETS[name], random)
    base = np.cumsum([0] + [len(one.frames) for one in every])
    frames = [frame for one in every for frame in one.frames]
    captured = np.array([len(frame) for frame in frames], np.int64)
    pool = np.frombuffer(b"".join(frames), np.uint8)
    offset = np.cumsum(captured) - captured
    tables = [np.concatenate([getattr(one, field) for one in every]) for field in ("wire", "layer3", "kind", "rank")]

    inside = np.array([bool((one.kind == INTERNAL).any()) for one in every])
    replica = np.arange(len(drawn), dtype=np.uint32)
    services = random.permutation(65_536)[:SERVICES].astype(np.uint32)
    server_key = np.where(inside[drawn], services[random.integers(0, SERVICES, len(drawn))], replica + 1).astype(
        np.uint32
    )

    which = np.concatenate([np.arange(base[one], base[one + 1]) for one in drawn])
    owner = np.repeat(replica, [len(every[one].frames) for one in drawn])
    times = np.concatenate([_laid(every[one].time, random) for one in drawn])
    order = np.argsort(times, kind="stable")[: PACKETS[name]]
    for first in range(0, len(order), CHUNK):
        rows = order[first : first + CHUNK]
        out = np.empty(int((captured[which[rows]] + 16).sum()), np.uint8)
        _fill(out, pool, offset, captured, *tables, which[rows], owner[rows], times[rows], server_key)
        write(out)


def _draw(every: list[Session], packets: int, random: np.random.Generator) -> list[int]:
    """Numbers of the sessions to lay, in random order; each group's are used in turn, shuffled anew each round."""
    drawn: list[int] = []
    for group, share, _ in SHARES:
        own = [number for number, one in enumerate(every) if one.group == group]
        if not own:
            raise ValueError(f"no usable capture for the group {group}: see SHARES in benchmarks/town.py")
        left = share * packets * 1.001 + 1000
        while left > 0:
            for number in random.permutation(own):
                if left <= 0:
                    break
                drawn.append(int(number))
                left -= len(every[number].frames)
    random.shuffle(drawn)
    return drawn


def _laid(elapsed: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    """Times of a replica: scaled into the period when it is longer, begun at a random moment that lets it end."""
    span = int(elapsed[-1])
    if span > PERIOD * 0.9:
        elapsed = (elapsed * (PERIOD * 0.9 / span)).astype(np.int64)
    return START + elapsed + random.integers(0, PERIOD - int(elapsed[-1]))


@kernel
def _get16(out: NDArray[np.uint8], at: int) -> int:
    return np.int64(out[at]) << 8 | np.int64(out[at + 1])


@kernel
def _swap16(out: NDArray[np.uint8], at: int, value: int) -> int:
    """Write a 16-bit word and return what the change adds to a ones'-complement sum (RFC 1624)."""
    change = (~_get16(out, at) & 0xFFFF) + (value & 0xFFFF)
    out[at] = value >> 8 & 0xFF
    out[at + 1] = value & 0xFF
    return change


@kernel
def _mend(out: NDArray[np.uint8], at: int, change: int) -> None:
    """Correct the checksum at `at` by a change of the words that it covers."""
    total = (~_get16(out, at) & 0xFFFF) + change
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    _swap16(out, at, ~total & 0xFFFF)


@kernel
def _readdress(out, at, end, kind, rank, replica, server_key) -> None:  # type: ignore[no-untyped-def]
    """Give the IP packet at `at` its replica's addresses; `kind` and `rank` have one entry a side."""
    change = 0
    version = out[at] >> 4
    for side in range(2):
        if kind[side] == INTERNAL:
            where = at + 12 + 4 * side
            address = 10 << 24 | (np.int64(replica) & 0xFFF) << 12 | ((np.int64(rank[side]) + 1) & 0xFFF)
            change += _swap16(out, where, address >> 16) + _swap16(out, where + 2, address & 0xFFFF)
        elif kind[side] == EXTERNAL:
            where = at + 14 + 4 * side
            change += _swap16(out, where, _get16(out, where) ^ np.int64(server_key))
        elif kind[side] == IPV6:
            where = at + 18 + 16 * side
            change += _swap16(out, where, _get16(out, where) ^ ((np.int64(replica) + 1) & 0xFFFF))
    if version == 4:
        _mend(out, at + 10, change)
        if _get16(out, at + 6) & 0x1FFF:
            return
        protocol, transport = out[at + 9], at + 4 * (out[at] & 15)
    else:
        protocol, transport = out[at + 6], at + 40
    if protocol == 6 and transport + 18 <= end:
        _mend(out, transport + 16, change)
    elif protocol == 17 and transport + 8 <= end and _get16(out, transport + 6):
        _mend(out, transport + 6, change)
    elif protocol == 58 and version == 6 and transport + 4 <= end:
        _mend(out, transport + 2, change)


@kernel
def _fill(out, pool, offset, captured, wire, layer3, kind, rank, which, owner, times, server_key) -> None:  # type: ignore[no-untyped-def]
    """Write pcap records of the packets `which`, as their owners' replicas, one after the other into `out`."""
    words = stack_u32(4)
    at = 0
    for row in range(len(which)):
        packet = which[row]
        size = captured[packet]
        words[0] = times[row] // 1_000_000
        words[1] = times[row] % 1_000_000
        words[2] = size
        words[3] = wire[packet]
        for k in range(16):
            out[at + k] = words[k >> 2] >> (8 * (k & 3)) & 0xFF
        at += 16
        for k in range(size):
            out[np.uint64(at + k)] = pool[np.uint64(offset[packet] + k)]
        if layer3[packet] >= 0:
            _readdress(
                out, at + layer3[packet], at + size, kind[packet], rank[packet], owner[row], server_key[owner[row]]
            )
        at += size


_SYN = np.dtype(
    [
        *((name, "<u4") for name in ("seconds", "micros", "captured", "wire")),
        ("macs", "u1", 12),
        ("ether", ">u2"),
        *((name, ">u2") for name in ("version", "length", "ident", "fragment", "ttl", "ip_sum")),
        *((name, ">u4") for name in ("source", "target")),
        *((name, ">u2") for name in ("sport", "dport")),
        *((name, ">u4") for name in ("seq", "ack")),
        *((name, ">u2") for name in ("flags", "window", "tcp_sum", "urgent")),
        ("padding", "u1", 6),
    ]
)


def _flood(name: str, write: Callable[[NDArray[Any]], object]) -> None:
    random = np.random.default_rng(SEED)
    count = PACKETS[name]
    octets = np.setdiff1d(np.arange(1, 224), [10, 100, 127, 169, 172, 192, 198, 203])
    source = (random.choice(octets, count).astype(np.int64) << 24) | random.integers(0, 1 << 24, count)
    sport = random.integers(1024, 65_536, count)
    if len(np.unique(source << 16 | sport)) != count:
        raise ValueError("two SYNs of C share address and port; choose another seed")
    syn = np.zeros(count, _SYN)
    when = START + np.arange(count) * FLOOD_GAP
    syn["seconds"], syn["micros"] = when // 1_000_000, when % 1_000_000
    syn["captured"] = syn["wire"] = 60
    syn["macs"], syn["ether"] = np.frombuffer(bytes.fromhex("0200000000010200000000fe"), np.uint8), 0x0800
    syn["version"], syn["length"], syn["ttl"] = 0x4500, 40, 64 << 8 | 6
    syn["ident"] = random.integers(0, 65_536, count)
    syn["source"], syn["target"] = source, 203 << 24 | 113 << 8 | 10
    syn["sport"], syn["dport"], syn["seq"] = sport, 443, random.integers(0, 1 << 32, count)
    syn["flags"], syn["window"] = 0x5002, 64_240
    words = syn.view(np.uint8).reshape(count, -1)[:, 30:70].copy().view(">u2").astype(np.uint32)
    pseudo = words[:, 6:10].sum(axis=1, dtype=np.uint32) + 6 + 20
    syn["ip_sum"] = _folded(words[:, :10].sum(axis=1, dtype=np.uint32))
    syn["tcp_sum"] = _folded(words[:, 10:].sum(axis=1, dtype=np.uint32) + pseudo)
    write(syn)


def _folded(total: NDArray[np.uint32]) -> NDArray[np.uint32]:
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


if __name__ == "__main__":
    for wanted in sys.argv[1:] or PACKETS:
        print(capture(wanted))

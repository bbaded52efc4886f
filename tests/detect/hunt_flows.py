"""Flows that the cases of hunts are made of: a SYN that nobody answers, a short connection, the times of a rhythm."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

Flow = dict[str, Any]
Case = Callable[[], list[Flow]]

CLIENT, SCANNER, VICTIM = "192.168.1.10", "192.168.1.66", "192.168.2.20"
SERVER = "203.0.113.80"


def syn(src: str, dst: str, port: int, start: float, **more: Any) -> Flow:
    """A SYN that nobody answers."""
    return {
        "src_ip": src, "dst_ip": dst, "dst_port": port, "src_port": 40000 + port % 20000, "start": start,
        "duration": 0.0, "src_packets": 1, "dst_packets": 0, "src_payload": 0, "dst_payload": 0, "state": "S0",
        "history": "S", "src_flags": 2, "dst_flags": 0, **more,
    }  # fmt: skip


def call(src: str, dst: str, start: float, **more: Any) -> Flow:
    """A short TLS connection."""
    return {
        "src_ip": src, "dst_ip": dst, "dst_port": 443, "src_port": 32768 + int(start * 7) % 28000, "start": start,
        "duration": 0.4, "history": "ShADadFf", "src_flags": 27, "dst_flags": 27, "service": "tls", "src_payload": 517,
        **more,
    }  # fmt: skip


def beats(period: float, count: int, jitter: float = 0.0, missed: float = 0.0, seed: int = 1) -> Iterator[float]:
    """Times of calls every `period` seconds, each interval stretched by up to ±jitter, some left out."""
    rng = random.Random(seed)
    now = 5.0
    for _ in range(count):
        if rng.random() >= missed:
            yield round(now, 6)
        now += period * rng.uniform(1 - jitter, 1 + jitter)

"""A live sensor finds beacons with hours between their calls, which a day's look back cannot show; no look-alikes."""

from __future__ import annotations

import random
from typing import Any

from flow_builder import EPOCH, flows

from monitor.config import Settings
from monitor.detect import Event
from monitor.sensor.hunting import Hunting
from monitor.store import open_store

HOUR = 3600.0
DAYS = 15 * 24 * HOUR
NOW = EPOCH + round(DAYS * 1e6)


def call(host: str, server: str, start: float) -> dict[str, Any]:
    """A short TLS connection, `start` s after the epoch of made-up flows."""
    shape = {"duration": 0.4, "history": "ShADadFf", "src_flags": 27, "dst_flags": 27, "src_payload": 517}
    return {"src_ip": host, "dst_ip": server, "dst_port": 443, "start": start, "service": "tls", **shape}


def rhythm(host: str, server: str, period: float, jitter: float, missed: float = 0.0) -> list[dict[str, Any]]:
    """Calls of the last fifteen days, every `period` s, stretched by up to ±jitter, some left out."""
    rng = random.Random(server)
    times, time = [], DAYS - 60
    while time > 0:
        if rng.random() >= missed:
            times.append(time)
        time -= period * rng.uniform(1 - jitter, 1 + jitter)
    return [call(host, server, time) for time in reversed(times)]


def test_rhythms_of_hours_are_told_of_live_traffic() -> None:
    """Periods of 5, 6 and 24 h are told; calls at random, what ended long ago and software of many hosts are not."""
    chance = random.Random(7)
    at_random = sorted(chance.uniform(0, 15 * 24 * HOUR) for _ in range(60))
    ended = [call("10.0.0.9", "203.0.113.9", 6 * HOUR * n) for n in range(20)]
    popular = [row for n in range(3) for row in rhythm(f"10.0.1.{n}", "203.0.113.50", 8 * HOUR, 0.05)]
    rows = [
        *rhythm("10.0.0.1", "203.0.113.1", 5 * HOUR, 0.3, missed=0.2),
        *rhythm("10.0.0.2", "203.0.113.22", 6 * HOUR, 0.3),
        *rhythm("10.0.0.3", "203.0.113.33", 24 * HOUR, 0.1),
        *(call("10.0.0.4", "203.0.113.4", time) for time in at_random),
        *ended,
        *popular,
    ]
    told: list[Event] = []
    with open_store("none") as store:
        store.insert_flows(flows(*rows))
        hunting = Hunting(Settings(), lambda: store, None, told.append)
        hunting.run(NOW, None)
        regular = {event.incident.host for event in told if event.incident.detector == "beacon"}
        assert regular == {"10.0.0.1", "10.0.0.2", "10.0.0.3"}
        (reason,) = (one.incident.reasons[0] for one in told if one.incident.host == "10.0.0.3")
        assert "every 24" in reason or "every 1 d" in reason
        seen = len(told)
        hunting.run(NOW + 30_000_000, None)  # within the hour: no second look, and nothing is told anew
        assert len(told) == seen

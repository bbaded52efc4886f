"""Thresholds rise to a host's own busy hours, within bounds; not on a fresh store, not by hours of true incidents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flow_builder import EPOCH, flows
from hunt_flows import CLIENT, SCANNER, SERVER, VICTIM, Flow, call, syn
from incident_rows import incident

from monitor.detect import find_incidents, load_hunts
from monitor.handling import give_verdict
from monitor.store import Store

DAY, DAYS = 86_400.0, 4
NOW = datetime.fromtimestamp(EPOCH / 1e6, UTC) + timedelta(days=DAYS)


def sweep(hosts: int, begin: float) -> list[Flow]:
    return [syn(SCANNER, f"192.168.{2 + n // 250}.{n % 250}", 445, begin + n * 0.05) for n in range(hosts)]


def ports(count: int, begin: float) -> list[Flow]:
    return [syn(SCANNER, VICTIM, 1 + n, begin + n * 0.05) for n in range(count)]


def guesses(count: int, begin: float) -> list[Flow]:
    asked = {"dst_port": 22, "service": "ssh", "src_payload": 1800, "dst_payload": 2100}
    return [call(CLIENT, VICTIM, begin + n * 2.0 + n % 3, **asked) for n in range(count)]


def requests(count: int, begin: float, seconds: float = 9.0) -> list[Flow]:
    asked = {"dst_port": 443, "src_payload": 500, "dst_payload": 900}
    clients = [f"203.0.{n % 100}.{n % 250}" for n in range(count)]
    return [
        call(client, VICTIM, begin + n * seconds / count, src_port=1024 + n % 60_000, **asked)
        for n, client in enumerate(clients)
    ]


def found(
    store: Store, run: str, hunt: str, habit: Sequence[Flow], now: Sequence[Flow], *judged: str, **floors: int
) -> list[Any]:
    """Incidents of the hunt in the day from `NOW` on, after the habit; `judged` host's hours before were an attack."""
    store.begin_run(run)
    store.insert_flows(flows(*habit, *now))
    store.publish_flows()
    times = {"first_seen": NOW - timedelta(days=DAYS), "last_seen": NOW - timedelta(seconds=1)}
    store.insert_incidents([incident(f"{place:016x}", host=host, **times) for place, host in enumerate(judged)])
    for place in range(len(judged)):
        give_verdict(store, f"{place:016x}", "true")
    hunts = [entry for entry in load_hunts() if entry.id == hunt]
    return find_incidents(store, run, hunts=hunts, since=NOW, until=NOW + timedelta(days=1), parameters=floors)


def pings(kilobytes: int, begin: float) -> list[Flow]:
    """A tunnel in pings, so many kilobytes in all."""
    each = {"src_packets": 40, "dst_packets": 40, "src_payload": kilobytes * 500, "dst_payload": kilobytes * 500}
    sides = {"src_len_std": 60.0, "dst_len_std": 60.0, "src_bytes": kilobytes * 500, "dst_bytes": kilobytes * 500}
    ends = {"src_ip": CLIENT, "dst_ip": SERVER, "proto": 1, "src_port": 8, "dst_port": 0, "history": "Dd"}
    more = {"icmp_type": 8, "service": "icmp", "state": "OTH", "duration": 30.0, "direction": "outbound"}
    return [{**ends, **each, **sides, **more, "start": begin}]


CASES = {
    "horizontal_scan": (sweep, 60, 40, 200, SCANNER),
    "port_scan": (ports, 60, 40, 200, SCANNER),
    "brute_force": (guesses, 40, 30, 90, CLIENT),
    "icmp_tunnel": (pings, 8, 4, 20, CLIENT),
}
"""Maker, its measure in an hour of the habit, now (above the floor), now (above the bound), and whose it is."""


@pytest.mark.parametrize("hunt", CASES)
def test_a_habit_raises_the_threshold_of_its_host(store: Store, hunt: str) -> None:
    make, usual, some, many, host = CASES[hunt]
    habit = [row for day in range(DAYS) for row in make(usual, day * DAY + 3600)]
    now = DAYS * DAY + 3600
    assert found(store, f"{hunt}-fresh", hunt, (), make(some, now)), "a fresh store keeps to the floor"
    assert found(store, f"{hunt}-two-days", hunt, habit[2 * usual :], make(some, now))
    assert not found(store, f"{hunt}-habit", hunt, habit, make(some, now))
    assert found(store, f"{hunt}-more", hunt, habit, make(many, now)), "more than the habit"
    assert found(store, f"{hunt}-true", hunt, habit, make(some, now), host), "an attack is no habit"
    vast = [row for day in range(DAYS) for row in make(40 * usual, day * DAY + 3600)]
    assert found(store, f"{hunt}-bound", hunt, vast, make(many, now)), "no habit hides what is tenfold the floor"


def test_a_busy_servers_rush_is_no_flood(store: Store) -> None:
    """At a floor of 60 in ten seconds 70 requests are a flood; 83 is five times what a busy hour of 6,000 has."""
    now, floor = DAYS * DAY + 3600, {"min_requests": 60}
    quiet = [row for day in range(1, DAYS) for row in requests(500, day * DAY, 3600.0)]
    busy = [row for day in range(1, DAYS) for row in requests(6_000, day * DAY, 3600.0)]
    assert found(store, "flood-quiet", "flood", quiet, requests(70, now), **floor)
    assert not found(store, "flood-busy", "flood", busy, requests(70, now), **floor)
    assert found(store, "flood-more", "flood", busy, requests(150, now), **floor)
    vast = [row for day in range(1, DAYS) for row in requests(20_000, day * DAY, 3600.0)]
    assert not found(store, "flood-used", "flood", vast, requests(270, now), **floor)
    assert found(store, "flood-taught", "flood", vast * 3, requests(610, now), **floor), "no attack teaches silence"


def test_a_connection_to_a_peer_known_for_days_must_last_longer(store: Store) -> None:
    def kept(hours: float, begin: float) -> list[Flow]:
        return [call(CLIENT, SERVER, begin, duration=hours * 3600, dst_port=4433, src_payload=5000, dst_payload=9000)]

    habit = [row for day in range(DAYS) for row in kept(0.1, day * DAY)]
    now = DAYS * DAY + 3600
    assert found(store, "long-new", "long_connection", (), kept(4, now))
    assert found(store, "long-two-days", "long_connection", habit[2:], kept(4, now))
    assert not found(store, "long-known", "long_connection", habit, kept(4, now))
    assert found(store, "long-more", "long_connection", habit, kept(9, now))

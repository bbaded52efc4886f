"""Which incident tells of which attack."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from monitor.evaluation.matching import Truth, involves, match, right_peer, same_behaviour, tells_of

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def truth(behaviour: str = "port_scan", host: str = "10.0.0.9", peer: str = "10.0.1.0/24") -> Truth:
    return Truth("x", "scan", behaviour, frozenset({host}), (ip_network(peer),), NOON, NOON + timedelta(minutes=10))


def incident(host: str, peer: str = "10.0.1.7", after: float = 60, length: float = 60) -> Mapping[str, Any]:
    first = NOON + timedelta(seconds=after)
    return {
        "detector": "port_scan",
        "host": host,
        "peer": peer,
        "first_seen": first,
        "last_seen": first + timedelta(seconds=length),
    }


def test_the_scanner_is_the_right_host_and_its_victim_is_not() -> None:
    assert tells_of(incident("10.0.0.9"), truth())
    assert not tells_of(incident("10.0.1.7", "10.0.0.9"), truth())


@pytest.mark.parametrize(("after", "told"), [(-7200, False), (-90, True), (599, True), (659, True), (700, False)])
def test_the_times_must_overlap(after: float, told: bool) -> None:
    assert tells_of(incident("10.0.0.9", after=after), truth()) is told


def test_an_incident_about_the_victim_is_neither_right_nor_false() -> None:
    about_victim = incident("10.0.1.7", "10.0.0.9")
    assert involves(about_victim, truth())
    assert not involves(incident("10.0.2.7", "203.0.113.1"), truth())
    assert not involves(incident("10.0.1.7", "10.0.0.9", after=-7200), truth())


def test_a_peer_is_right_within_the_networks_of_the_label() -> None:
    assert right_peer(incident("10.0.0.9"), truth())
    assert not right_peer(incident("10.0.0.9", "10.0.2.7"), truth())
    assert not right_peer(incident("10.0.0.9", "2001:db8::1"), truth())


@pytest.mark.parametrize(
    ("detector", "behaviour", "same"),
    [
        ("port_scan", "port_scan", True),
        ("port_scan", "slow_scan", True),
        ("port_scan", "scan", True),
        ("beacon", "c2", True),
        ("beacon", "port_scan", False),
        ("anomaly", "c2", False),
        ("beacon", "vpn", False),
    ],
)
def test_behaviour(detector: str, behaviour: str, same: bool) -> None:
    assert same_behaviour(detector, truth(behaviour)) is same


def test_found_and_named_are_told_apart() -> None:
    odd = {**incident("10.0.0.9"), "detector": "anomaly"}
    (only_odd,) = match([truth()], [odd])
    (both,) = match([truth()], [odd, incident("10.0.0.9")])
    (none,) = match([truth()], [incident("10.0.5.5", "10.0.5.6")])
    assert (only_odd.found, only_odd.named) == (True, False)
    assert (both.found, both.named) == (True, True)
    assert (none.found, none.named) == (False, False)

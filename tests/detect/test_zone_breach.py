"""A flow between zones is a critical incident unless a conduit allows it: each way, answered or not, IPv4 and IPv6."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from flow_builder import flows

from monitor.config import Conduit, Settings
from monitor.detect import Incident, conduits_text, find_incidents, load_hunts
from monitor.store import Store

ZONES = {
    "mynumber": ["10.1.0.0/16", "fd00:1::/32"],
    "lgwan": ["10.2.0.0/16", "fd00:2::/32"],
    "segment": ["10.3.0.0/16", "fd00:3::/32"],
}
CONDUITS = [
    {"from": "segment", "to": "internet"},
    {"from": "lgwan", "to": "internet", "via": ["10.2.0.10/32", "fd00:2::10/128"], "ports": [443, 53]},
    {"from": "lgwan", "to": "segment", "via": ["10.2.0.10/32"], "reason": "sanitised files"},
]
GATEWAY, GATEWAY6 = "10.2.0.10", "fd00:2::10"
_runs = itertools.count()


def zone(address: str) -> str:
    """Zone of an address as the product gives it (tested in tests/flows/test_zones.py)."""
    parsed = ip_address(address)
    for name, networks in ZONES.items():
        if any(parsed in ip_network(net) for net in networks if ip_network(net).version == parsed.version):
            return name
    home = parsed.is_private or parsed.is_multicast or parsed.is_link_local
    return "home" if home and not str(parsed).startswith(("203.0.113.", "2001:db8:")) else "internet"


def flow(src: str, dst: str, port: int = 443, start: float = 0.0, **more: Any) -> dict[str, Any]:
    """An answered TCP connection."""
    return {
        "src_ip": src, "dst_ip": dst, "src_port": 40000, "dst_port": port, "start": start, "duration": 1.0,
        "src_zone": zone(src), "dst_zone": zone(dst), "history": "ShADadFf", "src_bytes": 900, "dst_bytes": 5_000,
        "src_packets": 5, "dst_packets": 6, **more,
    }  # fmt: skip


SILENT = {"history": "S", "dst_packets": 0, "dst_bytes": 0}
UDP = {"proto": 17, "history": "Dd"}


def breaches(
    store: Store, *rows: Mapping[str, Any], conduits: Sequence[Mapping[str, Any]] = CONDUITS
) -> list[Incident]:
    settings = Settings.model_validate({"zones": ZONES, "conduits": conduits})
    run = f"zones-{next(_runs)}"
    store.begin_run(run)
    store.insert_flows(flows(*rows))
    store.publish_flows()
    hunts = [hunt for hunt in load_hunts() if hunt.id == "zone_breach"]
    allowed = {"conduits": conduits_text(settings.conduits)}
    return find_incidents(store, run, p_cut=0, hunts=hunts, parameters=allowed)


@pytest.mark.parametrize("more", [{}, SILENT], ids=["answered", "silent"])
@pytest.mark.parametrize(
    ("src", "dst", "host"),
    [
        ("10.1.0.5", "203.0.113.9", "10.1.0.5"),  # My Number to the Internet
        ("203.0.113.9", "10.1.0.5", "10.1.0.5"),  # and from it
        ("10.1.0.5", "10.2.0.5", "10.1.0.5"),
        ("10.2.0.5", "10.1.0.5", "10.2.0.5"),
        ("10.1.0.5", "10.2.0.10", "10.1.0.5"),  # the gateway is no way for My Number
        ("10.2.0.5", "203.0.113.9", "10.2.0.5"),  # LGWAN past the gateway
        ("203.0.113.9", "10.2.0.10", "10.2.0.10"),  # the Internet opens towards the gateway
        ("10.3.0.5", "10.2.0.10", "10.3.0.5"),  # a conduit is one way
        ("203.0.113.9", "10.3.0.5", "10.3.0.5"),
        ("192.168.9.9", "10.1.0.5", "192.168.9.9"),  # a network that nobody listed
        ("10.1.0.5", "192.168.9.9", "10.1.0.5"),
        ("fd00:1::5", "2001:db8:77::1", "fd00:1::5"),
        ("2001:db8:77::1", "fd00:1::5", "fd00:1::5"),
        ("fd00:2::5", "2001:db8:77::1", "fd00:2::5"),
        ("fd00:2::10", "fd00:3::5", "fd00:2::10"),  # `via` names the gateway's IPv4 address only
    ],
)
def test_a_flow_without_a_conduit_is_a_breach(
    store: Store, src: str, dst: str, host: str, more: Mapping[str, Any]
) -> None:
    (found,) = breaches(store, flow(src, dst, **more))
    assert (found.detector, found.severity, found.host, found.flows) == ("zone_breach", "critical", host, 1)
    assert {found.host, found.peer} == {src, dst}
    assert f"from zone {zone(src)} to zone {zone(dst)}" in found.reasons[0]
    assert f"opened by {src}" in found.reasons[0]
    assert (f"tcp port 443 of {dst}") in found.reasons[1]
    assert ("none was answered" in found.reasons[2]) == bool(more)
    assert found.community_ids


@pytest.mark.parametrize(
    "row",
    [
        flow("10.3.0.5", "203.0.113.9", 8080),
        flow("fd00:3::5", "2001:db8:77::1"),
        flow(GATEWAY, "203.0.113.9"),
        flow(GATEWAY, "203.0.113.9", 53, **UDP),
        flow(GATEWAY6, "2001:db8:77::1"),
        flow(GATEWAY, "10.3.0.5", 445),
        flow(GATEWAY, "203.0.113.9", **SILENT),
        flow("10.1.0.5", "10.1.77.5"),
        flow("192.168.9.9", "203.0.113.9"),  # neither end is in a listed zone
        flow("10.1.0.5", "224.0.0.251", 5353, **UDP),
        flow("fd00:1::5", "ff02::fb", 5353, **UDP),
        flow("10.1.0.5", "255.255.255.255", 67, **UDP),
        flow("0.0.0.0", "10.1.0.1", 67, **UDP),
        flow("fe80::1", "fd00:1::5", 546, **UDP),
        flow("10.1.0.5", "169.254.0.1", 137, **UDP),
        # answers to what a conduit allows, its beginning not seen
        flow("203.0.113.9", GATEWAY, 40000, src_port=443, history="DadA"),
        flow("203.0.113.9", GATEWAY, 40000, src_port=53, **UDP),
        flow("203.0.113.9", "10.3.0.5", 0, proto=1, icmp_type=3, src_port=3, history="", dst_packets=0),
        flow("2001:db8:77::1", "fd00:3::5", 0, proto=58, icmp_type=1, src_port=1, history="", dst_packets=0),
        flow("203.0.113.9", GATEWAY, 0, proto=1, icmp_type=11, src_port=11, history="", dst_packets=0),
    ],
    ids=lambda row: f"{row['src_ip']}-{row['dst_ip']}-{row['dst_port']}",
)
def test_what_a_conduit_allows_is_none(store: Store, row: Mapping[str, Any]) -> None:
    assert breaches(store, row) == []


@pytest.mark.parametrize(
    "row",
    [
        flow(GATEWAY, "203.0.113.9", 22),  # not on the conduit's ports
        flow(GATEWAY6, "2001:db8:77::1", 80, **SILENT),
        flow("10.2.0.11", "203.0.113.9"),  # the address beside the gateway's
        flow("203.0.113.9", GATEWAY, 40000, src_port=443, **SILENT),  # a SYN from port 443 answers nothing
        flow("203.0.113.9", GATEWAY, 40000, src_port=22, history="DadA"),
        flow("203.0.113.9", "10.2.0.11", 40000, src_port=443, history="DadA"),
        flow("203.0.113.9", "10.3.0.5", 161, src_port=50000, **UDP),
        flow("203.0.113.9", "10.3.0.5", 0, proto=1, icmp_type=8, src_port=8, history=""),
        flow("203.0.113.9", "10.1.0.5", 0, proto=1, icmp_type=3, src_port=3, history="", dst_packets=0),
        flow("10.1.0.5", "203.0.113.9", 0, proto=47, src_port=0, history=""),
    ],
    ids=lambda row: f"{row['src_ip']}-{row['dst_ip']}-{row['dst_port']}",
)
def test_what_only_looks_like_a_conduit_is_a_breach(store: Store, row: Mapping[str, Any]) -> None:
    (found,) = breaches(store, row)
    assert found.severity == "critical"


def test_without_zones_nothing_is_a_breach(store: Store) -> None:
    rows = [{**flow("10.1.0.5", "203.0.113.9"), "src_zone": "home", "dst_zone": "internet"}]
    assert breaches(store, *rows, conduits=[]) == []


def test_breaches_of_a_host_are_one_incident_until_it_pauses(store: Store) -> None:
    rows = [flow("10.1.0.5", f"203.0.113.{n}", start=n * 60.0, **SILENT) for n in range(1, 8)]
    rows += [flow("10.1.0.5", "10.2.0.5", start=500.0), flow("10.1.0.5", "203.0.113.9", start=9000.0)]
    first, later = sorted(breaches(store, *rows), key=lambda found: found.first_seen)
    assert (first.flows, later.flows) == (8, 1)
    assert first.peer == "203.0.113.1"
    assert first.last_seen - first.first_seen == timedelta(seconds=441)
    assert first.reasons[0].startswith("7 flows from zone mynumber to zone internet")
    assert first.reasons[2:] == (
        "1 of 8 flows was answered: 7.2 kB sent, 5 kB back",
        "7 other hosts on the far side",
        "also mynumber → lgwan",
    )


def test_a_conduit_within_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="both ends of this one are 'lgwan'"):
        Conduit.model_validate({"from": "lgwan", "to": "lgwan"})

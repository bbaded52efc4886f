"""Zones and directions: which way a flow goes decides what the hunts and the conduits make of it."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from packets import START, batch, udp

from monitor.flows import FlowMeter, Zones
from monitor.flows.zones import HOME_NETWORKS
from monitor.settings import FlowSettings

NUMBERS = {
    "mynumber": ["10.1.0.0/16", "fd00:1::/32"],
    "lgwan": ["10.2.0.0/16", "10.1.99.0/24"],
    "gateway": ["10.2.0.10/32"],
    "branch": ["203.0.113.0/25", "2001:db8:77::/48"],
}


def zoned(src: str, dst: str, home: tuple[str, ...] = ("203.0.113.0/24",)) -> tuple[str, str, str]:
    """(zone, zone, direction) of a flow from `src` to `dst`."""
    named = {name: [ip_network(network) for network in networks] for name, networks in NUMBERS.items()}
    zones = Zones(named, [ip_network(network) for network in home])
    (records,) = FlowMeter(FlowSettings(), zones=zones).records([batch([(START, udp(src, dst, 5000, 53))])])
    (flow,) = records.to_pylist()
    return flow["src_zone"], flow["dst_zone"], flow["direction"]


@pytest.mark.parametrize(
    ("src", "dst", "expected"),
    [
        ("10.1.2.3", "8.8.8.8", ("mynumber", "internet", "outbound")),
        ("8.8.8.8", "10.1.2.3", ("internet", "mynumber", "inbound")),
        ("10.1.2.3", "10.2.2.3", ("mynumber", "lgwan", "internal")),
        ("8.8.8.8", "9.9.9.9", ("internet", "internet", "external")),
        ("10.3.0.1", "192.168.1.1", ("home", "home", "internal")),
        ("10.2.0.10", "10.2.0.11", ("gateway", "lgwan", "internal")),
        ("10.2.0.9", "10.2.0.10", ("lgwan", "gateway", "internal")),
        ("10.1.99.1", "10.1.98.255", ("lgwan", "mynumber", "internal")),
        ("10.0.255.255", "10.1.0.0", ("home", "mynumber", "internal")),
        ("10.1.255.255", "10.2.255.255", ("mynumber", "lgwan", "internal")),
        ("10.3.0.0", "8.8.8.8", ("home", "internet", "outbound")),
        ("fd00:1::5", "2606:4700::1", ("mynumber", "internet", "outbound")),
        ("fd00:2::5", "fd00:1:ffff:ffff:ffff:ffff:ffff:ffff", ("home", "mynumber", "internal")),
        ("203.0.113.5", "203.0.113.200", ("branch", "home", "internal")),
        ("203.0.114.1", "203.0.113.127", ("internet", "branch", "inbound")),
        ("2001:db8:77::1", "2001:db8:78::1", ("branch", "internet", "external")),
    ],
)
def test_zone_of_both_ends(src: str, dst: str, expected: tuple[str, str, str]) -> None:
    """The most particular network names the zone; a named zone outside the home networks is still outside."""
    assert zoned(src, dst) == expected


@pytest.mark.parametrize("network", HOME_NETWORKS)
def test_first_and_last_address_of_home(network: str) -> None:
    """One address too few, and a whole segment's uploads would not be outbound."""
    block = ip_network(network)
    other = "8.8.8.8" if block.version == 4 else "2606:4700::1"
    for inside in {block[0], block[-1]}:
        assert zoned(other, str(inside))[2] == "inbound", inside
    for number in (int(block[0]) - 1, int(block[-1]) + 1):
        if 0 <= number < 2**block.max_prefixlen:
            outside = type(block[0])(number)
            at_home = any(
                outside in ip_network(home) for home in HOME_NETWORKS if ip_network(home).version == block.version
            )
            assert (zoned(other, str(outside))[2] == "inbound") == at_home, outside


def test_without_settings_there_is_home_and_internet() -> None:
    (records,) = FlowMeter(FlowSettings()).records(
        [batch([(START, udp("10.0.0.1", "8.8.8.8", 1, 53)), (START, udp("8.8.4.4", "10.0.0.1", 53, 2))])]
    )
    found = {(flow["src_zone"], flow["dst_zone"], flow["direction"]) for flow in records.to_pylist()}
    assert found == {("home", "internet", "outbound"), ("internet", "home", "inbound")}


def test_public_prefixes_of_the_segment_are_home() -> None:
    """Without it every reply to a public address of the town would be an attack from outside."""
    assert zoned("198.51.100.1", "8.8.8.8", home=("198.51.100.0/24",)) == ("home", "internet", "outbound")
    assert zoned("198.51.100.1", "8.8.8.8", home=()) == ("internet", "internet", "external")
    assert int(ip_address("::ffff:198.51.100.1")) >> 32 == 0xFFFF

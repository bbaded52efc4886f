"""Which incidents tell of which attack: the right host at the right time; whether the behaviour is right is told apart.

Whom an incident should name is written in the labels (DESIGN: scans name the scanner, floods the victim, all else the
inside client).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

SLACK = timedelta(seconds=60)
"""Flows begin before what is true of them, and clocks of labels are rounded."""

_CONTROL = (
    "beacon connection_beacon long_connection odd_port rare_peer web_callback program_download throwaway_name "
    "odd_certificate"
)
"""How malware is brought in and keeps in touch."""

_CLASSES: dict[str, str] = {
    "scan": "port_scan horizontal_scan slow_scan udp_scan icmp_sweep udp_sweep",
    "bruteforce": "brute_force password_spraying kerberos_spraying lateral_movement",
    "dos": "flood syn_flood udp_flood icmp_flood http_flood slow_http amplification",
    "c2": f"{_CONTROL} dns_tunnel icmp_tunnel remote_access",
    "malware": f"{_CONTROL} horizontal_scan port_scan lateral_movement dga upload p2p direct_mail",
    "dnstunnel": "dns_tunnel",
    "exfil": "upload dns_tunnel cleartext_login odd_port",
    "icmptunnel": "icmp_tunnel",
    "p2p_vpn_tor": "vpn tor p2p mining remote_access odd_port odd_certificate",
    "dga": "dga beacon throwaway_name",
}
"""What a hunt may call an attack of which the labels know only the class; words between spaces."""

_ALIKE: tuple[frozenset[str], ...] = tuple(
    frozenset(names.split())
    for names in (
        "port_scan vertical_scan slow_scan udp_scan",
        "horizontal_scan udp_sweep",
        "icmp_sweep horizontal_scan ping_sweep",
        "brute_force password_spraying",
        "flood syn_flood",
        "flood udp_flood amplification",
        "flood icmp_flood",
        "flood http_flood slow_http",
        "lateral_movement horizontal_scan port_scan",
        "dga generated_domains",
        "vpn unauthorised_vpn remote_access",
        "cleartext_login clear_text_login",
        "odd_port protocol_on_odd_port",
        "upload exfiltration",
    )
)
"""Behaviours that one hunt may find in the other's stead: one name of a set is as right as another."""


@dataclass(frozen=True, slots=True)
class Truth:
    """One attack as it lies in a run."""

    name: str
    """Capture and number of the attack."""
    kind: str
    behaviour: str
    hosts: frozenset[str]
    peers: tuple[IPv4Network | IPv6Network, ...]
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Match:
    """What became of one attack."""

    truth: Truth
    incidents: tuple[Mapping[str, Any], ...]
    """Those with the right host at the right time, in the order given."""

    @property
    def found(self) -> bool:
        return bool(self.incidents)

    @property
    def named(self) -> bool:
        """Whether one of them also says what it is."""
        return any(same_behaviour(str(one["detector"]), self.truth) for one in self.incidents)


def match(truths: Sequence[Truth], incidents: Sequence[Mapping[str, Any]]) -> list[Match]:
    """Each attack with the incidents that tell of it."""
    return [Match(truth, tuple(one for one in incidents if tells_of(one, truth))) for truth in truths]


def tells_of(incident: Mapping[str, Any], truth: Truth) -> bool:
    """Whether the incident names a right host, and the two overlap in time."""
    return (
        incident["host"] in truth.hosts
        and incident["first_seen"] <= truth.end + SLACK
        and incident["last_seen"] >= truth.start - SLACK
    )


def involves(incident: Mapping[str, Any], truth: Truth) -> bool:
    """Whether the incident has to do with the attack at all: at the time, either end of it is an end of the attack.

    Such an incident is not held against the detector as false: a scan's victim does answer oddly.
    """
    if not (incident["first_seen"] <= truth.end + SLACK and incident["last_seen"] >= truth.start - SLACK):
        return False
    ends = {str(incident["host"]), str(incident["peer"])}
    return bool(ends & truth.hosts) or any(_within(end, truth.peers) for end in ends)


def right_peer(incident: Mapping[str, Any], truth: Truth) -> bool:
    """Whether the other end is one of the attack's; True when these are not known."""
    return not truth.peers or _within(str(incident["peer"]), truth.peers)


def same_behaviour(detector: str, truth: Truth) -> bool:
    """Whether a detector's name speaks of the attack's behaviour or, where labels know only that, of its class."""
    if detector == truth.behaviour or detector in _CLASSES.get(truth.behaviour, "").split():
        return True
    return any({detector, truth.behaviour} <= names for names in _ALIKE)


def _within(address: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in networks if network.version == found.version)

"""Which zone an address lies in, and whether a flow goes out, comes in, stays inside or only passes by.

Home is RFC 1918, ULA and what monitor.toml adds; loopback, link-local, multicast and broadcast never leave the link and
count as home. Whether a flow between zones is allowed is not decided here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

import numpy as np

from monitor.jit import Integer, inlined, kernel

HOME_NETWORKS: tuple[str, ...] = (
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7",  # RFC 1918, RFC 4193
    "127.0.0.0/8", "::1/128", "169.254.0.0/16", "fe80::/10",  # loopback, link-local
    "224.0.0.0/4", "255.255.255.255/32", "ff00::/8", "0.0.0.0/32", "::/128",  # groups, and hosts without an address
)  # fmt: skip
"""Networks that are always home."""

DIRECTIONS: tuple[str, ...] = ("external", "inbound", "outbound", "internal")
"""Words of the `direction` column: 2 when the initiator is at home, plus 1 when the responder is."""

INTERNET, HOME = "internet", "home"
"""Zones of addresses that no list names, outside and inside the home networks."""

_RANGE = np.dtype(
    [("low_hi", "u8"), ("low_lo", "u8"), ("high_hi", "u8"), ("high_lo", "u8"), ("zone", "i4")], align=True
)


class Zones:
    """The operator's zones and home networks as sorted ranges for the kernel."""

    def __init__(
        self,
        zones: Mapping[str, Sequence[IPv4Network | IPv6Network]],
        home: Sequence[IPv4Network | IPv6Network],
    ) -> None:
        self.names: tuple[str, ...] = (INTERNET, HOME, *zones)
        named = [(network, 2 + i) for i, networks in enumerate(zones.values()) for network in networks]
        homes = [(network, 1) for network in (*map(ip_network, HOME_NETWORKS), *home)]
        self.ranges = _ranges(named)
        self.home = _ranges(homes)


def _ranges(networks: Sequence[tuple[IPv4Network | IPv6Network, int]]) -> np.ndarray[Any, Any]:
    """Longest prefix first, so that the first hit is the most particular network."""
    out = np.zeros(len(networks), _RANGE)
    mapped = 0xFFFF << 32
    rows = []
    for network, zone in networks:
        offset, width = (mapped, 96) if network.version == 4 else (0, 0)
        low, high = offset + int(network.network_address), offset + int(network.broadcast_address)
        rows.append((-(network.prefixlen + width), low, high, zone))
    for entry, (_, low, high, zone) in zip(out, sorted(rows), strict=True):
        mask = (1 << 64) - 1
        entry["low_hi"], entry["low_lo"] = low >> 64, low & mask
        entry["high_hi"], entry["high_lo"] = high >> 64, high & mask
        entry["zone"] = zone
    return out


@inlined
def _within(hi: Any, lo: Any, entry: Any) -> bool:
    above = hi > entry["low_hi"] or (hi == entry["low_hi"] and lo >= entry["low_lo"])
    below = hi < entry["high_hi"] or (hi == entry["high_hi"] and lo <= entry["high_lo"])
    return above and below


@kernel
def at_home(hi: Any, lo: Any, home: Any) -> bool:
    """Whether the address lies in a home network."""
    for i in range(len(home)):
        if _within(hi, lo, home[i]):
            return True
    return False


@kernel
def zone_of(hi: Any, lo: Any, ranges: Any, home: bool) -> Integer:
    """Index of the address's zone: a named one, else 1 at home and 0 outside."""
    for i in range(len(ranges)):
        if _within(hi, lo, ranges[i]):
            return np.int64(ranges[i]["zone"])
    return 1 if home else 0

"""Writes the conduits of monitor.toml in the form that the hunt `zone_breach` reads.

Zones are given to flows in `flows`; what is a breach is decided in the hunt's SQL.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from typing import Protocol

MAPPED = 0xFFFF << 32
"""::ffff:0:0/96, where IPv4 addresses are stored (RFC 4291, 2.5.5.2)."""


class Conduit(Protocol):
    """What is needed of a conduit in the settings."""

    @property
    def src(self) -> str:
        """Zone that opens the connection."""

    @property
    def dst(self) -> str:
        """Zone that answers."""

    @property
    def via(self) -> Sequence[IPv4Network | IPv6Network]:
        """Hosts at either end; empty: all."""

    @property
    def ports(self) -> Sequence[int]:
        """Ports of the responder; empty: all."""


def conduits_text(conduits: Sequence[Conduit]) -> str:
    """JSON array of the conduits, each network as its first and last address in IPv6."""
    return json.dumps(
        [
            {"src": entry.src, "dst": entry.dst, "via": [*map(_range, entry.via)], "ports": [*entry.ports]}
            for entry in conduits
        ]
    )


def _range(network: IPv4Network | IPv6Network) -> dict[str, str]:
    offset = MAPPED if network.version == 4 else 0
    first, last = int(network.network_address), int(network.broadcast_address)
    return {"low": str(IPv6Address(offset + first)), "high": str(IPv6Address(offset + last))}

"""Suppressions: what people know to be harmless, hidden from them until a date, with a reason and an owner.

A suppression hides; it deletes nothing. Where it is kept is up to the store; when it is asked, to others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Protocol

SCOPES: tuple[str, ...] = ("detector", "host", "peer", "name", "port", "ja4")
"""What a suppression may ask of an incident; all that it asks must hold."""


class Described(Protocol):
    """What is asked about: an incident, or a row of `current_incidents`."""

    def __getitem__(self, name: str, /) -> Any:
        """The field of that name."""


@dataclass(frozen=True, slots=True)
class Suppression:
    """Hides incidents that it matches, until it expires."""

    expires: datetime
    """Event time; an incident that is still seen then is shown."""
    reason: str
    owner: str
    detector: str = ""
    host: str = ""
    """Address or network."""
    peer: str = ""
    """Address or network."""
    name: str = ""
    """Domain, which covers what is below it."""
    port: int = 0
    ja4: str = ""
    suppression_id: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError when it asks for nothing, names no reason or owner, or a network that is none."""
        if not any(getattr(self, scope) for scope in SCOPES):
            raise ValueError(f"a suppression of everything is none: give one of {', '.join(SCOPES)}")
        for needed in ("reason", "owner"):
            if not getattr(self, needed).strip():
                raise ValueError(f"a suppression needs its {needed}")
        if self.expires.tzinfo is None:
            raise ValueError("the time of expiry needs a zone")
        for end in ("host", "peer"):
            if getattr(self, end):
                object.__setattr__(self, end, _network_text(end, getattr(self, end)))
        object.__setattr__(self, "name", self.name.lower().strip(".").removeprefix("*."))
        if not self.suppression_id:
            object.__setattr__(self, "suppression_id", self._digest())

    def _digest(self) -> str:
        asked = [str(getattr(self, scope)) for scope in SCOPES]
        text = "\0".join([*asked, self.expires.isoformat(), self.reason, self.owner])
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()

    def hides(self, incident: Described) -> bool:
        """Whether the incident is hidden: all that is asked holds, for all of its flows, until after it was last seen.

        A critical one is hidden only by a suppression that names its detector: who hides a chatty host does not mean
        a breach of the zones.
        """
        if incident["last_seen"] >= self.expires or (incident["severity"] == "critical" and not self.detector):
            return False
        return (
            self.detector in ("", incident["detector"])
            and _within(incident["host"], self.host)
            and _within(incident["peer"], self.peer)
            and (not self.name or _all(incident["names"], self._covers))
            and (not self.port or _all(incident["ports"], lambda port: port == self.port))
            and (not self.ja4 or _all(incident["ja4"], lambda ja4: ja4 == self.ja4))
        )

    def _covers(self, name: str) -> bool:
        plain = name.lower().rstrip(".")
        return plain == self.name or plain.endswith(f".{self.name}")


def hidden_by(incident: Described, suppressions: Iterable[Suppression]) -> str:
    """Id of the first suppression that hides the incident; empty when none does."""
    return next((one.suppression_id for one in suppressions if one.hides(incident)), "")


def in_force(rows: Iterable[Mapping[str, Any]]) -> list[Suppression]:
    """Suppressions in the store's log that were not ended, expired ones among them."""
    latest: dict[str, Mapping[str, Any]] = {}
    for row in sorted(rows, key=lambda row: row["recorded"]):
        latest[row["suppression_id"]] = row
    latest = {name: row for name, row in latest.items() if row["event"] != "ended"}
    names = (*SCOPES, "expires", "reason", "owner", "suppression_id")
    return [Suppression(**{name: row[name] for name in names}) for row in latest.values()]


def _all(values: Iterable[Any], holds: Any) -> bool:
    """Whether it holds for every value, and there is one."""
    listed = list(values or ())
    return bool(listed) and all(map(holds, listed))


def _network_text(end: str, text: str) -> str:
    try:
        network = ip_network(text)
    except ValueError as error:
        raise ValueError(f"{end} {text!r} is no address or network such as 10.1.0.7 or 10.1.0.0/16") from error
    return str(network.network_address) if network.num_addresses == 1 else str(network)


@lru_cache(maxsize=1024)
def _parsed(network: str) -> IPv4Network | IPv6Network:
    return ip_network(network)


def _within(address: str, network: str) -> bool:
    if not network:
        return True
    try:
        return ip_address(address) in _parsed(network)
    except ValueError:
        return False

"""Says which packets are wanted: of a flow, a host, an incident, a time, a filter; and finds them in a batch.

What an incident's packets are is decided here; decoding and matching are kernels of `flows` and `capture`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from monitor.errors import UsageError
from monitor.event_time import microseconds

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    import numpy as np
    from numpy.typing import NDArray

    from monitor.capture import PacketBatch
    from monitor.flows import PacketSelector

AROUND = timedelta(seconds=60)
"""What is kept before and after an incident's first and last flow."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which packets: of any of the flows, or between any of the ends; and within the times, and passing the filter."""

    flows: tuple[str, ...] = ()
    """Community IDs."""
    hosts: tuple[tuple[str, str], ...] = ()
    """Host and peer, each an address or a network; no peer: \"\"."""
    since: datetime | None = None
    until: datetime | None = None
    """Event time, UTC; the second is excluded."""
    expression: str = ""
    """Packet filter in tcpdump's words."""
    incident: str = ""
    """Id of the incident that they are about."""

    def __str__(self) -> str:
        """The choice in words, for the file's comment."""
        named = [f"flow {flow}" for flow in self.flows]
        named += [f"host {host}" + (f" peer {peer}" if peer else "") for host, peer in self.hosts]
        said = [" or ".join(named)] if named else []
        said += [f"since {self.since:%Y-%m-%dT%H:%M:%S.%fZ}"] if self.since else []
        said += [f"until {self.until:%Y-%m-%dT%H:%M:%S.%fZ}"] if self.until else []
        said += [f"filter {self.expression}"] if self.expression else []
        return "; ".join(said)


def incident_packets(incident: dict[str, Any]) -> Wanted:
    """The packets of an incident: its named flows and all between its host and peer, a minute around it included."""
    host, peer = incident["host"], incident["peer"]
    return Wanted(
        flows=tuple(incident["community_ids"]),
        hosts=((host, peer),) if peer or not incident["community_ids"] else (),
        since=incident["first_seen"] - AROUND,
        until=incident["last_seen"] + AROUND,
        incident=incident["incident_id"],
    )


class Chooser:
    """Says of each batch which of its packets are wanted. Raises UsageError, also when called."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._selector = _selector(wanted)
        self._filter = _filter(wanted.expression)
        self._since, self._until = micros(wanted.since), micros(wanted.until)

    @property
    def packet_by_packet(self) -> bool:
        """Whether each packet is looked at by itself: the fragments of a flow are known by their first."""
        return self._selector is None

    def __call__(self, batch: PacketBatch) -> NDArray[np.bool_]:
        import numpy as np

        chosen = self._selector.matches(batch) if self._selector else np.ones(len(batch), np.bool_)
        if self._filter is not None and chosen.any():
            chosen &= self._filter(batch)
        if self._since is not None:
            chosen &= batch.time >= self._since
        if self._until is not None:
            chosen &= batch.time < self._until
        return chosen


def _selector(wanted: Wanted) -> PacketSelector | None:
    """What decodes packets and finds those of the flows and hosts; None: any are wanted."""
    if not (wanted.flows or wanted.hosts):
        return None
    from monitor.flows import Ends, PacketSelector

    ends = [Ends(_network(host, "--host"), _network(peer, "--peer") if peer else None) for host, peer in wanted.hosts]
    try:
        return PacketSelector(wanted.flows, ends)
    except ValueError as error:
        raise UsageError(f"--flow: {error}") from error


def _filter(expression: str) -> Callable[[PacketBatch], NDArray[np.bool_]] | None:
    """What runs a packet filter over a batch; None: there is none."""
    if not expression:
        return None
    from monitor.capture import FilterError, PacketFilter

    def passed(batch: PacketBatch) -> NDArray[np.bool_]:
        try:
            return compiled.matches(batch)
        except FilterError as error:
            raise UsageError(f"--filter: {error}") from error

    try:
        compiled = PacketFilter(expression)
    except FilterError as error:
        raise UsageError(f"--filter: {error}") from error
    return passed


def _network(text: str, option: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text, strict=False)
    except ValueError as error:
        raise UsageError(f"{option}: {text!r} is neither an address nor a network such as 10.1.0.0/16") from error


def micros(time: datetime | None) -> int | None:
    """Event time in µs, where there is one."""
    return None if time is None else microseconds(time)

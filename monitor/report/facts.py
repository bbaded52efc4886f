"""What a report of a replay or of one incident is made of. Where it comes from is up to `reporting`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from monitor.report.summary import Summary


@dataclass(frozen=True, slots=True)
class Series:
    """Bytes out of and into the home networks, in slots of equal length."""

    start: int
    """Event time at which the first slot begins, µs."""
    step: int
    """Length of a slot, µs."""
    sent: Sequence[float] = ()
    received: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """One incident and what the store has beside it."""

    incident: Mapping[str, Any]
    """As printed by `--format json`."""
    title: str
    title_ja: str
    names: Sequence[str] = ()
    peers: Sequence[Mapping[str, Any]] = ()
    """`peer`, `flows`, `packets`, `bytes`: the busiest of the incident's time."""
    packets: int = 0
    """Of the host in the incident's time, with its peer where there is one."""
    bytes: int = 0
    calls: Sequence[tuple[int, float]] = ()
    """Time (µs) and bytes sent of each flow from host to peer, in time order."""
    attempts: Sequence[tuple[str, int, bool]] = ()
    """Target, port and whether it answered, of a scan."""
    upload: Series | None = None
    """What the host sent and received in all the time of the report."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All of a report."""

    run_id: str
    store: str
    sources: Mapping[str, str]
    """SHA-256 of each input, by its name; empty where it is not known."""
    first_seen: datetime | None
    last_seen: datetime | None
    flows: int
    hosts: int
    """Home addresses that were seen."""
    traffic: Series
    evidence: Sequence[Evidence]
    """The incidents told in full, the most severe first."""
    others: Sequence[Mapping[str, Any]]
    """Those beyond, in one line each."""
    summary: Summary
    model: Mapping[str, Any] = field(default_factory=dict)
    """The model's card; empty: not scored."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings that are not the defaults, by their dotted names."""
    made: datetime | None = None
    version: str = ""
    account: Any = None
    """`reading.Account` of the replay; None when the report is from the store alone."""
    missed_bytes: int = 0
    """Payload that was sent but never seen."""
    partial: bool = False
    """Whether the replay was interrupted."""

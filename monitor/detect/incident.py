"""An incident: who, what, since when, how sure, and why, in the fields that `--format json` prints.

How evidence becomes incidents is in `finding`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

SEVERITIES: tuple[str, ...] = ("low", "medium", "high", "critical")
"""Words of `severity`, mildest first."""

STATES: tuple[str, ...] = ("open", "waiting", "suppressed", "closed")
"""Words of `state`: told; over the alert budget; hidden by a suppression; quiet since a while."""


@dataclass(frozen=True, slots=True)
class Incident(Mapping[str, Any]):
    """One incident; also a mapping of its fields by name."""

    incident_id: str
    """16 hex digits, the same for the same evidence in every replay."""
    detector: str
    """`anomaly`, or the id of the hunt."""
    severity: str
    host: str
    """Address of whom to look at first."""
    peer: str
    """Address of the other end; the busiest where there are several."""
    service: str
    """Application protocol, where the incident is about one."""
    first_seen: datetime
    last_seen: datetime
    flows: int
    score: float
    """0-1, higher is stranger, rounded to four decimals."""
    p_value: float | None
    """Combined p-value, six significant digits; None where the detector has none."""
    reasons: tuple[str, ...]
    attack: tuple[str, ...]
    """ATT&CK technique ids."""
    community_ids: tuple[str, ...]
    """Community IDs of up to ten flows that show it best; the next three are of the same flows."""
    names: tuple[str, ...] = ()
    """Names asked for or spoken to, lower case."""
    ports: tuple[int, ...] = ()
    """Responders' ports."""
    ja4: tuple[str, ...] = ()
    """JA4 of the clients."""
    state: str = "open"
    """One of STATES."""
    stage: str = ""
    """Stage of an intrusion, one of `killchain.STAGES`; empty: of none in particular."""
    story: str = ""
    """Id that the incidents of one story share; empty: it stands alone."""
    suppression: str = ""
    """Id of the suppression that hides it."""

    @staticmethod
    def field_names() -> tuple[str, ...]:
        """Names of all fields, in order."""
        return _NAMES

    def __getitem__(self, name: str) -> Any:
        if name not in _NAMES:
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(_NAMES)

    def __len__(self) -> int:
        return len(_NAMES)


_NAMES: tuple[str, ...] = tuple(entry.name for entry in fields(Incident))


def incident_id(detector: str, first_seen: datetime, *about: str) -> str:
    """16 hex digits naming an incident by its detector, what it is about and when it began."""
    parts = [detector, first_seen.isoformat(), *about]
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()


def by_urgency(incident: Incident) -> tuple[int, float, datetime, str]:
    """Sort key of a list of incidents: the most severe first, then the strangest, then by time."""
    return -SEVERITIES.index(incident.severity), -incident.score, incident.first_seen, incident.incident_id

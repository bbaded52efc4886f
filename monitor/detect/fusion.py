"""Joins evidence of one host and behaviour into one incident, and what the model finds strange of it into the same.

Evidence is an incident as a hunt gives it. Which columns tell two behaviours of a detector apart is the hunt's
`identity`. What becomes of incidents as time passes is in `docket`, what several make together in `story`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import groupby
from typing import TypeVar

from monitor.detect.incident import SEVERITIES, Incident

ANOMALY = "anomaly"
MOST_REASONS = 8
MOST_SHOWN = 10

Identities = Mapping[str, Sequence[str]]
"""Columns that tell the incidents of a detector apart, by its id."""
Key = tuple[str, ...]
T = TypeVar("T")


def key_of(incident: Incident, identities: Identities) -> Key:
    """Detector and what its incidents are about; evidence with the same key is of the same host and behaviour."""
    about = identities.get(incident.detector, ("host", "peer", "service"))
    return incident.detector, *(str(incident[name]) for name in about)


def fuse(evidence: Sequence[Incident], identities: Identities, *, gap: timedelta) -> list[Incident]:
    """Evidence of one key that overlaps, or follows within `gap`, is one incident; sorted by time.

    An anomaly of a host with a hunt's peer, or in the same flows, at the same time is no incident of its own: it
    becomes that incident's p-value and last reason.
    """

    def order(incident: Incident) -> tuple[Key, object, object, str]:
        return key_of(incident, identities), incident.first_seen, incident.last_seen, incident.incident_id

    joined: list[Incident] = []
    for _, group in groupby(sorted(evidence, key=order), lambda incident: key_of(incident, identities)):
        joined += _in_one_go(group, gap)
    found = {incident.incident_id: incident for incident in joined if incident.detector != ANOMALY}
    by_host: dict[str, list[str]] = {}
    for incident in found.values():
        by_host.setdefault(incident.host, []).append(incident.incident_id)
    for strange in (incident for incident in joined if incident.detector == ANOMALY):
        names = (name for name in by_host.get(strange.host, ()) if _same_matter(strange, found[name], gap))
        name = next(names, "")
        found[name or strange.incident_id] = _confirmed(found[name], strange) if name else strange
    return sorted(found.values(), key=lambda incident: (incident.first_seen, incident.incident_id))


def overlap(one: Incident, other: Incident, gap: timedelta) -> bool:
    """Whether the two are at the same time, or no further apart than `gap`."""
    return one.first_seen <= other.last_seen + gap and other.first_seen <= one.last_seen + gap


def _in_one_go(group: Iterable[Incident], gap: timedelta) -> list[Incident]:
    out: list[Incident] = []
    for incident in group:
        if out and overlap(out[-1], incident, gap):
            out[-1] = merged(out[-1], incident)
        else:
            out.append(incident)
    return out


def merged(first: Incident, later: Incident) -> Incident:
    """One incident of two; the stronger one speaks first, the earlier one gives the id."""
    strong, weak = (later, first) if _strength(later) > _strength(first) else (first, later)
    return replace(
        strong,
        incident_id=first.incident_id,
        first_seen=first.first_seen,
        last_seen=max(first.last_seen, later.last_seen),
        flows=first.flows + later.flows,
        p_value=simes([value for value in (first.p_value, later.p_value) if value is not None]),
        reasons=tuple(dict.fromkeys((*strong.reasons, *weak.reasons)))[:MOST_REASONS],
        attack=tuple(dict.fromkeys((*first.attack, *later.attack))),
        community_ids=_both(strong.community_ids, weak.community_ids),
        names=_both(strong.names, weak.names),
        ports=_both(strong.ports, weak.ports),
        ja4=_both(strong.ja4, weak.ja4),
    )


def _strength(incident: Incident) -> tuple[int, float]:
    return SEVERITIES.index(incident.severity), incident.score


def _both(one: tuple[T, ...], other: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys((*one, *other)))[:MOST_SHOWN]


def simes(p_values: Sequence[float]) -> float | None:
    """Combined p-value, six digits: the least p(i) * n / i (R. J. Simes, Biometrika 1986); None of none.

    It holds for tests that depend on each other positively, as those of one host's traffic do.
    """
    ordered = sorted(p_values)
    if not ordered:
        return None
    return float(f"{min(1.0, *(p * len(ordered) / i for i, p in enumerate(ordered, 1))):.6g}")


def _same_matter(strange: Incident, other: Incident, gap: timedelta) -> bool:
    if not overlap(strange, other, gap):
        return False
    return strange.peer == other.peer or bool(set(strange.community_ids) & set(other.community_ids))


def _confirmed(incident: Incident, strange: Incident) -> Incident:
    """The hunt's incident with what the model says of the same flows."""
    values = [value for value in (incident.p_value, strange.p_value) if value is not None]
    said = [f"the model finds it strange too: {strange.reasons[0]}"] if strange.reasons else []
    return replace(incident, p_value=simes(values), reasons=(*incident.reasons, *said)[:MOST_REASONS])

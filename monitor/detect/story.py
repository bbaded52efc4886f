"""Several behaviours of one host, in the order in which an intrusion goes, are one story, and worse than each alone.

A host's story is told by what it did, and by attempts to get into it. The stages are in `killchain`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from monitor.detect.fusion import ANOMALY
from monitor.detect.incident import SEVERITIES, Incident, incident_id
from monitor.detect.killchain import STAGES, rank_of, stage_of

PAUSE = timedelta(days=7)
"""Time without anything new that ends a story."""
LEAST = "medium"
"""Severity from which on an incident takes part; the many small things that hosts do are no story."""
INTRUSION = rank_of("initial access")
SUFFERED = ("T1498", "T1499")
"""Denial of service: its incidents name the victim, who did nothing."""

AtHome = Callable[[str], bool]
"""Whether an address is in a home network."""


def with_stages(incidents: Sequence[Incident], at_home: AtHome) -> list[Incident]:
    """The incidents, each with its stage: none for what the model finds, an early one for what comes from outside."""
    return [replace(incident, stage=_stage(incident, at_home)) for incident in incidents]


def _stage(incident: Incident, at_home: AtHome) -> str:
    if incident.detector == ANOMALY:
        return ""
    stage = stage_of(incident.attack)
    if at_home(incident.host) or not at_home(incident.peer):
        return stage
    return {"discovery": STAGES[0], "credential access": STAGES[INTRUSION], "lateral movement": STAGES[INTRUSION]}.get(
        stage, stage
    )


def tell(incidents: Sequence[Incident], at_home: AtHome) -> list[Incident]:
    """The incidents, those of a story with its id, raised by what came before them.

    In the longest chain of ever later stages the second incident is raised by one severity, those after it to critical,
    and each says what it follows.
    """
    by_host: dict[str, list[Incident]] = defaultdict(list)
    for incident in sorted(incidents, key=lambda incident: (incident.first_seen, rank_of(incident.stage))):
        if takes_part(incident):
            by_host[subject(incident, at_home)].append(incident)
    told: dict[str, Incident] = {}
    for host, own in by_host.items():
        for story in _without_pause(own):
            told |= _raised(host, story)
    return [told.get(incident.incident_id, incident) for incident in incidents]


def subject(incident: Incident, at_home: AtHome) -> str:
    """Whose story an incident belongs to: its host's; of an intrusion from outside, the one whom it is aimed at."""
    from_outside = not at_home(incident.host) and at_home(incident.peer)
    return incident.peer if from_outside and rank_of(incident.stage) == INTRUSION else incident.host


def takes_part(incident: Incident) -> bool:
    """Whether an incident can be part of a story."""
    if any(technique.startswith(SUFFERED) for technique in incident.attack):
        return False
    severe = SEVERITIES.index(incident.severity) >= SEVERITIES.index(LEAST)
    return severe and rank_of(incident.stage) >= INTRUSION and incident.state != "suppressed"


def _without_pause(incidents: Sequence[Incident]) -> list[list[Incident]]:
    stories: list[list[Incident]] = []
    for incident in incidents:
        if stories and incident.first_seen <= max(one.last_seen for one in stories[-1]) + PAUSE:
            stories[-1].append(incident)
        else:
            stories.append([incident])
    return stories


def _raised(host: str, story: Sequence[Incident]) -> Mapping[str, Incident]:
    chain = longest_chain([rank_of(incident.stage) for incident in story])
    if len(chain) < 2:
        return {}
    name = incident_id("story", story[0].first_seen, host)
    out = {incident.incident_id: replace(incident, story=name) for incident in story}
    for place, at in enumerate(chain[1:], 1):
        incident = out[story[at].incident_id]
        before = " and ".join(f"{story[one].detector} ({story[one].stage})" for one in chain[:place])
        raised = SEVERITIES[-1] if place > 1 else SEVERITIES[min(SEVERITIES.index(incident.severity) + 1, 3)]
        said = f"{incident.stage} after {before} of {host}: raised from {incident.severity}"
        reasons = incident.reasons if raised == incident.severity else (*incident.reasons, said)
        out[incident.incident_id] = replace(incident, severity=raised, reasons=reasons)
    return out


def longest_chain(ranks: Sequence[int]) -> list[int]:
    """Places of a longest strictly increasing run within `ranks`, the earliest that there is (patience sorting)."""
    tops: list[int] = []
    places: list[int] = []
    before: list[int] = []
    for at, rank in enumerate(ranks):
        pile = bisect_left(tops, rank)
        before.append(places[pile - 1] if pile else -1)
        if pile == len(tops):
            tops.append(rank)
            places.append(at)
        elif rank < tops[pile]:
            tops[pile], places[pile] = rank, at
    chain = []
    at = places[-1] if places else -1
    while at >= 0:
        chain.append(at)
        at = before[at]
    return chain[::-1]

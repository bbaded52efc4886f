"""The docket: incidents as they stand, and what becomes of them as evidence comes in and event time passes.

Opened, updated on material change only, closed when quiet. Over the alert budget the weakest of a day wait; what a
suppression covers is kept, but hidden. The same evidence at the same times gives the same events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from monitor.detect.fusion import Identities, Key, fuse, key_of, merged, overlap
from monitor.detect.incident import SEVERITIES, Incident, by_urgency
from monitor.detect.story import PAUSE, tell, with_stages
from monitor.detect.suppression import Suppression, hidden_by

GROWTH = 2
"""Times that the flows of an incident must have grown for an update."""
LIKELIER = 0.1
"""Share of its p-value to which an incident must have fallen for an update."""
PAUSES = 3
"""An incident is quiet only when so many of the mean intervals between its flows pass without one."""
OUTSIDE_BUDGET = ("zone_breach",)
"""Findings of policy: they are told whatever the budget."""


@dataclass(frozen=True, slots=True)
class Rules:
    """By what the docket is kept."""

    identities: Identities
    at_home: Callable[[str], bool]
    suppressions: Sequence[Suppression] = ()
    budget: float = 10.0
    """Incidents a day (UTC, by first evidence) that may be told."""
    always_told: str = "high"
    """Severity from which on an incident never waits."""
    gap: timedelta = timedelta(minutes=15)
    """Evidence of one behaviour that is no further apart is of one incident."""
    quiet: timedelta = timedelta(hours=1)
    """Time without evidence after which an incident closes."""


@dataclass(frozen=True, slots=True)
class Event:
    """What became of an incident: opened, updated or closed."""

    kind: str
    incident: Incident


class Docket:
    """The incidents of a run, or of live traffic."""

    def __init__(self, rules: Rules, known: Iterable[Incident] = (), *, forgets: bool = False) -> None:
        """`known`: incidents as an earlier process left them; `forgets`: let go of what is closed and long past.

        A sensor runs for months and looks at the latest day; a replay's evidence is of all its time, and so are its
        incidents.
        """
        self._forgets = forgets
        self.rules = rules
        self._bare: dict[str, Incident] = {}
        """Incidents as the evidence has them, before stories and budget."""
        self._told = {incident.incident_id: incident for incident in known}
        """Incidents as the last event of each has them."""

    @property
    def incidents(self) -> list[Incident]:
        """All incidents as they stand, the most severe first."""
        return sorted(self._told.values(), key=by_urgency)

    def take(self, evidence: Sequence[Incident], now: datetime) -> list[Event]:
        """Take all evidence that the hunts have at event time `now`; gives what happened, in order of time."""
        self._bare |= self._recognised(fuse(evidence, self.rules.identities, gap=self.rules.gap))
        pool = self._judged([self._bare.get(name, told) for name, told in {**self._told, **self._bare}.items()])
        events = []
        for incident in sorted(pool, key=lambda incident: (incident.first_seen, incident.incident_id)):
            events += self._settle(incident, now)
        if self._forgets:
            self._forget(now)
        return events

    def _recognised(self, found: Sequence[Incident]) -> dict[str, Incident]:
        """The incidents by id, under the id and with the beginning under which they are known already."""
        known: dict[Key, list[Incident]] = {}
        for incident in self._told.values():
            known.setdefault(key_of(incident, self.rules.identities), []).append(incident)
        out: dict[str, Incident] = {}
        for incident in found:
            same = known.get(key_of(incident, self.rules.identities), ())
            before = next((one for one in same if overlap(one, incident, self.rules.gap)), incident)
            renewed = replace(
                incident,
                incident_id=before.incident_id,
                first_seen=min(before.first_seen, incident.first_seen),
                last_seen=max(before.last_seen, incident.last_seen),
                flows=max(before.flows, incident.flows),
            )
            other = out.get(renewed.incident_id)
            out[renewed.incident_id] = renewed if other is None else merged(other, renewed)
        return out

    def _judged(self, pool: Sequence[Incident]) -> list[Incident]:
        """The incidents with stage, story, suppression and state; what an earlier process told keeps its story."""
        named = [replace(one, suppression=hidden_by(one, self.rules.suppressions)) for one in pool]
        staged = with_stages(
            [replace(one, state="suppressed" if one.suppression else "open") for one in named], self.rules.at_home
        )
        out = [
            one if one.story and one.incident_id not in self._bare else told
            for one, told in zip(staged, tell(staged, self.rules.at_home), strict=True)
        ]
        return within_budget(out, self.rules)

    def _settle(self, incident: Incident, now: datetime) -> list[Event]:
        before = self._told.get(incident.incident_id)
        quiet = now - incident.last_seen > self._patience(incident)
        if before is not None and before.state == "closed" and quiet:
            return []
        events = []
        if before is None or material(before, incident):
            events.append(Event("opened" if before is None else "updated", incident))
            self._told[incident.incident_id] = incident
        else:
            self._told[incident.incident_id] = replace(before, last_seen=max(before.last_seen, incident.last_seen))
        if quiet:
            ended = replace(incident, state="closed" if incident.state == "open" else incident.state)
            events.append(Event("closed", ended))
            self._told[incident.incident_id] = replace(incident, state="closed")
        return events

    def _patience(self, incident: Incident) -> timedelta:
        """What pauses by nature, as a beacon with hours between its calls, is not quiet in such a pause."""
        return max(self.rules.quiet, (incident.last_seen - incident.first_seen) / max(1, incident.flows - 1) * PAUSES)

    def _forget(self, now: datetime) -> None:
        """Let go of what is closed and too long ago for any story."""
        for name, incident in list(self._told.items()):
            if incident.state == "closed" and now - incident.last_seen > PAUSE:
                del self._told[name]
                self._bare.pop(name, None)


def material(before: Incident, after: Incident) -> bool:
    """Whether the incident has changed so much that people should be told again."""
    same = all(before[name] == after[name] for name in ("severity", "state", "story", "suppression"))
    grown = after.flows >= GROWTH * before.flows
    likelier = after.p_value is not None and (before.p_value is None or after.p_value <= LIKELIER * before.p_value)
    return not same or grown or likelier


def within_budget(incidents: Sequence[Incident], rules: Rules) -> list[Incident]:
    """The incidents; of each day those beyond the budget wait, the weakest first. See `Rules`.

    What is severe enough, findings of policy and parts of a story never wait and do not count: the budget is for what
    may be a false alarm.
    """
    told: Counter[date] = Counter()
    waiting = set()
    for incident in sorted(incidents, key=by_urgency):
        if incident.state != "open" or not _counts(incident, rules):
            continue
        day = incident.first_seen.date()
        if told[day] + 1 > max(1.0, rules.budget):
            waiting.add(incident.incident_id)
        else:
            told[day] += 1
    return [replace(one, state="waiting") if one.incident_id in waiting else one for one in incidents]


def _counts(incident: Incident, rules: Rules) -> bool:
    if incident.detector in OUTSIDE_BUDGET or incident.story:
        return False
    return SEVERITIES.index(incident.severity) < SEVERITIES.index(rules.always_told)

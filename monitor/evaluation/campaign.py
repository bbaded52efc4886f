"""Runs labelled captures through score, store and hunts: each alone, and laid into a made-up day; keeps what came out.

Nothing here judges: figures are made of it in `figures`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from monitor.addresses import address_text
from monitor.evaluation.day import Case, Day, benign_day, lay_attack, truths_of
from monitor.evaluation.flow_table import flow_table
from monitor.evaluation.labels import Labelled
from monitor.evaluation.matching import Match, Truth, involves, match
from monitor.evaluation.scenario import home_hosts, observed_hours
from monitor.rehearsing import Rehearsal

if TYPE_CHECKING:
    import pyarrow as pa

    from monitor.config import Settings
    from monitor.detect import Incident
    from monitor.model import Model
    from monitor.report import Progress
    from monitor.store import Store

TOGETHER = 12
"""Attacks laid into one day: more, and the day would be nothing but attacks."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """An ordinary capture, or the ordinary part of one, and the false incidents in it."""

    name: str
    kind: str
    hosts: int
    hours: float
    weight: float
    incidents: tuple[Mapping[str, Any], ...]

    @property
    def host_hours(self) -> float:
        return self.hosts * self.hours * self.weight


@dataclass(slots=True)
class Evidence:
    """All that an evaluation found out."""

    alone: list[Match] = field(default_factory=list)
    """Every attack, its capture replayed by itself."""
    laid: list[Match] = field(default_factory=list)
    """Every attack, laid into a day, once a seed."""
    quiet: list[Quiet] = field(default_factory=list)
    days: list[Quiet] = field(default_factory=list)
    """Made-up days without attacks, one a seed."""
    strangeness: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)
    """1 - p of flows: by class of attack those of the attack, under '' those of ordinary captures."""


class Campaign:
    """A store of its own, a model, and the labelled captures with their flows."""

    def __init__(
        self,
        labels: Sequence[Labelled],
        settings: Settings,
        model: Model | None,
        store: Store,
        progress: Progress,
        kept: Path | None = None,
    ) -> None:
        self._settings, self._model, self._progress = settings, model, progress
        self.cases = [self._case(labelled, kept) for labelled in labels]
        self.evidence = Evidence()
        self._rehearsal = Rehearsal(store, settings)

    def run(self, seeds: int) -> Evidence:
        """Every capture alone; then the attacks of captures that hold one, laid into `seeds` made-up days."""
        for case in self.cases:
            self._alone(case)
        ordinary = [case for case in self.cases if case.labelled.benign]
        attacks = [case for case in self.cases if case.truths and case.table.num_rows and not case.labelled.complete]
        if ordinary:
            for seed in range(seeds):
                self._laid(ordinary, attacks, seed)
        return self.evidence

    def _case(self, labelled: Labelled, kept: Path | None) -> Case:
        self._progress.stage(f"flows of {labelled.capture.name}")
        table = flow_table(labelled.capture, self._settings, self._progress, kept)
        return Case(labelled, table, truths_of(labelled, table))

    def _alone(self, case: Case) -> None:
        self._progress.stage(f"alone: {case.name}")
        found, p_values = self._found(case.table)
        self.evidence.alone += match(case.truths, found)
        if case.labelled.benign or case.labelled.complete:
            false = [one for one in found if not any(involves(one, truth) for truth in case.truths)]
            self.evidence.quiet.append(_quiet(case, false))
        self._remember(case, p_values)

    def _laid(self, ordinary: Sequence[Case], attacks: Sequence[Case], seed: int) -> None:
        """The day by itself, then with the attacks of this seed's order, a few at a time."""
        self._progress.stage(f"day {seed}: ordinary")
        day = benign_day(ordinary, seed)
        self.evidence.days.append(self._day(day, seed))
        order = np.random.default_rng((seed, 2)).permutation(len(attacks))
        for begin in range(0, len(order), TOGETHER):
            self._progress.stage(f"day {seed}: attacks {begin + 1} to {min(begin + TOGETHER, len(order))}")
            with_attacks = Day(list(day.tables), [], day.hosts, list(day.free))
            for number in order[begin : begin + TOGETHER]:
                lay_attack(with_attacks, attacks[number], seed, int(number))
            found, _ = self._found(_joined(with_attacks.tables))
            self.evidence.laid += match(with_attacks.truths, found)

    def _day(self, day: Day, seed: int) -> Quiet:
        found, _ = self._found(_joined(day.tables))
        return Quiet(f"day {seed}", "day", len(day.hosts), 24.0, 1.0, tuple(found))

    def _found(self, table: pa.Table) -> tuple[list[Incident], NDArray[np.float64]]:
        """Incidents among the flows as one run of the store, and the p-value of each flow."""
        rehearsed = self._rehearsal.judged(table, self._model)
        return rehearsed.incidents, rehearsed.p_values

    def _remember(self, case: Case, p_values: NDArray[np.float64]) -> None:
        if self._model is None or not len(p_values):
            return
        told = 1.0 - p_values
        if case.labelled.benign:
            many = int(np.ceil(len(told) * case.labelled.weight))
            self.evidence.strangeness.setdefault("", []).append(told[:many])
            return
        for truth in case.truths:
            kind = truth.behaviour if case.labelled.complete else truth.kind
            self.evidence.strangeness.setdefault(kind, []).append(told[flows_of(case.table, truth)])


def flows_of(table: pa.Table, truth: Truth) -> NDArray[np.bool_]:
    """Which flows (n,) are the attack's: a host of it at one end, where known a peer at the other, in its time."""
    import pyarrow as pa

    sides = [_codes(table, side) for side in ("src", "dst")]
    host = [np.array([text in truth.hosts for text in texts] or [False])[at] for at, texts in sides]
    peer = [np.array([not truth.peers or _any(text, truth) for text in texts] or [False])[at] for at, texts in sides]
    starts, ends = (table[name].cast(pa.int64()).to_numpy() for name in ("start", "end"))
    first, last = truth.start.timestamp() * 1e6 - 1e6, truth.end.timestamp() * 1e6 + 1e6
    which: NDArray[np.bool_] = ((host[0] & peer[1]) | (host[1] & peer[0])) & (starts <= last) & (ends >= first)
    return which


def _any(text: str, truth: Truth) -> bool:
    from ipaddress import ip_address

    found = ip_address(text)
    return any(found in network for network in truth.peers if network.version == found.version)


def _codes(table: pa.Table, side: str) -> tuple[NDArray[np.int32], list[str]]:
    encoded = table[f"{side}_ip"].combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy(), [address_text(word) for word in encoded.dictionary.to_pylist()]


def _quiet(case: Case, incidents: Sequence[Mapping[str, Any]]) -> Quiet:
    """The ordinary hosts of a capture; those at an end of an attack are not among them."""
    labelled = case.labelled
    guilty = {host for truth in case.truths for host in truth.hosts}
    hosts = labelled.hosts or len(set(home_hosts(case.table, labelled.home)) - guilty) if case.table.num_rows else 1
    hours = labelled.hours or (observed_hours(case.table) if case.table.num_rows else 1 / 60)
    kind = "lab" if labelled.complete else labelled.kind
    return Quiet(case.name, kind, max(hosts, 1), hours, labelled.weight, tuple(incidents))


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    import pyarrow as pa

    return pa.concat_tables(tables).unify_dictionaries().sort_by([("start", "ascending"), ("flow_id", "ascending")])

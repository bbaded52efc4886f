"""A made-up day of one network: ordinary captures side by side as its sites, attacks laid onto hosts of them.

Each ordinary capture becomes a site with addresses of its own, begun at a random hour; each attack takes the place of
one of the hosts. How flows are moved is in `scenario`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from monitor.evaluation.labels import Labelled
from monitor.evaluation.matching import Truth
from monitor.evaluation.scenario import addresses, at_home, home_hosts, lay, moved_truth, span, without_pauses
from monitor.event_time import EPOCH, datetime_of, microseconds

if TYPE_CHECKING:
    import pyarrow as pa

START = datetime(2026, 11, 24, tzinfo=UTC)
DAY = 86_400 * 1_000_000


@dataclass(slots=True)
class Case:
    """A labelled capture with its flows and what is true of it in its own time and addresses."""

    labelled: Labelled
    table: pa.Table
    truths: tuple[Truth, ...]

    @property
    def name(self) -> str:
        return self.labelled.capture.name


@dataclass(slots=True)
class Day:
    """The flows of a made-up day, what is true of it, and the hosts that nothing has been laid onto yet."""

    tables: list[pa.Table] = field(default_factory=list)
    truths: list[Truth] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    free: list[str] = field(default_factory=list)


def truths_of(labelled: Labelled, table: pa.Table) -> tuple[Truth, ...]:
    """What is true of a capture; an attack without times lasts as long as its capture."""
    if table.num_rows:
        first, last = map(datetime_of, span(table))
    else:
        first = last = EPOCH
    return tuple(
        Truth(
            name=f"{labelled.capture.name}#{number}" if len(labelled.attacks) > 1 else labelled.capture.name,
            kind=labelled.kind,
            behaviour=attack.behaviour,
            hosts=frozenset(attack.hosts),
            peers=attack.peers,
            start=attack.start or first,
            end=attack.end or last,
        )
        for number, attack in enumerate(labelled.attacks)
    )


def benign_day(cases: Sequence[Case], seed: int) -> Day:
    """All ordinary captures in one day; one of weight w gives the first w of its flows."""
    random = np.random.default_rng((seed, 0))
    day = Day()
    for number, case in enumerate(cases):
        table = without_pauses(case.table)
        table = table.slice(0, ceil(table.num_rows * case.labelled.weight))
        if not table.num_rows:
            continue
        hosts = home_hosts(table, case.labelled.home)
        site = _Site(number, inside=[one for one in addresses(table) if at_home(one, case.labelled.home)])
        day.tables.append(lay(table, site.moved, _shift(table, random, margin=0), salt=number + 1))
        moved = [site.moved[host] for host in hosts if host in site.moved]
        day.hosts += moved
        day.free += [host for host in moved if "." in host]
    random.shuffle(day.free)
    return day


def lay_attack(day: Day, case: Case, seed: int, number: int) -> tuple[Truth, ...]:
    """Put an attack capture into the day: its own host becomes one of the day's, the others are its neighbours.

    Returns what is true of it there, which the day remembers too.
    """
    random = np.random.default_rng((seed, 1, number))
    first, last = span(case.table)
    table = case.table if last - first < 0.8 * DAY else without_pauses(case.table)
    inside = [one for one in addresses(table) if at_home(one, case.labelled.home)]
    ours = [host for truth in case.truths for host in sorted(truth.hosts) if host in inside]
    place = day.free.pop() if day.free else f"10.250.{number}.10"
    neighbours = _Site.of(place)
    moved = neighbours.assign([one for one in [*ours[:1], *inside] if "." in one], first=place)
    shift = _shift(table, random, margin=DAY // 24)
    day.tables.append(lay(table, moved, shift, salt=1000 + number))
    truths = tuple(moved_truth(truth, moved, shift) for truth in case.truths)
    day.truths += truths
    return truths


def _shift(table: pa.Table, random: np.random.Generator, margin: int) -> int:
    """µs that bring the first flow to a random time of the day at which the last still ends within it."""
    first, last = span(table)
    room = max(DAY - (last - first) - 2 * margin, 1)
    start = microseconds(START)
    return int(start + margin + random.integers(room) - first)


class _Site:
    """Addresses of one site, 10.n.0.0/16 or fdnn::/64, given out in turn."""

    def __init__(self, number: int, inside: Sequence[str]) -> None:
        self.moved = self.assign_at(64 + number % 128, inside, offset=10)

    @classmethod
    def of(cls, place: str) -> _Site:
        """The site of a host."""
        site = cls.__new__(cls)
        site.second = int(place.split(".")[1])
        return site

    second: int = 0

    def assign(self, inside: Sequence[str], first: str) -> dict[str, str]:
        """The first address becomes `first`, the others neighbours of it that nobody has."""
        unique = list(dict.fromkeys(inside))
        moved = self.assign_at(self.second, unique[1:], offset=200 * 250)
        return {unique[0]: first, **moved} if unique else {}

    @staticmethod
    def assign_at(second: int, inside: Sequence[str], offset: int) -> dict[str, str]:
        moved = {}
        for at, address in enumerate(dict.fromkeys(inside), offset):
            if ":" in address:
                moved[address] = f"fd00:{second:x}::{at:x}"
            else:
                moved[address] = f"10.{second}.{at // 250 % 256}.{at % 250 + 1}"
        return moved

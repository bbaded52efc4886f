"""Collects what training needs of each flow, session by session: features, start, service, host; nothing else is kept.

The choice of flows by role is up to `split`, the use of them to `training`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from monitor.model.budget import observed_days
from monitor.model.calibration import tie_breakers
from monitor.model.extraction import codes, natural
from monitor.model.sources import Source
from monitor.model.split import capped, roles

if TYPE_CHECKING:
    import pyarrow as pa

_MINUTE = 1 / 1440
_COMPACT = 500_000
"""Rows of a session beyond which the cap per host is applied while reading, so that memory stays bounded."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """Flows to learn from, sessions in order of name, within them by start; all arrays (n,) but `values` (n, F)."""

    values: NDArray[np.float32]
    """Features in their natural units."""
    starts: NDArray[np.int64]
    services: NDArray[np.int32]
    """Index into `names`."""
    sessions: NDArray[np.int32]
    groups: NDArray[np.int64]
    """Number of session, service and host together."""
    ties: NDArray[np.float64]
    role: NDArray[np.int8]
    names: tuple[str, ...]
    session_names: tuple[str, ...]
    totals: dict[str, int]
    """Flows by service before the cap per host."""
    weighed: dict[str, float]
    """The same, each flow counted by its session's weight."""
    host_days: float
    """Hosts that opened flows x days in which they were watched, by weight, summed over sessions."""
    all_starts: NDArray[np.int64]
    """Start of every flow before the cap."""
    all_sessions: NDArray[np.int32]

    def digest(self) -> str:
        """SHA-256 of what is learnt from: sessions, services, times and features."""
        digest = hashlib.sha256("\n".join((*self.session_names, "", *self.names)).encode())
        for array in (self.sessions, self.services, self.starts, self.role, self.values):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


@dataclass(slots=True)
class _Rows:
    """Flows of one session, in columns."""

    values: NDArray[np.float32]
    starts: NDArray[np.int64]
    services: NDArray[np.int32]
    hosts: NDArray[np.int64]
    ties: NDArray[np.float64]

    def pick(self, which: NDArray[Any]) -> _Rows:
        return _Rows(self.values[which], self.starts[which], self.services[which], self.hosts[which], self.ties[which])

    def group(self) -> NDArray[np.int64]:
        return np.unique(np.stack([self.services, self.hosts]), axis=1, return_inverse=True)[1].astype(np.int64).ravel()


def gather(sources: Iterable[Source], *, host_cap: int, training_share: float) -> Gathered:
    """Read all sources once. Sources of one session name are one session. Raises ValueError when there is no flow."""
    known: dict[str, int] = {}
    totals: Counter[str] = Counter()
    parts: dict[str, list[_Rows]] = {}
    every: dict[str, list[NDArray[np.int64]]] = {}
    watch = _Watch()
    for source in sources:
        rows = parts.setdefault(source.session, [])
        watch.weights[source.session] = source.weight
        for batch in source.batches:
            if batch.num_rows == 0:
                continue
            found = _rows(batch, known, totals)
            watch.see(source.session, found)
            every.setdefault(source.session, []).append(found.starts)
            rows.append(found)
            if sum(len(part.starts) for part in rows) > _COMPACT and len(rows) > 1:
                whole = _join(rows)
                rows[:] = [whole.pick(capped(whole.group(), whole.ties, _cap(host_cap, source.weight)))]
    sessions = sorted(name for name in every if sum(len(part.starts) for part in parts[name]))
    if not sessions:
        raise ValueError("nothing to learn from: the sources hold no flow")
    return _assemble(
        {name: _ready(_join(parts[name]), _cap(host_cap, watch.weights[name])) for name in sessions},
        {name: np.concatenate(every[name]) for name in sessions},
        known,
        totals,
        watch,
        training_share,
    )


@dataclass(slots=True)
class _Watch:
    """Who was watched, and how much of what, by session."""

    weights: dict[str, float] = field(default_factory=dict)
    hosts: dict[str, set[int]] = field(default_factory=dict)
    flows: dict[tuple[str, int], int] = field(default_factory=dict)
    """By session and service."""

    def see(self, session: str, rows: _Rows) -> None:
        self.hosts.setdefault(session, set()).update(np.unique(rows.hosts).tolist())
        for service, count in enumerate(np.bincount(rows.services)):
            self.flows[session, service] = self.flows.get((session, service), 0) + int(count)

    def weighed(self, service: int) -> float:
        return sum(count * self.weights[name] for (name, known), count in self.flows.items() if known == service)

    def host_days(self, every: dict[str, NDArray[np.int64]]) -> float:
        total = 0.0
        for name, starts in every.items():
            days = max(observed_days(starts, np.zeros(len(starts), np.int32)), _MINUTE)
            total += len(self.hosts[name]) * days * self.weights[name]
        return total


def _cap(host_cap: int, weight: float) -> int:
    return max(1, round(host_cap * weight))


def _rows(batch: pa.RecordBatch, known: dict[str, int], totals: Counter[str]) -> _Rows:
    indices, words = codes(batch, "service")
    for word, count in zip(words, np.bincount(indices, minlength=len(words)), strict=True):
        totals[word] += int(count)
    mapping = np.array([known.setdefault(word, len(known)) for word in words], np.int32)
    starts = batch.column("start").cast("int64").to_numpy()
    return _Rows(natural(batch), starts, mapping[indices], _hosts(batch), _ties(batch, starts))


def _hosts(batch: pa.RecordBatch) -> NDArray[np.int64]:
    """A number for each initiator's address, the same in every batch; 0 for all where there are no addresses."""
    if batch.schema.get_field_index("src_ip") < 0:
        return np.zeros(batch.num_rows, np.int64)
    column = batch.column("src_ip")
    if not hasattr(column, "dictionary"):
        column = column.dictionary_encode()
    hashed = [
        int.from_bytes(hashlib.blake2b(str(address).encode(), digest_size=8).digest(), "big", signed=True)
        for address in column.dictionary.to_pylist()
    ]
    hosts: NDArray[np.int64] = np.array(hashed, np.int64)[column.indices.to_numpy()]
    return hosts


def _ties(batch: pa.RecordBatch, starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Tie breakers by flow id; by start where a file has no ids."""
    has_id = batch.schema.get_field_index("flow_id") >= 0
    ids = batch.column("flow_id").to_numpy() if has_id else starts.astype(np.uint64)
    has_part = batch.schema.get_field_index("part") >= 0
    parts = batch.column("part").to_numpy() if has_part else np.zeros(len(starts), np.uint32)
    return tie_breakers(ids, parts)


def _join(rows: list[_Rows]) -> _Rows:
    return _Rows(
        np.concatenate([part.values for part in rows]),
        np.concatenate([part.starts for part in rows]),
        np.concatenate([part.services for part in rows]),
        np.concatenate([part.hosts for part in rows]),
        np.concatenate([part.ties for part in rows]),
    )


def _ready(rows: _Rows, host_cap: int) -> _Rows:
    """Capped per host and in order of time."""
    kept = rows.pick(capped(rows.group(), rows.ties, host_cap))
    return kept.pick(np.lexsort((kept.ties, kept.starts)))


def _assemble(
    rows: dict[str, _Rows],
    every: dict[str, NDArray[np.int64]],
    known: dict[str, int],
    totals: Counter[str],
    watch: _Watch,
    training_share: float,
) -> Gathered:
    """All sessions behind one another; services renumbered by name, so that the order of reading does not matter."""
    names = tuple(sorted(known))
    renumber = np.zeros(len(known), np.int32)
    for name, at in known.items():
        renumber[at] = names.index(name)
    whole = _join(list(rows.values()))
    sessions = np.repeat(np.arange(len(rows), dtype=np.int32), [len(part.starts) for part in rows.values()])
    services = renumber[whole.services]
    groups = np.unique(np.stack([sessions, services, whole.hosts]), axis=1, return_inverse=True)[1]
    return Gathered(
        whole.values,
        whole.starts,
        services,
        sessions,
        groups.astype(np.int64).ravel(),
        whole.ties,
        np.concatenate([roles(part.starts, name, training_share=training_share) for name, part in rows.items()]),
        names,
        tuple(rows),
        {name: totals[name] for name in names},
        {name: watch.weighed(known[name]) for name in names},
        watch.host_days(every),
        np.concatenate(list(every.values())),
        np.repeat(np.arange(len(every), dtype=np.int32), [len(part) for part in every.values()]),
    )

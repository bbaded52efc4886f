"""Wires the store to training: flows of a time as sources, their hosts' windows, less what the guard leaves out.

A sibling of `learning`, which does the same for captures and files. What is contaminated is told in `contamination`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from monitor.contamination import COLUMNS, guard_of
from monitor.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

    from monitor.config import Settings
    from monitor.model import Source, WindowSession
    from monitor.report import Progress
    from monitor.store import Store

LIVE = "live"
"""Name of the session of live traffic; that of a replay is its run id."""


@dataclass(frozen=True, slots=True)
class Past:
    """Which flows of the store: those of the runs (`''`: live) that start from `since` until before `until`."""

    runs: tuple[str, ...] = ("",)
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        for name, moment in (("since", self.since), ("until", self.until)):
            if moment is not None and moment.tzinfo is None:  # as the command line gives it: UTC
                object.__setattr__(self, name, moment.replace(tzinfo=UTC))

    def told(self) -> dict[str, Any]:
        """For the card."""
        return {
            "runs": [run or LIVE for run in self.runs],
            "since": self.since.isoformat() if self.since else None,
            "until": self.until.isoformat() if self.until else None,
        }


class PastFlows:
    """The flows of a past that may be learnt from. Raises InputError when a run of it holds none."""

    def __init__(self, store: Store, settings: Settings, past: Past, progress: Progress) -> None:
        self._store, self._past, self._progress = store, past, progress
        if not store.schema.ready:
            raise InputError(f"{store}: not a ready store; `monitor db init` or `monitor db migrate` first")
        for run in past.runs:
            if not self._count(run):
                raise InputError(
                    f"{store}: no {'flows of run ' + run if run else 'live flows'} in the time asked for; "
                    "`monitor db status` says what it holds, --run-id names a replay"
                )
        self._guards = {run: guard_of(store, settings, run, past.since, past.until) for run in past.runs}

    def sources(self) -> Iterator[Source]:
        """A source a run: each is split by time on its own, so that what calibrates is later than what trains."""
        from monitor.model import Source

        for run in self._past.runs:
            yield Source(run or LIVE, self._batches(run))

    def windows(self) -> Sequence[WindowSession]:
        """Windows of the hosts, but those of suspects in their time."""
        from monitor.detect import windows_by_width
        from monitor.model import WIDTHS, WindowSession

        self._progress.stage("windows of hosts")
        past = self._past
        sessions = []
        for run, guard in self._guards.items():
            found = windows_by_width(self._store, run, WIDTHS, since=past.since, until=past.until)
            tables = {width: guard.windows(table, width) for width, table in found.items()}
            sessions.append(WindowSession(run or LIVE, tables))
        return sessions

    def left_out(self) -> list[dict[str, Any]]:
        """How many flows were left out and why, once the sources were read."""
        rows: dict[tuple[str, str], dict[str, Any]] = {}
        for guard in self._guards.values():
            for row in guard.told():
                known = rows.setdefault((row["why"], row["detector"]), {**row, "incidents": 0, "flows": 0})
                known["incidents"] += row["incidents"]
                known["flows"] += row["flows"]
        return list(rows.values())

    def _batches(self, run: str) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        from monitor.model import COLUMNS_TRAINED
        from monitor.store import flow_batches

        past, guard = self._past, self._guards[run]
        wanted = list(dict.fromkeys([*COLUMNS_TRAINED, *COLUMNS]))
        for batch in flow_batches(self._store, run, since=past.since, until=past.until, columns=wanted):
            self._progress.stage(f"reading flows of {batch.column('start')[0].as_py():%Y-%m-%d %H:00}")
            yield batch.filter(pa.array(guard.allowed(batch)))

    def _count(self, run: str) -> int:
        from monitor.store import flow_count

        return flow_count(self._store, run, since=self._past.since, until=self._past.until)

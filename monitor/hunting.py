"""Runs named hunts over a store, once or again and again; nothing is written. What they look for is in `detect`.

The sensor's own schedule, and what becomes of incidents, is in `sensor`.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from monitor import access_log
from monitor.errors import UsageError
from monitor.judging import LOOKBACK, evidence
from monitor.places import ANOMALY, existing_store, scoring_model

if TYPE_CHECKING:
    from monitor.config import Settings
    from monitor.detect import Hunt, Incident
    from monitor.model import Model
    from monitor.store import Store


class Hunter:
    """The named hunts over the flows of a run (`''`: live ones), as the store has them at each look."""

    def __init__(self, settings: Settings, names: Sequence[str], run_id: str = "") -> None:
        """`names`: hunts; none: all of them, and the anomalies. Raises UsageError for an unknown one, ModelError."""
        self._settings, self._run_id = settings, run_id
        self._hunts = _named(names)
        self._model: Model | None = scoring_model(settings) if not names or ANOMALY in names else None

    def once(self, since: datetime | None = None, until: datetime | None = None) -> list[Incident]:
        """What they find among flows that began from `since` until before `until` (UTC). Raises StoreError."""
        with existing_store(self._settings) as store:
            self._note(store)
            return self._look(store, _utc(since), _utc(until))

    def watch(
        self, since: datetime | None = None, until: datetime | None = None, *, every: float = 60.0
    ) -> Iterator[list[Incident]]:
        """What each look finds that the looks before it did not, `every` so many seconds, without end.

        Behaviour that goes on is told once; when it stopped and began again, it is told again. Raises StoreError.
        """
        told: dict[tuple[str, str, str, str], datetime] = {}
        with existing_store(self._settings) as store:
            self._note(store)
            while True:
                fresh = []
                for incident in self._look(store, _utc(since) or _lookback(store, self._run_id), _utc(until)):
                    about = incident.detector, incident.host, incident.peer, incident.service
                    if about not in told or incident.first_seen > told[about]:
                        fresh.append(incident)
                    told[about] = max(incident.last_seen, told.get(about, incident.last_seen))
                yield fresh
                time.sleep(every)

    def _note(self, store: Store) -> None:
        names = "all" if self._hunts is None else " ".join(hunt.id for hunt in self._hunts)
        access_log.queried(store, "hunt", f"{names} run={self._run_id}" if self._run_id else names)

    def _look(self, store: Store, since: datetime | None, until: datetime | None) -> list[Incident]:
        return evidence(store, self._settings, self._run_id, self._model, since=since, until=until, hunts=self._hunts)


def _named(names: Sequence[str]) -> list[Hunt] | None:
    """The hunts of these names; None for all."""
    from monitor.detect import load_hunts

    known = {hunt.id: hunt for hunt in load_hunts()}
    for name in names:
        if name not in known and name != ANOMALY:
            near = difflib.get_close_matches(name, [*known, ANOMALY], n=1)
            said = f"did you mean {near[0]}?" if near else f"known: {', '.join([*known, ANOMALY])}"
            raise UsageError(f"unknown hunt {name!r}; {said}")
    return [known[name] for name in names if name in known] if names else None


def _lookback(store: Store, run_id: str) -> datetime | None:
    """A day before the newest flow; None when there is none yet."""
    rows = store.query(
        "SELECT max(start) AS newest, count() AS flows FROM flows WHERE run_id = {run:String}", {"run": run_id}
    )
    return rows["newest"][0].as_py() - LOOKBACK if rows["flows"][0].as_py() else None


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment

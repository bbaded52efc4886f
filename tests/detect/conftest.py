"""An embedded store for the tests of a file, and a way to hunt over flows that a test makes up."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import pytest
from flow_builder import flows

from monitor.detect import Incident, find_incidents, load_hunts
from monitor.store import Store, open_store


class Hunting(Protocol):
    """Incidents among made-up flows."""

    def __call__(
        self, rows: Sequence[Mapping[str, Any]], *hunts: str, p_cut: float = 0.0, batch: int = 0
    ) -> list[Incident]: ...


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """An embedded store for a file of tests (a process holds one at a time); each test uses runs of its own."""
    with open_store(f"chdb://{tmp_path_factory.mktemp('detect')}/store", batch_rows=1) as opened:
        yield opened


_runs = itertools.count()


@pytest.fixture
def hunting(store: Store) -> Hunting:
    """Store the flows as a run, in batches of `batch` rows (0: one), and find incidents with the named hunts."""

    def hunt(rows: Sequence[Mapping[str, Any]], *hunts: str, p_cut: float = 0.0, batch: int = 0) -> list[Incident]:
        run = f"t{next(_runs)}"
        store.begin_run(run)
        all_rows = flows(*rows)
        for at in range(0, len(rows), batch or len(rows)):
            store.insert_flows(all_rows.slice(at, batch or len(rows)))
        store.publish_flows()
        chosen = [entry for entry in load_hunts() if entry.id in hunts]
        return find_incidents(store, run, p_cut=p_cut, hunts=chosen)

    return hunt

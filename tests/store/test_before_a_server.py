"""The tests' server before a real one, as deploy/compose.tests.yaml uses it: real answers, our faults.

The real one is played by another of the tests' servers, unless there is one (MONITOR_TEST_CLICKHOUSE).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_writer import PASSWORD, balanced, numbered, stored
from test_writer_ends import taken

from monitor.store import Store, StoreRefusedError, Writer, open_store
from monitor.store.patience import Patience


@pytest.mark.parametrize("kind", ["unanswered", "503"])
def test_what_a_real_server_holds_survives_our_faults(
    kind: str, server: Any, front: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONITOR_STORE_PASSWORD", PASSWORD)
    name = f"before_{kind}"

    def reached() -> Store:
        return open_store(front.url.replace("traffic", name), ca_file=front.ca_file)

    with Writer(reached, tmp_path / "spool", batch_rows=100, patience=Patience(0.02, 0.1)) as writer:
        writer.put(numbered(0, 100))
        assert taken(writer, 100)
        front.fault(kind)
        writer.put(numbered(100, 100))
        assert taken(writer, 200)
        assert balanced(writer.counts())
        assert kind == "unanswered" or writer.counts().delayed, "the fault was not noticed"
    with open_store(server.url.replace("traffic", name)) as store:
        assert set(stored(store).values()) == {200}


def test_its_errors_come_through(front: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITOR_STORE_PASSWORD", "hunter2")
    with pytest.raises(StoreRefusedError, match="MONITOR_STORE_PASSWORD"):
        open_store(front.url, ca_file=front.ca_file)

"""Questions asked side by side: answers keep their order, a failure reaches the caller, nothing begins after it."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from monitor.store import StoreError, open_store
from monitor.store.helping import Helper


def test_answers_keep_the_order_of_the_questions(tmp_path: Path) -> None:
    with open_store(f"chdb://{tmp_path}/store") as store:
        asked = [("SELECT {n:UInt32} + sleepEachRow(0.02) AS n", {"n": n}) for n in range(12)]
        assert [table["n"][0].as_py() for table in store.query_all(asked)] == list(range(12))
        with pytest.raises(StoreError, match="no_such_table"):
            store.query_all([*asked, ("SELECT * FROM no_such_table", {}), *asked])
        assert [table["n"][0].as_py() for table in store.query_all(asked)] == list(range(12))


def test_two_steps_run_at_once_and_none_begins_after_a_failure() -> None:
    meeting, helper, begun = threading.Barrier(2, timeout=10), Helper(), []

    def meet() -> int:
        return meeting.wait()

    assert sorted(helper.share([meet, meet])) == [0, 1]  # each waits for the other

    def fail() -> None:
        raise ValueError("first")

    def later() -> None:
        begun.append(time.monotonic())
        time.sleep(0.01)

    with pytest.raises(ValueError, match="first"):
        helper.share([fail, *[later] * 1000])
    assert len(begun) < 1000
    assert helper.share([]) == []
    helper.close()
    helper.close()

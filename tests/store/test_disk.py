"""The store says what it takes on disk, a column, and for how many days its budget lasts."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

from flow_builder import flows

from monitor.store import Store, column_sizes, disk_use, open_store, table_sizes
from monitor.store.disk import _days_left

NOW = (datetime.now(UTC) - datetime(2026, 1, 1, tzinfo=UTC)).total_seconds()


def filled(store: Store, days: int) -> None:
    for day in range(days):
        store.insert_flows(flows(*({"start": NOW - day * 86400, "src_port": i} for i in range(500))))


def test_days_left_follow_from_growth_and_budget(tmp_path: Path) -> None:
    with open_store(f"chdb://{tmp_path}/store") as store:
        assert disk_use(store).days_left == math.inf
        filled(store, 4)
        use = disk_use(store, 100_000_000)
        on_disk = sum(path.stat().st_size for path in (tmp_path / "store").rglob("*") if path.is_file())
        assert 0 < use.own <= on_disk
        live = next(row["bytes"] for row in table_sizes(store) if row["table"] == "flows")
        assert 0.8 * live <= 4 * use.per_day <= 1.2 * live
        assert 0.8 * 1e8 / use.per_day < use.days_left <= 1e8 / use.per_day
        assert disk_use(store, use.own).days_left == 0
        store.retain({"flows": 2})
        assert disk_use(store, 100_000_000).days_left == math.inf
        assert disk_use(store).budget > 100_000_000


def test_a_year_of_growth_by_hand() -> None:
    used = {"own": 40_000, "logs": 10_000, "live": 30_000, "days_kept": 0}
    assert _days_left(used, 100_000, 1000) == 50
    assert _days_left({**used, "days_kept": 90}, 100_000, 1000) == 50
    assert _days_left({**used, "days_kept": 80}, 100_000, 1000) == math.inf
    assert _days_left(used, 40_000, 1000) == 0


def test_sizes_of_columns_add_up(tmp_path: Path) -> None:
    with open_store(f"chdb://{tmp_path}/store") as store:
        store._client().command("ALTER TABLE flows MODIFY SETTING min_bytes_for_wide_part = 0")
        filled(store, 1)
        columns = column_sizes(store)
        (whole,) = [row for row in table_sizes(store) if row["table"] == "flows"]
    assert columns[0]["bytes_a_flow"] >= columns[-1]["bytes_a_flow"]
    assert 0.3 * whole["bytes_a_row"] < sum(row["bytes_a_flow"] for row in columns) <= whole["bytes_a_row"]

"""The tables follow the schema of the flows; old stores are brought up to it; runs are named by what they hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from flow_builder import flows

from monitor.flows.schema import COLUMNS
from monitor.store import Store, default_run_id, open_store
from monitor.store.derived import OTHER


def test_the_table_has_the_schemas_columns_in_order(store: Store) -> None:
    for table in ("flows", "flows_incoming"):
        got = store.query(
            "SELECT name, type, comment FROM system.columns "
            "WHERE database = currentDatabase() AND table = {table:String} ORDER BY position",
            {"table": table},
        )
        own = len(COLUMNS)
        assert got["name"].to_pylist() == [column.name for column in (*COLUMNS, *OTHER)]
        assert got["type"].to_pylist()[:own] == [column.clickhouse for column in COLUMNS]
        assert got["comment"].to_pylist()[:own] == [column.meaning for column in COLUMNS]


def test_opening_again_changes_nothing(url: str) -> None:
    with open_store(url) as store:
        assert store.schema.ready
        store.insert_flows(flows({}))
    with open_store(url) as store:
        steps = store.query("SELECT version FROM schema_versions ORDER BY version")["version"].to_pylist()
        assert steps == [*range(1, store.schema.current + 1)]
        assert store.query("SELECT 1 AS x FROM flows").num_rows == 1


def test_a_column_that_the_schema_gained_is_added(url: str) -> None:
    lost = ("rtt", "alpn", "reasons")
    with open_store(url) as store:
        store.insert_flows(flows({}))
        for table in ("flows", "flows_incoming"):
            for name in lost:
                store._client().command(f"ALTER TABLE {table} DROP COLUMN {name}")
    with open_store(url, create=False) as store:
        assert store.schema.missing_columns == lost
        assert not store.schema.ready
        assert store.migrate().ready
    with open_store(url) as store:
        store.begin_run("r1")
        store.insert_flows(flows({"alpn": "h2"}))
        assert store.publish_flows() == 1
        assert store.query("SELECT alpn FROM flows ORDER BY run_id")["alpn"].to_pylist() == ["", "h2"]


def test_a_server_without_tables_is_told_apart_from_one_with(server: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITOR_STORE_PASSWORD", "correct horse")
    url = server.url.replace("traffic", "default")  # type: ignore[attr-defined]
    with open_store(url, create=False) as store:
        assert store.schema.version == 0
        assert not store.schema.ready


def test_the_same_captures_give_the_same_run(tmp_path: Path) -> None:
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    one.write_bytes(bytes(5_000_000))
    two.write_bytes(bytes(5_000_000))
    three.write_bytes(bytes(4_999_999) + b"\1")
    assert default_run_id([one]) == default_run_id([two])
    assert default_run_id([one]) != default_run_id([three])
    assert default_run_id([one, three]) != default_run_id([three, one])
    assert default_run_id([one], {"model": 1}) != default_run_id([one], {"model": 2})
    assert len(default_run_id([one])) == 16


def test_runs_of_standard_input_are_never_the_same() -> None:
    assert default_run_id([]) != default_run_id([])

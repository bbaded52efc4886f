"""Flows go in and come out unchanged; replays replace themselves and never mix with live rows or with each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from flow_builder import columns, flows, microseconds

from monitor.flows.schema import COLUMNS, NAMES
from monitor.store import Store, StoreError, open_store
from monitor.store.arrow import joined

YEAR = 365 * 86400.0


def rows(store: Store, run_id: str) -> int:
    """Flows that the store has of a run."""
    counted = store.query("SELECT count() AS n FROM flows WHERE run_id = {run:String}", {"run": run_id})
    return int(counted["n"][0].as_py())


def replayed(store: Store, run_id: str, *batches: pa.RecordBatch) -> int:
    """A whole run."""
    store.begin_run(run_id, sources=["a.pcap"])
    for batch in batches:
        store.insert_flows(batch)
    stored = store.publish_flows()
    store.insert_incidents([])
    return stored


def telling(**given: Any) -> Mapping[str, Any]:
    """A flow with something telling in each kind of column."""
    return {
        "src_ip": "2001:db8::1", "dst_ip": "fe80::ffff", "server_name": "日本.example", "cert_names": ["a", "b'\\", ""],
        "splt_len": [40, -1500], "splt_iat": [0, 4_000_000_000], "service_on_odd_port": True, "flow_id": 2**64 - 1,
        "start": 1.234567, "p_value": 1e-300, "rtt": 0.25, "src_bytes": 2**63, "service": "tls", "reasons": ["x\ty\n"],
        "http_uri": "/'; DROP TABLE flows --", **given,
    }  # fmt: skip


def test_every_column_comes_back_as_it_went_in(store: Store) -> None:
    given = flows(telling(), {"start": 2.0})
    replayed(store, "r1", given)
    got = store.query(f"SELECT {', '.join(NAMES)} FROM flows WHERE run_id = 'r1' ORDER BY start")
    for column in COLUMNS:
        expected = ["r1", "r1"] if column.name == "run_id" else given.column(column.name).to_pylist()
        assert got[column.name].to_pylist() == expected, column.name


def test_both_ways_of_inserting_store_the_same(server: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITOR_STORE_PASSWORD", "correct horse")
    sql = f"SELECT {', '.join(NAMES)} FROM flows ORDER BY start"
    with open_store(f"chdb://{tmp_path}/store") as embedded:
        replayed(embedded, "same", flows(telling(), {"start": 2.0}))
        here = embedded.query(sql)
    with open_store(server.url.replace("traffic", "both_ways")) as remote:
        replayed(remote, "same", flows(telling(), {"start": 2.0}))
        there = remote.query(sql)
    assert here.to_pylist() == there.to_pylist()


def test_replaying_twice_does_not_double(store: Store) -> None:
    for _ in range(2):
        assert replayed(store, "r1", flows({"start": 0}, {"start": 1}), flows({"start": 2})) == 3
    assert rows(store, "r1") == 3


def test_a_replay_with_fewer_flows_leaves_none_of_the_old(store: Store) -> None:
    replayed(store, "r1", flows({"start": 0}, {"start": 1}))
    assert replayed(store, "r1") == 0
    assert rows(store, "r1") == 0


def test_runs_and_live_rows_do_not_mix(store: Store) -> None:
    store.insert_flows(flows({"start": 0}))
    replayed(store, "r1", flows({"start": 1}, {"start": 2, "run_id": "something else"}))
    replayed(store, "r2", flows({"start": 3}))
    assert [rows(store, run) for run in ("", "r1", "r2", "something else")] == [1, 2, 1, 0]


def test_a_run_that_was_not_finished_leaves_the_last_one(url: str) -> None:
    with open_store(url, batch_rows=1) as store:
        replayed(store, "r1", flows({"start": 0}, {"start": 1}))
        store.begin_run("r1")
        store.insert_flows(flows({"start": 5}))
    with open_store(url) as store:
        assert rows(store, "r1") == 2
        assert replayed(store, "r1", flows({"start": 7})) == 1
        assert store.query("SELECT start FROM flows").num_rows == 1


def test_a_capture_may_span_decades(store: Store) -> None:
    batch = flows(*({"start": day * 40 * 86400.0 - 50 * YEAR} for day in range(600)))
    assert replayed(store, "r1", batch) == 600


@pytest.mark.parametrize("rows_each", [1, 7, 100])
def test_small_batches_are_joined_whatever_their_size(url: str, rows_each: int) -> None:
    batch = flows(*({"start": i, "service": f"s{i % 3}", "src_port": i} for i in range(100)))
    parts = [batch.slice(at, rows_each) for at in range(0, 100, rows_each)]
    with open_store(url, batch_rows=30) as store:
        assert replayed(store, "r1", *parts) == 100
        got = store.query("SELECT start, service, src_port FROM flows ORDER BY start")
    assert got["src_port"].to_pylist() == list(range(100))
    assert got["service"].to_pylist() == [f"s{i % 3}" for i in range(100)]


def test_a_dictionary_with_a_word_twice_is_mended() -> None:
    twice = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2], pa.int32()), pa.array(["SF", "S0", "SF"]))
    batch = joined([columns({"state": twice})])
    assert batch is not None
    assert batch.column("state").to_pylist() == ["SF", "S0", "SF"]
    assert len(batch.column("state").dictionary) == 2


def test_times_are_exact_to_the_microsecond(store: Store) -> None:
    replayed(store, "r1", flows({"start": 0.000001, "duration": 0.000002}))
    got = store.query("SELECT start, end FROM flows")
    assert pc.cast(got["start"], pa.int64()).to_pylist() == [microseconds(0.000001)]
    assert pc.cast(got["end"], pa.int64()).to_pylist() == [microseconds(0.000003)]


@pytest.mark.parametrize("name", ["", "a b", "x'); DROP TABLE flows --", "-r", "r" * 65])
def test_a_run_id_is_a_plain_word(store: Store, name: str) -> None:
    with pytest.raises(ValueError, match="run id"):
        store.begin_run(name)


def test_what_the_engine_refuses_is_a_store_error(store: Store) -> None:
    with pytest.raises(StoreError, match="nothing_here") as caught:
        store.query("SELECT * FROM nothing_here")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_names_that_are_no_text_can_be_read(store: Store) -> None:
    rows = store.query("SELECT unhex('6FDAFF') AS name, ['ok', unhex('FF')] AS names, 'fine' AS word").to_pylist()
    assert rows == [{"name": "o\\xda\\xff", "names": ["ok", "\\xff"], "word": "fine"}]

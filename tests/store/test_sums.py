"""Sums and first sightings say what a query over the flows says, live and replayed; retention drops live rows only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from flow_builder import flows

from monitor.store import Store, StoreError
from monitor.store.views import SUMMED

NOW = (datetime.now(UTC) - datetime(2026, 1, 1, tzinfo=UTC)).total_seconds()


def traffic(*, begin: float = 0.0) -> Any:
    """Two hosts, both directions, names, an unanswered call."""
    return flows(
        *(
            {"start": begin + 40 * i, "src_ip": f"10.0.0.{5 + i % 2}", "dst_ip": f"203.0.113.{i % 7}",
             "server_name": f"www{i % 3}.example", "service": ("tls", "http")[i % 2], "ja4": "t13d"[: 4 * (i % 2)]}
            for i in range(300)
        ),
        {"start": begin, "src_ip": "198.51.100.1", "dst_ip": "10.0.0.5", "dst_payload": 10_000, "dst_port": 25},
        {"start": begin + 1, "src_ip": "10.0.0.5", "dst_ip": "203.0.113.77", "dst_packets": 0, "dst_payload": 0},
    )  # fmt: skip


def rows(store: Store, sql: str, run: str = "") -> list[dict[str, Any]]:
    got: list[dict[str, Any]] = store.query(sql, {"run": run}).to_pylist()
    return got


@pytest.mark.parametrize("run", ["", "r1"])
def test_sums_are_those_of_the_flows(store: Store, run: str) -> None:
    if run:
        for _ in range(2):
            store.begin_run(run)
            store.insert_flows(traffic())
            store.publish_flows()
    else:
        for part in (0, 100, 200):
            store.insert_flows(traffic().slice(part, 100 if part < 200 else 102))
    for sums, over_flows in (
        (
            "SELECT minute, service, sum(flows) AS n, sum(src_bytes) AS a, sum(dst_bytes) AS b, sum(unanswered) AS c "
            "FROM flows_by_minute WHERE run_id = {run:String} GROUP BY ALL ORDER BY ALL",
            "SELECT toStartOfMinute(start) AS minute, service, count() AS n, sum(src_bytes) AS a, sum(dst_bytes) AS b, "
            "countIf(dst_packets = 0) AS c FROM flows WHERE run_id = {run:String} GROUP BY ALL ORDER BY ALL",
        ),
        (
            "SELECT hour, host, sum(sent) AS sent, sum(received) AS got "
            "FROM hosts_by_hour WHERE run_id = {run:String} GROUP BY ALL ORDER BY ALL",
            "SELECT toStartOfHour(start) AS hour, if(direction = 'inbound', dst_ip, src_ip) AS host, "
            "sum(if(direction = 'inbound', dst_bytes, src_bytes)) AS sent, "
            "sum(if(direction = 'inbound', src_bytes, dst_bytes)) AS got "
            "FROM flows WHERE run_id = {run:String} GROUP BY ALL ORDER BY ALL",
        ),
        (
            "SELECT host, value, min(first) AS f, max(last) AS l, sum(flows) AS n FROM first_seen "
            "WHERE run_id = {run:String} AND kind = 'name' GROUP BY ALL ORDER BY ALL",
            "SELECT src_ip AS host, server_name AS value, min(start) AS f, max(start) AS l, count() AS n FROM flows "
            "WHERE run_id = {run:String} AND server_name != '' GROUP BY ALL ORDER BY ALL",
        ),
    ):
        assert rows(store, sums, run) == rows(store, over_flows, run) != []
    peers = rows(store, "SELECT DISTINCT value FROM first_seen WHERE kind = 'peer' AND run_id = {run:String}", run)
    assert sorted(row["value"] for row in peers) == [f"203.0.113.{i}" for i in range(7)]


def test_sums_that_an_insert_did_not_come_to_are_made_by_the_next_attempt(store: Store) -> None:
    """The flows are in, a view fails or the process dies, the insert is done again with its token."""
    client = store._client()
    client.command("CREATE MATERIALIZED VIEW failing TO flows_by_minute AS SELECT throwIf(1) AS flows FROM flows")
    with pytest.raises(StoreError):
        store.insert("flows", [traffic()], token="t")
    client.command("DROP TABLE failing")
    for _ in range(2):
        store.insert("flows", [traffic()], token="t")
    sums = ", ".join(f"(SELECT sum(flows) FROM {name}) AS {name}" for name in ("flows_by_minute", "hosts_by_hour"))
    names = "(SELECT sum(flows) FROM first_seen WHERE kind = 'name') AS names"
    assert rows(store, f"SELECT {sums}, {names}, (SELECT count() FROM flows) AS n") == [
        {"flows_by_minute": 302, "hosts_by_hour": 302, "names": 300, "n": 302}
    ]


def test_a_replay_with_fewer_flows_leaves_no_old_sums(store: Store) -> None:
    store.begin_run("r1")
    store.insert_flows(traffic())
    store.publish_flows()
    store.begin_run("r1")
    store.publish_flows()
    for name in SUMMED:
        assert rows(store, f"SELECT count() AS n FROM {name}") == [{"n": 0}]


def test_old_live_rows_go_and_replays_stay(store: Store) -> None:
    store.insert_flows(traffic(begin=NOW - 3 * 86400))
    store.insert_flows(traffic(begin=NOW - 40 * 86400))
    store.begin_run("old")
    store.insert_flows(traffic(begin=-20 * 365 * 86400.0))
    store.publish_flows()
    store.retain({"flows": 30})
    store._client().command("OPTIMIZE TABLE flows FINAL")
    assert rows(store, "SELECT run_id, count() AS n FROM flows GROUP BY run_id ORDER BY run_id") == [
        {"run_id": "", "n": 302},
        {"run_id": "old", "n": 302},
    ]
    store.retain({"flows": 0})
    assert (
        "toIntervalDay"
        not in rows(store, "SELECT create_table_query AS q FROM system.tables WHERE name = 'flows'")[0]["q"]
    )

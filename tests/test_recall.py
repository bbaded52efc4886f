"""What the store remembers is found again, and only of the run that was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import flow_builder
import pytest
from incident_rows import incident

from monitor import recall
from monitor.errors import InputError
from monitor.store import Store, open_store


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with open_store("none") as opened:
        opened.begin_run("one", sources=["a.pcap"])
        opened.insert_flows(
            flow_builder.flows(
                {"src_ip": "10.0.0.1", "dst_ip": "192.0.2.1", "service": "tls", "src_bytes": 100, "dst_bytes": 900},
                {"src_ip": "2001:db8::1", "dst_ip": "192.0.2.1", "service": "dns", "src_bytes": 10, "dst_bytes": 20},
                {"src_ip": "10.0.0.1", "dst_ip": "192.0.2.2", "service": "tls", "src_bytes": 1, "dst_bytes": 2},
            )
        )
        opened.publish_flows()
        opened.insert_incidents([incident("aa11"), incident("aa22", severity="critical", host="10.0.0.6")])
        opened.begin_run("two")
        opened.insert_flows(flow_builder.flows({"service": "ssh"}))
        opened.publish_flows()
        opened.insert_incidents([incident("bb33", peer="10.0.0.6")])
        yield opened


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["incident_id"] for row in rows]


def test_incidents_come_the_most_severe_first(store: Store) -> None:
    assert ids(recall.incidents(store)) == ["aa22", "aa11", "bb33"]


def test_incidents_are_narrowed_by_run_severity_and_host(store: Store) -> None:
    assert ids(recall.incidents(store, run_id="two")) == ["bb33"]
    assert ids(recall.incidents(store, run_id="")) == []
    assert ids(recall.incidents(store, severity="critical")) == ["aa22"]
    assert ids(recall.incidents(store, host="10.0.0.6")) == ["aa22", "bb33"]
    assert ids(recall.incidents(store, host="' OR 1 = 1 --")) == []
    assert ids(recall.incidents(store, limit=1)) == ["aa22"]


def test_an_incident_is_found_by_how_its_id_begins(store: Store) -> None:
    assert recall.incident(store, "bb")["run_id"] == "two"
    with pytest.raises(InputError, match="more than one"):
        recall.incident(store, "aa")
    with pytest.raises(InputError, match="no incident cc"):
        recall.incident(store, "cc")


def test_a_run_is_summed_up(store: Store) -> None:
    summary = recall.summary(store, "one", most=2)
    assert summary.services == [
        {"service": "tls", "flows": 2, "bytes": 1003},
        {"service": "dns", "flows": 1, "bytes": 30},
    ]
    assert summary.hosts == [
        {"host": "192.0.2.1", "flows": 2, "sent": 920, "received": 110},
        {"host": "10.0.0.1", "flows": 2, "sent": 101, "received": 902},
    ]
    assert recall.summary(store, "one").hosts[2]["host"] == "2001:db8::1"


def test_the_store_tells_what_it_holds(store: Store) -> None:
    status = recall.status(store)
    assert status.pop("bytes_on_disk") < status.pop("disk_budget")
    assert (status.pop("bytes_of_clickhouse_logs"), status.pop("bytes_a_day"), status.pop("days_left")) == (
        0,
        0,
        "enough",
    )
    assert status == {
        "store": "none",
        "schema": status["current schema"],
        "current schema": store.schema.current,
        "missing columns": [],
        "ready": True,
        "flows": 4,
        "live_flows": 0,
        "incidents": 3,
    }
    latest = recall.runs(store)
    assert [(row["run_id"], row["state"], row["flows"]) for row in latest] == [("two", "done", 1), ("one", "done", 3)]
    assert latest[1]["sources"] == ["a.pcap"]

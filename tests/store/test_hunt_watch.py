"""`monitor hunt --watch` on a server's store: what is new is told once, while others go on writing."""

from __future__ import annotations

from typing import Any

import flow_builder
import pytest

from monitor.config import load_settings
from monitor.hunting import Hunter
from monitor.store import Store, open_store


def scan(host: str, began: float) -> list[dict[str, Any]]:
    """A host that asks one machine for sixty ports and is answered by none; `began`: seconds."""
    return [
        {
            "src_ip": host, "dst_ip": "10.0.0.9", "src_port": 40_000, "dst_port": 100 + port, "state": "S0",
            "history": "S", "src_packets": 1, "dst_packets": 0, "src_payload": 0, "dst_payload": 0, "src_flags": 2,
            "dst_flags": 0, "start": began + port / 50, "duration": 0.0,
        }
        for port in range(60)
    ]  # fmt: skip


def publish(store: Store, *rows: dict[str, Any]) -> None:
    store.begin_run("w", sources=["a.pcap"])
    store.insert_flows(flow_builder.flows(*rows))
    store.publish_flows()
    store.insert_incidents([])


@pytest.mark.parametrize("url", ["http"], indirect=True)
def test_what_is_new_is_told_once(url: str) -> None:
    first, second, again = scan("203.0.113.1", 0), scan("203.0.113.2", 300), scan("203.0.113.1", 25 * 3600)
    with open_store(url) as store:
        publish(store, *first)
        looks = Hunter(load_settings(None, {"store.url": url}), ["port_scan"], "w").watch(every=0.01)
        assert [one.host for one in next(looks)] == ["203.0.113.1"]
        assert next(looks) == []
        publish(store, *first, *second)
        assert [one.host for one in next(looks)] == ["203.0.113.2"]
        publish(store, *first, *second, *again)
        assert [one.host for one in next(looks)] == ["203.0.113.1"]
        looks.close()

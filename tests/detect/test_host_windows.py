"""Windows of hosts: the SQL against a plain reading of the same flows, and an incident out of a strange hour."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from flow_builder import EPOCH, flows

from monitor.addresses import address_text
from monitor.detect import host_incidents, host_windows
from monitor.store import Store

HOSTS = [f"192.168.1.{n}" for n in range(1, 6)]
DAY = 86_400


def stored(store: Store, name: str, rows: list[dict[str, Any]]) -> None:
    store.begin_run(name)
    store.insert_flows(flows(*rows))
    store.publish_flows()


def made_up(count: int = 600) -> list[dict[str, Any]]:
    rng = random.Random(3)
    rows = []
    for _ in range(count):
        dns = rng.random() < 0.3
        answered = rng.random() < 0.8
        rows.append({
            "src_ip": rng.choice([*HOSTS, "203.0.113.9"]),
            "dst_ip": rng.choice([*HOSTS, "198.51.100.1", "198.51.100.2"]),
            "src_port": rng.randrange(1024, 65536), "dst_port": 53 if dns else rng.choice([80, 443, 22]),
            "proto": 17 if dns else 6, "service": "dns" if dns else "tls", "start": rng.random() * 7200,
            "dns_query": f"n{rng.randrange(9)}.example" if dns else "",
            "dns_rcode": rng.choice(["NOERROR", "NXDOMAIN"]) if dns else "",
            "src_payload": rng.randrange(1, 10**6), "dst_payload": 500 * answered, "dst_packets": 4 * answered,
            "state": "SF" if answered else "S0", "duration": rng.random() * 30,
        })  # fmt: skip
    return [row for row in rows if row["src_ip"] != row["dst_ip"]]


def counted(rows: list[dict[str, Any]], width: int) -> dict[tuple[str, int], dict[str, Any]]:
    """What the SQL should find, by reading one flow after the other."""
    out: dict[tuple[str, int], dict[str, Any]] = defaultdict(
        lambda: defaultdict(float) | {"peer": set(), "port": set(), "name": set()}
    )
    for row in rows:
        at = int(EPOCH // 1_000_000 + row["start"]) // width * width
        sent, received = row["src_payload"] + 200, row["dst_payload"] + 40 * row["dst_packets"]
        if row["src_ip"] in HOSTS:
            one = out[row["src_ip"], at]
            one["flows"] += 1
            one["peer"].add(row["dst_ip"])
            one["port"].add((row["proto"], row["dst_port"]))
            one["failures"] += row["dst_packets"] == 0
            one["sent_bytes"] += sent
            one["received_bytes"] += received
            one["largest_upload"] = max(one["largest_upload"], sent)
            one["longest"] = max(one["longest"], row["duration"])
            one["lookups"] += row["service"] == "dns"
            one["unknown_names"] += row["dns_rcode"] == "NXDOMAIN"
            if row["dns_query"]:
                one["name"].add(row["dns_query"])
        if row["dst_ip"] in HOSTS and row["dst_packets"]:
            one = out[row["dst_ip"], at]
            one["accepted"] += 1
            one["sent_bytes"] += received
            one["received_bytes"] += sent
            one["longest"] = max(one["longest"], row["duration"])
    return out


@pytest.mark.parametrize("width", [300, 3600])
def test_the_sql_counts_what_a_plain_reading_counts(store: Store, width: int) -> None:
    rows = made_up()
    stored(store, f"counted{width}", rows)
    expected = counted(rows, width)
    found = host_windows(store, f"counted{width}", width).to_pylist()
    store.insert_incidents([])
    assert {(address_text(one["host"]), one["window"]) for one in found} == set(expected)
    for one in found:
        want = expected[address_text(one["host"]), one["window"]]
        for name in ("flows", "accepted", "failures", "sent_bytes", "received_bytes", "lookups", "unknown_names"):
            assert one[name] == want[name], name
        assert one["largest_upload"] == want["largest_upload"]
        assert one["longest"] == pytest.approx(want["longest"], abs=1e-5)
        assert (one["peers"], one["ports"], one["names"]) == (len(want["peer"]), len(want["port"]), len(want["name"]))


def test_what_needs_a_history_is_silent_without_one(store: Store) -> None:
    stored(store, "cold", made_up(200))
    for one in host_windows(store, "cold", 3600).to_pylist():
        assert (one["new_peers"], one["unusual_hour"], one["rare_clients"]) == (0, 0, 0)
    store.insert_incidents([])


def test_history_tells_a_new_peer_an_unusual_hour_and_a_surge(store: Store) -> None:
    """A host that works from 9 to 17 for two weeks, then at 3 in the night with ten times the volume at a new peer."""
    rows: list[dict[str, Any]] = [
        {"src_ip": HOSTS[0], "dst_ip": "198.51.100.1", "start": day * DAY + hour * 3600.0 + 60, "src_payload": 10_000}
        for day in range(14)
        for hour in range(9, 17)
    ]
    rows.append({"src_ip": HOSTS[0], "dst_ip": "203.0.113.77", "start": 14 * DAY + 3 * 3600.0, "src_payload": 100_000})
    rows.append({"src_ip": HOSTS[0], "dst_ip": "198.51.100.1", "start": 14 * DAY + 9 * 3600.0, "src_payload": 100_000})
    stored(store, "history", rows)
    *usual, night, morning = host_windows(store, "history", 3600).to_pylist()
    store.insert_incidents([])
    assert (night["unusual_hour"], night["new_peers"]) == (1, 1)
    assert (morning["unusual_hour"], morning["new_peers"], morning["usual_windows"]) == (0, 0, 2)
    assert morning["sent_bytes"] + morning["received_bytes"] > 8 * morning["usual_bytes"]
    assert not any(one["unusual_hour"] or one["new_peers"] for one in usual)


def test_bounds_keep_to_the_asked_time_but_remember_what_was_before(store: Store) -> None:
    stored(store, "bounded", [{"src_ip": HOSTS[0], "start": day * DAY + 60.0} for day in range(3)])
    since = datetime.fromtimestamp(EPOCH / 1e6 + 2 * DAY, UTC)
    (only,) = host_windows(store, "bounded", 3600, since=since).to_pylist()
    store.insert_incidents([])
    assert only["window"] == EPOCH // 1_000_000 + 2 * DAY


def test_one_strange_flow_is_left_to_its_own_budget_several_make_an_hour_strange(store: Store) -> None:
    """Among few flows one would decide on the hour, at a p-value that its service's share of the budget refuses."""

    def strangeness(name: str, *p_values: float) -> float:
        rows = [{"src_ip": HOSTS[0], "start": float(n), "p_value": p} for n, p in enumerate(p_values)]
        stored(store, name, rows)
        (hour,) = host_windows(store, name, 3600).to_pylist()
        store.insert_incidents([])
        return float(hour["strangeness"])

    assert strangeness("alone", 1e-9) == 0
    assert strangeness("one", 1e-9, 0.5, 0.5) == pytest.approx(0, abs=1e-3)
    assert strangeness("two", 1e-9, 1e-4, 0.5) == pytest.approx(1 / (3.141592653 * 1e-4) / 2, rel=1e-3)


@dataclass(frozen=True)
class Hour:
    """As the model tells it."""

    p_value: float
    score: float
    reasons: tuple[str, ...]
    row: int
    width: int


def test_a_strange_hour_is_an_incident_of_the_host_with_its_reasons(store: Store) -> None:
    stored(store, "strange", [{"src_ip": HOSTS[0], "dst_ip": f"198.51.100.{n}", "start": float(n)} for n in range(40)])
    table = host_windows(store, "strange", 3600)
    (incident,) = host_incidents(
        store, "strange", [Hour(1e-6, 0.8, ("called 40 different hosts",), 0, 3600)], {3600: table}, 1e-4
    )
    store.insert_incidents([])
    assert (incident.detector, incident.host, incident.flows, incident.severity) == ("anomaly", HOSTS[0], 40, "high")
    assert incident.reasons == ("called 40 different hosts",)
    assert len(incident.community_ids) == 10
    assert incident.p_value == 1e-6

"""Each hunt finds its behaviour, names the right host, and stays quiet on the twin that only looks like it."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flow_builder import EPOCH, flows
from hunt_cases import FIRES, HOSTS, STAYS_QUIET
from hunt_flows import CLIENT, SCANNER, SERVER, VICTIM, beats, call
from japanese import in_japanese

from monitor.detect import find_incidents, load_hunts
from monitor.store import Store, open_store

START = datetime.fromtimestamp(EPOCH / 1e6, UTC)
WITH_HISTORY = ("silence", "rare_peer", "upload")
"""Hunts whose cases begin with what is usual."""


def test_each_hunt_has_cases() -> None:
    for hunt in load_hunts():
        assert FIRES.get(hunt.id), f"{hunt.id}: no flows in which it must fire"
        assert STAYS_QUIET.get(hunt.id), f"{hunt.id}: no twin in which it must not"


@pytest.mark.parametrize(("hunt", "case"), [(hunt, case) for hunt in FIRES for case in FIRES[hunt]])
def test_it_fires(hunt: str, case: str, hunting: Any) -> None:
    rows = FIRES[hunt][case]()
    (found,) = hunting(rows, hunt)
    assert found.detector == hunt
    assert found.host == HOSTS.get(hunt, SCANNER)
    assert all(map(in_japanese, found.reasons))
    if hunt in WITH_HISTORY:
        return
    assert found.first_seen == START + timedelta(seconds=min(row["start"] for row in rows))
    assert 0 < found.flows <= len(rows)
    assert 0.5 < found.score <= 1
    assert found.p_value is None
    assert found.reasons
    assert found.community_ids


@pytest.mark.parametrize(("hunt", "case"), [(hunt, case) for hunt in STAYS_QUIET for case in STAYS_QUIET[hunt]])
def test_it_stays_quiet(hunt: str, case: str, hunting: Any) -> None:
    assert hunting(STAYS_QUIET[hunt][case](), hunt) == []


def test_a_port_scan_names_the_busiest_target_and_counts_the_rest(hunting: Any) -> None:
    (found,) = hunting(FIRES["port_scan"]["syn"](), "port_scan")
    assert (found.host, found.peer, found.severity, found.flows) == (SCANNER, VICTIM, "high", 65)
    assert found.attack == ("T1046",)
    assert found.reasons == (
        "tried 60 ports of 192.168.2.20 in 1 s, without sending any payload",
        "100 % of the attempts were refused or not answered",
    )


def test_a_scan_for_ip_protocols_says_so(hunting: Any) -> None:
    (found,) = hunting(FIRES["port_scan"]["ip protocols"](), "port_scan")
    assert found.reasons[0].startswith("tried 40 IP protocols of")


def test_a_port_scan_names_the_open_ports(hunting: Any) -> None:
    (found,) = hunting(FIRES["port_scan"]["connect"](), "port_scan")
    assert "2 ports answered: 22, 80" in found.reasons


def test_a_sweep_names_the_service_and_the_number_of_hosts(hunting: Any) -> None:
    (found,) = hunting(FIRES["horizontal_scan"]["syn sweep"](), "horizontal_scan")
    assert found.service == "tcp/445"
    assert found.reasons[0].startswith("asked 400 hosts for tcp/445 in 19.9 s, 100 %")
    assert found.attack == ("T1046", "T1018")


def test_two_sweeps_an_hour_apart_are_two_incidents(hunting: Any) -> None:
    rows = FIRES["horizontal_scan"]["syn sweep"]()
    later = [{**row, "start": row["start"] + 2 * 3600} for row in rows]
    found = hunting(rows + later, "horizontal_scan")
    assert len(found) == 2
    assert len({incident.incident_id for incident in found}) == 2


def test_bounds_of_time_leave_out_what_starts_elsewhere(store: Store) -> None:
    """`since` counts, `until` does not; a name looked up before `since` still explains a call."""
    store.begin_run("bounds")
    store.insert_flows(flows(*FIRES["horizontal_scan"]["syn sweep"](), *STAYS_QUIET["horizontal_scan"]["looked up"]()))
    store.publish_flows()
    hunts = [hunt for hunt in load_hunts() if hunt.id == "horizontal_scan"]
    (whole,) = find_incidents(store, "bounds", p_cut=0, hunts=hunts)
    (part,) = find_incidents(
        store, "bounds", p_cut=0, hunts=hunts, since=START + timedelta(seconds=1), until=START + timedelta(seconds=5)
    )
    assert (whole.flows, part.flows) == (400, 80)
    assert find_incidents(store, "bounds", p_cut=0, hunts=hunts, since=START + timedelta(days=1)) == []


def test_a_scan_from_outside_is_less_urgent_than_one_from_inside(hunting: Any) -> None:
    rows = FIRES["horizontal_scan"]["syn sweep"]()
    (outside,) = hunting([{**row, "src_ip": SERVER} for row in rows], "horizontal_scan")
    (inside,) = hunting(rows, "horizontal_scan")
    assert (outside.severity, inside.severity) == ("low", "high")


def test_a_beacon_names_client_server_and_period(hunting: Any) -> None:
    (found,) = hunting(FIRES["beacon"]["every fifth missed"](), "beacon")
    assert (found.host, found.peer, found.service) == (CLIENT, SERVER, "tls")
    assert "every 5" in found.reasons[0] or "every 1 min" in found.reasons[0]
    assert any("like amount" in reason for reason in found.reasons)


def test_a_beacon_is_found_by_its_name(hunting: Any) -> None:
    (found,) = hunting(FIRES["beacon"]["by name"](), "beacon")
    assert "cdn.example.net port 443" in found.reasons[0]


def test_what_many_hosts_do_alike_is_told_once(hunting: Any) -> None:
    """A named service that five hosts poll is software; three hosts that call a bare address are told as one."""
    hosts = [f"192.168.1.{n}" for n in range(30, 35)]
    polls = [call(host, SERVER, start, server_name="time.example") for host in hosts for start in beats(60, 30)]
    (software,) = hunting(polls, "beacon")
    assert (software.severity, software.host) == ("low", hosts[0])
    assert f"so do {', '.join(hosts[1:])}" in software.reasons
    bare = [call(host, SERVER, start) for host in hosts[:3] for start in beats(60, 30)]
    (botnet,) = hunting(bare, "beacon")
    assert botnet.severity == "medium"
    assert f"so do {', '.join(hosts[1:3])}" in botnet.reasons


@pytest.mark.parametrize("period", [0.8, 7.0, 60.0, 900.0, 6 * 3600.0])
def test_beacons_of_any_period_are_found(period: float, store: Store) -> None:
    """40 hosts with jitter up to 30 % and up to 20 % of beats missed, each with a rhythm of its own."""
    count = max(60, int(150 / period))
    rows = [
        call(f"192.168.3.{n}", f"203.0.113.{n}", start)
        for n in range(40)
        for start in beats(period, count, jitter=0.3 * (n % 4) / 3, missed=0.2 * (n % 3) / 2, seed=n)
    ]
    run = f"period-{int(period * 10)}"
    store.begin_run(run)
    store.insert_flows(flows(*rows))
    store.publish_flows()
    found = find_incidents(store, run, p_cut=0, hunts=[hunt for hunt in load_hunts() if hunt.id == "beacon"])
    assert len({incident.host for incident in found}) >= 39


def test_the_same_text_runs_on_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every hunt through the HTTP interface of the tests' ClickHouse server, or a real one, finds its cases."""
    script = Path(__file__).resolve().parents[1] / "store" / "clickhouse_server.py"
    rows = flows(*(row for hunt in FIRES for case in FIRES[hunt].values() for row in case()))
    command = [sys.executable, str(script), str(tmp_path / "engine"), "writer", "correct horse"]
    if real := os.environ.get("MONITOR_TEST_CLICKHOUSE"):
        command += ["--before", real]
    monkeypatch.setenv("MONITOR_STORE_PASSWORD", "correct horse")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdin
        with open_store(f"http://writer@127.0.0.1:{int(process.stdout.readline())}/hunts") as store:
            store.begin_run("all")
            store.insert_flows(rows)
            store.publish_flows()
            found = find_incidents(store, "all", p_cut=0.01)
            assert store.insert_incidents(found) == len(found)
            assert store.query("SELECT 1 AS x FROM current_incidents").num_rows == len(found)
        process.stdin.close()
        process.wait(timeout=30)
    of_time = {
        "upload",
        "silence",
        "rare_peer",
        "slow_scan",
    }  # told by what is missing elsewhere: cases spoil each other's
    assert {incident.detector for incident in found} >= set(FIRES) - of_time

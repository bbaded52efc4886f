"""Incidents from the command line, on a capture of a town that keeps its zones apart, or should."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import packets
import pytest
from commands import Run

from monitor.store import open_store

TOWN = """
[zones]
mynumber = ["10.1.0.0/16", "fd00:1::/32"]
lgwan = ["10.2.0.0/16"]
segment = ["10.3.0.0/16", "fd00:3::/32"]
[[conduits]]
from = "segment"
to = "internet"
[[conduits]]
from = "lgwan"
to = "internet"
via = ["10.2.0.10/32"]
ports = [443]
reason = "sanitised files"
"""
OUTSIDE, OUTSIDE6 = "203.0.113.9", "2001:db8:77::9"


def traffic() -> Iterator[packets.Packet]:
    """Two hosts that break out of their zones, one of them refused; much that may be; and a scan of ports."""
    start = packets.START
    yield from packets.tcp_session(start, "10.1.0.5", OUTSIDE, 50000, 443, b"x" * 400, b"y" * 90)
    yield start + 1_000_000, packets.tcp("fd00:1::6", OUTSIDE6, 50001, 443, "S")
    yield from packets.tcp_session(start + 2_000_000, "10.2.0.10", OUTSIDE, 50002, 443, b"x", b"y")
    yield from packets.tcp_session(start + 3_000_000, "10.3.0.5", OUTSIDE, 50003, 80, b"x", b"y")
    yield from packets.tcp_session(start + 4_000_000, "fd00:3::5", OUTSIDE6, 50004, 443, b"x", b"y")
    yield from packets.tcp_session(start + 5_000_000, "10.1.0.5", "10.1.7.7", 50005, 445, b"x", b"y")
    yield start + 5_500_000, packets.udp("10.1.0.5", "224.0.0.251", 5353, 5353)
    for port in range(1, 100):
        when = start + 6_000_000 + port * 20_000
        yield when, packets.tcp("10.3.0.66", "10.3.1.5", 40000 + port, port, "S", seq=7)
        yield when + 500, packets.tcp("10.3.1.5", "10.3.0.66", port, 40000 + port, "RA", ack=8)


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packets.write_pcap(tmp_path_factory.mktemp("captures") / "town.pcap", sorted(traffic()))


@pytest.fixture(scope="module")
def kept(capture: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[dict[str, Any]]]:
    """Store URL and incidents of a replay, for tests that change nothing."""
    folder = tmp_path_factory.mktemp("kept")
    (folder / "town.toml").write_text(TOWN)
    store = f"chdb://{folder}/store"
    options = ["--store", store, "--config", folder / "town.toml", "--model", "none", "--format", "json"]
    done = subprocess.run(
        [sys.executable, "-m", "monitor", "replay", capture, *options], capture_output=True, text=True, check=True
    )
    return store, [json.loads(line) for line in done.stdout.splitlines()]


def replayed(run: Run, capture: Path, folder: Path) -> tuple[str, list[dict[str, Any]]]:
    """Store URL and incidents of a replay under the town's settings."""
    (folder / "monitor.toml").write_text(TOWN)
    store = f"chdb://{folder}/store"
    status, out, _ = run("replay", capture, "--store", store, "--model", "none", "--format", "json")
    assert status == 0
    return store, [json.loads(line) for line in out.splitlines()]


def test_breaches_are_found_in_a_capture_whatever_the_batches(
    run: Run, capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, incidents = replayed(run, capture, tmp_path)
    breaches = [row for row in incidents if row["detector"] == "zone_breach"]
    assert [(row["severity"], row["host"], row["peer"]) for row in breaches] == [
        ("critical", "10.1.0.5", OUTSIDE),
        ("critical", "fd00:1::6", OUTSIDE6),
    ]
    assert "1 of 1 flow was answered: 640 B sent, 250 B back" in breaches[0]["reasons"][2]
    assert breaches[1]["reasons"][2] == "none was answered: something blocks it, or nobody is there"
    assert {row["detector"] for row in incidents} == {"zone_breach", "port_scan"}
    monkeypatch.setenv("MONITOR_CAPTURE__BATCH_PACKETS", "7")
    assert replayed(run, capture, tmp_path)[1] == incidents
    (tmp_path / "monitor.toml").write_text("")
    out = run("replay", capture, "--store", "none", "--model", "none", "--format", "json")[1]
    assert [json.loads(line)["detector"] for line in out.splitlines()] == ["port_scan"]


def test_a_false_alarm_is_judged_and_suppressed(run: Run, capture: Path, tmp_path: Path) -> None:
    store, incidents = replayed(run, capture, tmp_path)
    scan = next(row["incident_id"] for row in incidents if row["detector"] == "port_scan")
    assert run("incidents", "verdict", scan, "false", "--note", "our scanner", "--store", store)[0] == 0
    rates = [
        json.loads(line) for line in run("incidents", "stats", "--store", store, "--format", "json")[1].splitlines()
    ]
    assert {row["detector"]: row["false_rate"] for row in rates} == {"port_scan": 1.0, "zone_breach": None}
    assert "100 %" in run("incidents", "stats", "--store", store)[1]

    wanted = ("--host", "10.3.0.66", "--expires", "30d", "--reason", "inventory", "--owner", "soc", "--store", store)
    status, out, err = run("incidents", "suppress", *wanted, "--dry-run")
    assert (status, "port_scan" in out) == (0, True)
    assert "would have hidden 1 incident in 30 days" in err
    assert "hides 1 incident" in run("incidents", "suppress", *wanted)[2]
    assert scan not in run("incidents", "list", "--store", store, "--format", "json")[1]
    hidden = run("incidents", "list", "--state", "suppressed", "--store", store, "--format", "json")[1]
    assert json.loads(hidden)["state"] == "suppressed"

    status, out, err = run("replay", capture, "--store", store, "--model", "none", "--format", "json")
    assert scan not in out
    assert "1 more suppressed" in err
    known = json.loads(run("incidents", "suppressions", "--store", store, "--format", "json")[1])
    assert (known["owner"], known["incidents"], known["state"]) == ("soc", 1, "in force")
    assert "1 incident shown again" in run("incidents", "unsuppress", known["suppression_id"], "--store", store)[2]
    assert scan in run("incidents", "list", "--store", store, "--format", "json")[1]
    assert "No suppressions." in run("incidents", "suppressions", "--store", store)[1]
    with open_store(store) as opened:
        noted = opened.query("SELECT action, detail FROM audit ORDER BY at").to_pylist()
    changed = [row for row in noted if row["action"] != "query"]
    assert len(noted) - len(changed) == 3  # each list
    assert [row["action"] for row in changed] == ["verdict", "suppress", "suppress"]
    assert changed[1]["detail"] == "host 10.3.0.66: inventory"


def test_lists_are_narrowed_and_pages_shown(run: Run, kept: tuple[str, list[dict[str, Any]]]) -> None:
    store, incidents = kept

    def listed(*options: str) -> set[str]:
        out = run("incidents", "list", "--store", store, "--format", "json", *options)[1]
        return {json.loads(line)["host"] for line in out.splitlines()}

    assert listed("--detector", "port_scan") == {"10.3.0.66"}
    assert listed("--severity", "critical") == {"10.1.0.5", "fd00:1::6"}
    assert listed("--host", OUTSIDE6) == {"fd00:1::6"}
    assert listed("--state", "closed") == listed("--until", "2001-01-01") == set()
    assert listed("--since", incidents[0]["first_seen"][:19]) == {row["host"] for row in incidents}
    status, page, _ = run("incidents", "show", incidents[0]["incident_id"][:6], "--store", store)
    assert status == 0
    for said in ("Reasons", "no conduit allows", "Flows", "town.pcap", "monitor carve CAPTURE", "zone_breach.md"):
        assert said in page, said
    assert max(map(len, page.splitlines())) <= 80
    told = json.loads(run("incidents", "show", incidents[0]["incident_id"], "--store", store, "--format", "json")[1])
    assert told["shown_flows"][0]["src_ip"] == told["host"]


def test_a_changed_log_is_found_out(run: Run, capture: Path, tmp_path: Path) -> None:
    store, _ = replayed(run, capture, tmp_path)
    status, out, err = run("incidents", "verify", "--store", store, "--format", "json")
    head = json.loads(out)["head"]
    assert (status, "no event was changed" in err) == (0, True)
    assert run("incidents", "verify", "--store", store, "--head", head)[0] == 0
    with open_store(store) as opened:
        change = "ALTER TABLE incidents DELETE WHERE host = '10.1.0.5' SETTINGS mutations_sync = 2"
        opened._client().command(change)
    status, _, err = run("incidents", "verify", "--store", store)
    assert status == 1
    assert "removed" in err
    assert run("incidents", "verify", "--store", store, "--head", "0" * 64)[0] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("suppress", "--host", "10.0.0.1", "--expires", "30d"), "--reason"),
        (("suppress", "--host", "10.0.0.1", "--reason", "x"), "--expires"),
        (("suppress", "--expires", "30d", "--reason", "x"), "a suppression of everything is none"),
        (("suppress", "--host", "10.0.0.1", "--expires", "2020-01-01", "--reason", "x"), "that is past"),
        (("suppress", "--host", "example.com", "--expires", "30d", "--reason", "x"), "no address or network"),
        (("suppress", "--host", "10.0.0.1", "--expires", "30d", "--reason", " "), "needs its reason"),
        (("verdict", "ffff", "maybe"), "maybe"),
        (("list", "--state", "lost"), "--state"),
    ],
)
def test_misuse_is_told(run: Run, arguments: tuple[str, ...], said: str) -> None:
    status, out, err = run("incidents", *arguments, "--store", "none")
    assert (status, out) == (2, "")
    assert said in err


@pytest.mark.parametrize("arguments", [("unsuppress", "ff"), ("verdict", "ff", "true"), ("show", "ff")])
def test_what_is_not_there_is_told(run: Run, kept: tuple[str, Any], arguments: tuple[str, ...]) -> None:
    status, out, err = run("incidents", *arguments, "--store", kept[0])
    assert (status, out, err.count("\n")) == (1, "", 1)


def test_watch_follows_until_interrupted(kept: tuple[str, list[dict[str, Any]]]) -> None:
    """It tells what is open, and ends at Ctrl-C with status 130, without a traceback."""
    store, incidents = kept
    with open_store(store) as opened:
        run_id = opened.query("SELECT any(run_id) AS id FROM incidents")["id"][0].as_py()
    command = [
        sys.executable,
        "-m",
        "monitor",
        "incidents",
        "watch",
        "--store",
        store,
        "--run-id",
        run_id,
        "--every",
        "0.2",
    ]
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout
        assert process.stderr
        lines = [process.stdout.readline() for _ in incidents]
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stdout.read() == ""
        assert "Traceback" not in process.stderr.read()
    for row in incidents:
        assert any(row["detector"] in line and row["host"] in line and "opened" in line for line in lines)

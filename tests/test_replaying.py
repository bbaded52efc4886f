"""Replays at a pace, in part, from two taps, beside another model, broken off: what is left is right and says so."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import packets
import pytest
from commands import Run
from packets import START, tcp, tcp_session, write_pcap

from monitor import recall
from monitor.store import open_store

SAMPLE = Path(__file__).parent / "lab" / "town.pcapng.xz"
MONITOR = [sys.executable, "-m", "monitor"]


def traffic(seconds: float = 40) -> list[packets.Packet]:
    """A scan in the first second, and a visit each second."""
    rows = [(START + n * 9000, tcp("10.0.0.66", "10.0.1.5", 40000 + n, n, "S")) for n in range(1, 90)]
    for second in range(round(seconds)):
        rows += tcp_session(
            START + second * 1_000_000, "10.0.0.5", "198.51.100.9", 50000 + second, 443, b"GET", b"z" * 99
        )
    return sorted(rows)


def incidents(run: Run, *arguments: object) -> list[dict[str, object]]:
    status, out, err = run("replay", *arguments, "--store", "none", "--format", "json")
    assert status == 0, err
    return [json.loads(line) for line in out.splitlines()]


def test_ten_times_as_fast_takes_a_tenth_and_finds_the_same(run: Run, tmp_path: Path) -> None:
    capture = write_pcap(tmp_path / "all.pcap", traffic())
    at_once = incidents(run, capture)
    began = time.monotonic()
    paced = incidents(run, capture, "--speed", "10x")
    assert time.monotonic() - began >= 3.9
    assert paced == at_once != []


def test_two_taps_are_merged_by_time(run: Run, tmp_path: Path) -> None:
    rows = traffic()
    whole = write_pcap(tmp_path / "all.pcap", rows)
    (tmp_path / "taps").mkdir()
    write_pcap(tmp_path / "taps" / "a.pcap", rows[::2])
    write_pcap(tmp_path / "taps" / "b.pcap", rows[1::2])
    flows = [sorted(run("flows", source)[1].splitlines()) for source in (whole, tmp_path / "taps")]
    assert flows[0] == flows[1] != []


def test_only_the_time_asked_for_is_read(run: Run, tmp_path: Path) -> None:
    capture = write_pcap(tmp_path / "all.pcap", traffic())
    for option, kept in (("--since", 20), ("--until", 20), ("--as-of", 20)):
        store = f"chdb://{tmp_path}/{option}"
        status, _, err = run("replay", capture, "--store", store, option, "2023-11-14T22:13:40")
        assert status == 0, err
        with open_store(store) as opened:
            table = opened.query("SELECT count() AS n FROM flows WHERE dst_port = 443 AND dst_ip != toIPv6('10.0.1.5')")
            assert table["n"][0].as_py() == kept
    assert run("replay", capture, "--until", "2024-01-01", "--as-of", "2023-01-01")[0] == 2


def test_another_model_adds_and_loses_incidents(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITOR_ALERT_BUDGET", "5000")
    mine = {one["incident_id"]: one for one in incidents(run, SAMPLE)}
    without = {one["incident_id"] for one in incidents(run, SAMPLE, "--model", "none")}
    compared = incidents(run, SAMPLE, "--compare", "none")
    lost = [one["incident_id"] for one in compared if one.get("comparison") == "lost"]
    assert sorted(lost) == sorted(set(mine) - without)
    assert lost
    assert not [one for one in compared if one.get("comparison") == "added"]
    status, out, _ = run("replay", SAMPLE, "--compare", "none", "--store", "none")
    assert status == 0
    assert "Lost by the model none" in out


def test_broken_off_it_leaves_a_run_that_says_so(tmp_path: Path) -> None:
    """In the middle of the capture, while its metrics are served."""
    capture, store = write_pcap(tmp_path / "all.pcap", traffic(600)), f"chdb://{tmp_path}/store"
    command = [*MONITOR, "replay", capture, "--speed", "1x", "--store", store, "--run-id", "x", "--metrics-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr
        url = process.stderr.readline().decode().split()[-1]
        deadline = time.monotonic() + 120
        while "monitor_packets_total 0.0" in (text := urllib.request.urlopen(url).read().decode()):
            assert time.monotonic() < deadline, text
            time.sleep(0.2)
        time.sleep(2.0)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert b"interrupted" in err
    assert b"10.0.0.66" in out
    with open_store(store) as opened:
        (left,) = recall.runs(opened)
        assert left["state"] == "partial"
        assert left["flows"] == opened.query("SELECT count() AS n FROM flows")["n"][0].as_py() > 89
        assert any(one["host"] == "10.0.0.66" for one in recall.incidents(opened))


def test_a_paced_replay_stores_and_judges_while_it_goes_on(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.judging.BETWEEN_LOOKS", 0.3)
    capture, store = write_pcap(tmp_path / "all.pcap", traffic(30)), f"chdb://{tmp_path}/store"
    status, _, err = run("replay", capture, "--speed", "10x", "--store", store, "--run-id", "x", "--format", "json")
    assert status == 0, err
    status, out, _ = run("flows", capture)
    with open_store(store) as opened:
        flows = opened.query("SELECT count() AS n, uniqExact(flow_id) AS own FROM flows").to_pylist()[0]
        assert flows == {"n": out.count("\n"), "own": out.count("\n")}
        states = opened.query("SELECT state FROM runs ORDER BY recorded")["state"].to_pylist()
        assert states.count("stored") >= 2
        assert states[-1] == "done"
        minutes = opened.query("SELECT sum(flows) AS n FROM flows_by_minute")["n"][0].as_py()
        assert minutes == flows["n"]
    assert run("incidents", "verify", "--store", store)[0] == 0

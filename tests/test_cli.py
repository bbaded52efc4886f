"""The whole way, on captures whose truth is known: commands, their output, and their exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import packets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import Run

from monitor.report.lines import INCIDENT_FIELDS

PYTHON = [sys.executable, "-m", "monitor"]


def test_a_replay_finds_the_attacks_and_stores_them(run: Run, capture: Path, tmp_path: Path) -> None:
    store = f"chdb://{tmp_path}/store"
    status, out, err = run("replay", capture, "--store", store, "--format", "json")
    assert status == 0
    incidents = [json.loads(line) for line in out.splitlines()]
    assert all(tuple(incident) == INCIDENT_FIELDS for incident in incidents)
    found = {(incident["detector"], incident["host"]): incident for incident in incidents}
    assert found["port_scan", "10.0.0.66"]["peer"] == "10.0.1.5"
    assert found["beacon", "10.0.0.77"]["peer"] == "203.0.113.9"
    assert "T1046" in found["horizontal_scan", "10.0.0.88"]["attack"]
    assert all(incident["reasons"] and incident["community_ids"] for incident in incidents)
    assert not [incident for incident in incidents if incident["host"] == "10.0.0.5"]
    assert "= 1,918 decoded + 2 ignored (arp 2) + 0 dropped" in err

    again = run("replay", capture, "--store", store, "--format", "json")
    assert again[1] == out
    status, facts, _ = run("db", "status", "--store", store, "--format", "json")
    assert (status, json.loads(facts)["flows"], json.loads(facts)["incidents"]) == (0, 429, len(incidents))

    status, listed, _ = run("incidents", "list", "--store", store, "--format", "json", "--severity", "high")
    assert {json.loads(line)["incident_id"] for line in listed.splitlines()} == {
        incident["incident_id"] for incident in incidents if incident["severity"] == "high"
    }
    status, shown, _ = run("incidents", "show", incidents[0]["incident_id"][:10], "--store", store)
    assert status == 0
    assert incidents[0]["host"] in shown
    run_id = json.loads(run("incidents", "show", incidents[0]["incident_id"], "--store", store, "--format", "json")[1])[
        "run_id"
    ]
    status, hunted, _ = run("hunt", "port_scan", "--run-id", run_id, "--store", store, "--format", "json")
    assert (status, [json.loads(line)["host"] for line in hunted.splitlines()]) == (0, ["10.0.0.66"])


def test_the_size_of_batches_does_not_show(
    run: Run, capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    incidents, records = [], []
    for size in (32768, 37):
        monkeypatch.setenv("MONITOR_CAPTURE__BATCH_PACKETS", str(size))
        incidents.append(run("replay", capture, "--store", "none", "--format", "json")[1])
        for format in ("jsonl", "arrow"):
            assert run("flows", capture, "-o", f"{size}.{format}")[0] == 0
        records.append([(tmp_path / f"{size}.{format}").read_bytes() for format in ("jsonl", "arrow")])
    assert incidents[0] == incidents[1] != ""
    assert records[0] == records[1]


def test_the_table_fits_80_columns_and_sums_up(run: Run, capture: Path) -> None:
    status, out, err = run("replay", capture, "--store", "none", "--model", "none")
    assert status == 0
    assert max(map(len, out.splitlines())) <= 80
    for said in ("incidents:", "port_scan", "Services", "Busiest hosts", "10.0.0.77", "Packets left out", "arp"):
        assert said in out
    assert "\x1b" not in out + err


def test_flow_files_agree(run: Run, capture: Path, tmp_path: Path) -> None:
    for format in ("jsonl", "csv", "parquet", "arrow"):
        status, out, err = run("flows", capture, "-o", f"flows.{format}")
        assert (status, out) == (0, "")
        assert err.count("\n") == 1
    rows = [json.loads(line) for line in (tmp_path / "flows.jsonl").read_text().splitlines()]
    assert len(rows) == 429
    arrow = pa.ipc.open_file(tmp_path / "flows.arrow").read_all()
    assert pq.read_table(tmp_path / "flows.parquet").to_pylist() == arrow.to_pylist()
    assert arrow["community_id"].to_pylist() == [row["community_id"] for row in rows]
    assert (tmp_path / "flows.csv").read_text().count("\n") == 430
    beats = [row for row in rows if row["src_ip"] == "10.0.0.77"]
    assert len(beats) == 120
    assert {(row["src_payload"], row["dst_payload"], row["state"]) for row in beats} == {(200, 300, "SF")}


def test_stdout_takes_every_format(small: Path) -> None:
    for format, begins in (("jsonl", b'{"sensor"'), ("csv", b"sensor,"), ("parquet", b"PAR1"), ("arrow", b"\xff\xff")):
        done = subprocess.run([*PYTHON, "flows", small, "--format", format], capture_output=True, check=True)
        assert done.stdout.startswith(begins)
        if format == "arrow":
            assert pa.ipc.open_stream(done.stdout).read_all().num_rows == 1


def test_a_model_is_trained_and_used(run: Run, capture: Path, tmp_path: Path) -> None:
    def visits() -> Iterator[packets.Packet]:
        for visit in range(1500):
            when = packets.START + visit * 3_000_000 + visit % 7 * 100_000
            answer = b"z" * (500 + visit * 37 % 4000)
            yield from packets.tcp_session(
                when, f"10.0.0.{visit % 50}", "198.51.100.7", 20000 + visit, 443, b"G" * 90, answer
            )

    benign = packets.write_pcap(tmp_path / "benign.pcap", sorted(visits()))
    status, out, _ = run("train", benign, "-o", "own")
    assert status == 0
    assert "What it learnt from" in out
    status, listed, _ = run("model", "list", tmp_path, "--format", "json")
    assert status == 0
    assert "own" in {json.loads(line)["name"] for line in listed.splitlines()}
    version = json.loads(run("model", "show", "own", "--format", "json")[1])["model_version"]
    status, _, _ = run("replay", capture, "--model", "own", "--store", f"chdb://{tmp_path}/s", "--format", "json")
    assert status == 0
    assert version


def test_settings_can_be_checked_and_shown(run: Run, tmp_path: Path) -> None:
    assert run("config", "check")[1] == "no monitor.toml found: the defaults: valid\n"
    (tmp_path / "monitor.toml").write_text('sensor = "edge"\n')
    assert run("config", "check")[1] == "monitor.toml: valid\n"
    status, out, _ = run("config", "dump")
    assert status == 0
    assert 'sensor = "edge"' in out
    assert json.loads(run("config", "dump", "--format", "json")[1])["sensor"] == "edge"


def test_the_version_is_told(run: Run) -> None:
    assert run("--version") == (0, "monitor 0.1.0\n", "")


def test_help_loads_nothing_heavy() -> None:
    heavy = (
        "numba",
        "numpy",
        "pyarrow",
        "chdb",
        "clickhouse_connect",
        "sklearn",
        "prometheus_client",
        "pydantic",
        "rich",
    )
    code = (
        "import sys; sys.argv = ['monitor', '--help']\n"
        "from monitor.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    assert "replay" in done.stdout


def test_a_search_loads_no_more_than_it_needs(tmp_path: Path) -> None:
    """Text is taken as it is: the validator that Typer would load for it takes as long as much of the search."""
    session = packets.tcp_session(packets.START, "10.0.0.1", "198.51.100.7", 20000, 443, b"G" * 90, b"z" * 500)
    capture = packets.write_pcap(tmp_path / "one.pcap", session)
    words = ["monitor", "carve", str(capture), "--filter", "tcp", "-o", str(tmp_path / "out.pcapng")]
    code = (
        f"import sys; sys.argv = {words}\n"
        "from monitor.cli import main\n"
        "try: main()\n"
        "except SystemExit as ended: assert not ended.code\n"
        "print([name for name in ('numba', 'pyarrow', 'pydantic', 'monitor.flows.decode') if name in sys.modules])"
    )
    for _ in range(2):  # the first may compile
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\n[]\n")

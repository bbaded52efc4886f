"""The whole way, on captures whose truth is known: commands, their output, and their exit status."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import packets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commands import Run

from monitor.report.lines import INCIDENT_FIELDS

PYTHON = [sys.executable, "-m", "monitor"]


def attacks() -> Iterator[packets.Packet]:
    """A scan of ports, a sweep for SMB, a beacon every 30 s, ten ordinary visits, and two packets that are no flow."""
    start = packets.START
    for port in range(1, 200):
        yield start + port * 20_000, packets.tcp("10.0.0.66", "10.0.1.5", 40000 + port, port, "S", seq=7)
        yield start + port * 20_000 + 500, packets.tcp("10.0.1.5", "10.0.0.66", port, 40000 + port, "RA", ack=8)
    for host in range(100):
        yield start + host * 10_000 + 7, packets.tcp("10.0.0.88", f"10.0.2.{host}", 50000 + host, 445, "S")
    for beat in range(120):
        when = start + beat * 30_000_000 + (beat * 7919 % 13) * 50_000
        yield from packets.tcp_session(when, "10.0.0.77", "203.0.113.9", 50000 + beat, 443, b"x" * 200, b"y" * 300)
    for visit in range(10):
        when = start + visit * visit * 7_000_000
        yield from packets.tcp_session(when, "10.0.0.5", f"198.51.100.{visit}", 51000 + visit, 443, b"GET", b"z" * 9000)
    for second in (1, 2):
        yield start + second * 1_000_000, packets.ethernet(b"\0\1\x08\0\6\4\0\1" + bytes(20), ethertype=0x0806)


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packets.write_pcap(tmp_path_factory.mktemp("captures") / "attacks.pcap", sorted(attacks()))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    session = packets.tcp_session(packets.START, "10.0.0.5", "203.0.113.9", 50000, 443, b"x" * 50, b"y" * 90)
    return packets.write_pcap(tmp_path_factory.mktemp("captures") / "small.pcap", session)


# ---- the whole way


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


# ---- what can be wrong


def bad_inputs(folder: Path) -> dict[str, Path]:
    """A path for each way in which an input can be none."""
    named = {name: folder / name for name in ("empty.pcap", "text.pcap", "missing.pcap", "folder", "model")}
    named["empty.pcap"].touch()
    named["text.pcap"].write_text("No capture, only words.\n")
    named["folder"].mkdir()
    (named["folder"] / "notes.txt").write_text("nor here\n")
    named["model"].mkdir()
    (named["model"] / "card.json").write_text("{}")
    return named


@pytest.mark.parametrize("command", ["flows", "replay"])
@pytest.mark.parametrize("bad", ["empty.pcap", "text.pcap", "missing.pcap", "folder"])
def test_what_is_no_capture_is_one_line_and_exit_1(run: Run, tmp_path: Path, bad: str, command: str) -> None:
    path = bad_inputs(tmp_path)[bad]
    status, out, err = run(command, path)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("monitor: ")
    assert bad in err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_capture_is_one_line(run: Run, tmp_path: Path, small: Path) -> None:
    locked = tmp_path / "locked.pcap"
    locked.write_bytes(small.read_bytes())
    locked.chmod(0)
    status, out, err = run("flows", locked)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "locked.pcap" in err


@pytest.mark.parametrize("command", ["flows", "replay"])
def test_a_truncated_capture_gives_what_is_before_and_exit_3(
    run: Run, capture: Path, tmp_path: Path, command: str
) -> None:
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(capture.read_bytes()[:50_000])
    options = ("--store", "none", "--format", "json") if command == "replay" else ()
    status, out, err = run(command, cut, *options)
    assert status == 3
    assert out
    assert "cut.pcap: stopped at byte " in err


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("flows", "{small}", "--format", "xml"), 2, "--format"),
        (("flows", "{small}", "-o", "flows.xml"), 2, "flows.xml: the extension does not tell the format"),
        (("flows", "{small}", "-o", "no/such/folder/flows.csv"), 1, "No such file or directory"),
        (("flows", "{small}", "-o", "/dev/full", "--format", "jsonl"), 1, "No space left on device"),
        (("flows", "{small}", "--config", "bad.toml"), 2, "bad.toml: alert_budgt: unknown key; did you mean"),
        (("flows", "{small}", "--config", "none.toml"), 2, "none.toml: cannot be read"),
        (("flows",), 2, "CAPTURE"),
        (("replay", "{small}", "--model", "nowhere"), 1, "nowhere: no model here"),
        (("replay", "{small}", "--model", "model"), 1, "card.json"),
        (("replay", "{small}", "--store", "ftp://x"), 2, "expected chdb:///folder"),
        (("replay", "{small}", "--store", "http://u:secret@h/d"), 2, "the URL holds a password"),
        (("replay", "{small}", "--store", "http://127.0.0.1:9/d"), 1, "127.0.0.1:9"),
        (("replay", "{small}", "--store", "chdb:///proc/none"), 1, "the folder cannot be used"),
        (("replay", "{small}", "--run-id", "../x"), 2, "run id"),
        (("replay", "{small}", "--speed", "warp"), 2, "--speed"),
        (("replay", "{small}", "--metrics-port", "99999"), 2, "--metrics-port"),
        (("hunt", "port_scam"), 2, "unknown hunt 'port_scam'; did you mean port_scan?"),
        (("incidents", "show", "ffff", "--store", "none"), 1, "monitor db init"),
        (("model", "show", "nowhere"), 1, "nowhere: no model here"),
        (("model", "list", "nowhere"), 1, "nowhere: not a folder"),
        (("train", "text.pcap", "-o", "out"), 1, "text.pcap"),
        (("train", "{small}", "-o", "out"), 1, ""),
        (("frobnicate",), 2, "frobnicate"),
    ],
)  # fmt: skip
def test_mistakes_are_told_without_a_traceback(
    run: Run, small: Path, tmp_path: Path, arguments: tuple[str, ...], status: int, said: str
) -> None:
    bad_inputs(tmp_path)
    (tmp_path / "bad.toml").write_text("alert_budgt = 3\n")
    got, out, err = run(*[argument.format(small=small) for argument in arguments])
    assert (got, out) == (status, "")
    assert said in err
    assert "secret" not in err
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part") or path.name == "out"]


def test_a_store_in_use_is_told_with_what_to_do(run: Run, small: Path, tmp_path: Path) -> None:
    from monitor.store import open_store

    with open_store(f"chdb://{tmp_path}/store"):
        status, out, err = run("replay", small, "--store", f"chdb://{tmp_path}/store")
    assert (status, out) == (1, "")
    assert "in use by" in err
    assert "--store" in err


def test_a_failed_replay_leaves_the_last_one_as_it_was(run: Run, capture: Path, tmp_path: Path) -> None:
    store = f"chdb://{tmp_path}/store"
    assert run("replay", capture, "--store", store, "--run-id", "day", "--format", "json")[0] == 0
    before = run("incidents", "list", "--store", store, "--format", "json")[1]
    assert run("replay", tmp_path / "missing.pcap", "--store", store, "--run-id", "day")[0] == 1
    assert run("incidents", "list", "--store", store, "--format", "json")[1] == before != ""


# ---- pipes, interrupts, metrics


def test_standard_input_is_read_as_it_arrives(small: Path) -> None:
    done = subprocess.run([*PYTHON, "flows", "-"], input=small.read_bytes(), capture_output=True, check=True)
    assert json.loads(done.stdout)["dst_payload"] == 90


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_what_was_read(small: Path, tmp_path: Path, number: signal.Signals) -> None:
    """The writer of the pipe is silent, so the monitor waits for packets when the signal comes."""
    output = tmp_path / "flows.jsonl"
    with subprocess.Popen(
        [*PYTHON, "flows", "-", "-o", output], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=False
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(small.read_bytes())
        process.stdin.flush()
        started = time.monotonic()
        while not list(tmp_path.glob(".flows.jsonl*")) and time.monotonic() - started < 300:
            time.sleep(0.05)
        time.sleep(2.0)
        process.send_signal(number)
        err = process.stderr.read().decode()
        assert process.wait(60) == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    assert json.loads(output.read_text())["dst_payload"] == 90
    assert os.listdir(tmp_path) == ["flows.jsonl"]


def test_a_closed_pipe_is_no_drama(capture: Path) -> None:
    with subprocess.Popen([*PYTHON, "flows", capture], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(100)
        process.stdout.close()
        err = process.stderr.read().decode()
        process.wait(60)
    assert "Traceback" not in err
    assert "Exception" not in err


def test_progress_is_shown_on_a_terminal_only(small: Path, tmp_path: Path) -> None:
    terminal, ours = pty.openpty()
    with subprocess.Popen([*PYTHON, "flows", small, "-o", tmp_path / "f.csv"], stderr=ours, stdout=ours) as process:
        os.close(ours)
        shown = b""
        while True:
            try:
                shown += os.read(terminal, 65536)
            except OSError:  # the other side is closed
                break
        assert process.wait(60) == 0
    os.close(terminal)
    assert b"\x1b[" in shown
    assert b"flows" in shown
    assert b" packets = " in shown


def test_a_flood_is_counted_not_fatal(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITOR_FLOWS__MAX_FLOWS", "1024")
    syns = [
        (packets.START + at * 10, packets.tcp(f"172.16.{at >> 8}.{at & 255}", "10.0.0.1", 1024 + at, 80, "S"))
        for at in range(3000)
    ]
    flood = packets.write_pcap(tmp_path / "flood.pcap", syns)
    status, out, err = run("flows", flood)
    assert status == 0
    assert out.count("\n") == 3000
    assert "3,000 flows (" in err
    assert "ended early, for want of room)" in err


def test_metrics_are_served_during_a_replay_and_held_after_it(capture: Path) -> None:
    command = [*PYTHON, "replay", capture, "--store", "none", "--metrics-port", "0", "--metrics-hold", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines: list[str] = []
        done = threading.Event()

        def listen() -> None:
            for line in process.stderr or ():
                lines.append(line)
                if "monitor: run " in line:
                    done.set()

        threading.Thread(target=listen, daemon=True).start()
        assert done.wait(300), lines
        url = next(line.split()[-1] for line in lines if "/metrics" in line)
        text = urllib.request.urlopen(url, timeout=10).read().decode()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    samples = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(samples["monitor_packets_total"]) == 1920
    assert float(samples['monitor_packets_ignored_total{reason="arp"}']) == 2
    assert float(samples['monitor_store_rows_total{outcome="written",table="flows"}']) == 429
    assert float(samples['monitor_incidents_total{detector="port_scan",severity="high"}']) == 1
    assert float(samples['monitor_score_count{service="tls"}']) > 100
    assert 'monitor_score_count{service="rdp"}' in samples
    active = [name for name in samples if name.startswith("monitor_incident_active{")]
    assert any('host="10.0.0.77"' in name and 'peer="203.0.113.9"' in name for name in active)
    assert any(name.startswith("monitor_model_info{") for name in samples)

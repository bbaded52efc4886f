"""Commands as processes: pipes, interrupts, terminals, floods, and the metrics that they serve."""

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
from pathlib import Path

import packets
import pytest
from commands import Run

PYTHON = [sys.executable, "-m", "monitor"]


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

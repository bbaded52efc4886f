"""`monitor doctor` finds what is wrong, says how to mend it, and its remedies do mend it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from wire import MONITOR, ROOT, Wire, needs_root, run, wire

from monitor.sensor.heard import heard
from monitor.store import open_store

pytestmark = [pytest.mark.root, needs_root]


def examined(line: Wire, folder: Path, *options: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Exit status, and the findings by what was looked at."""
    command = line.on(
        line.sensor, MONITOR, "doctor", "--format", "json", "--store", f"chdb://{folder / 'store'}", *options
    )
    environment = {**os.environ, "MONITOR_STORE__SPOOL": str(folder / "spool")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT, env=environment)
    assert done.stderr == ""
    rows = [json.loads(row) for row in done.stdout.splitlines()]
    return done.returncode, {row["check"]: row for row in rows}


def test_each_fault_is_found_and_its_remedy_mends_it(tmp_path: Path) -> None:
    """An offload that merges packets, a port that is down, a name that is none."""
    with wire() as line:
        run(*line.on(line.sensor, "ethtool", "-K", "span0", "gro", "on"))
        run("ip", "-n", line.sensor, "link", "set", "span0", "down")
        status, found = examined(line, tmp_path, "-i", "span0", "-i", "span9")
        assert status == 1
        assert {name for name, row in found.items() if row["state"] == "failed"} == {
            "interface span0",
            "interface span9",
        }
        offloads = found["offloads of span0"]
        assert offloads["state"] == "warning"
        run(*line.on(line.sensor, *shlex.split(offloads["remedy"])))
        run(*line.on(line.sensor, *shlex.split(found["interface span0"]["remedy"].split(";")[0])))
        until = time.monotonic() + 10
        while run(*line.on(line.sensor, "cat", "/sys/class/net/span0/operstate")).strip() != "up":
            assert time.monotonic() < until
            time.sleep(0.05)
        status, found = examined(line, tmp_path, "-i", "span0")
        assert (status, found["offloads of span0"]["state"], found["interface span0"]["state"]) == (0, "ok", "ok")
        assert {"privileges", "clock", "workers", "disk of the store", "disk of the spool", "store", "model"} < set(
            found
        )


def test_what_the_sensor_wrote_down_is_told(tmp_path: Path) -> None:
    """Of its latest day: a fifth of the payload lost, most connections one-sided; another sensor's is left out."""
    day = datetime(2026, 11, 3, 12, tzinfo=UTC)
    said = [("packets", "", 1e6), ("tcp_payload_bytes", "", 1000), ("tcp_missed_bytes", "", 200)]
    said += [("tcp_connections", "", 10), ("tcp_one_sided", "", 9), ("packets_dropped", "duplicate", 1000)]
    with open_store(f"chdb://{tmp_path}/store") as store:
        store.measure(day, "sensor", said)
        store.measure(day, "other", [("kernel_drops", "", 9e5), ("flows_lost", "queue_full", 7)])
        found = {row.check: row for row in heard(store, "sensor")}
        (nothing,) = heard(store, "nobody")
    assert "1,000,000 packets" in found["heard"].found
    assert {name: row.found.split()[0] for name, row in found.items() if row.state == "warning"} == {
        "loss before us": "20.00%",
        "one-sided": "90.00%",
    }
    assert all((ROOT / row.remedy).exists() for row in found.values() if row.remedy)
    assert "nothing down" in nothing.found


def test_without_privilege_it_says_so(tmp_path: Path) -> None:
    """And a store that is no store, and a model that is none."""
    with wire() as line:
        command = [
            "setpriv",
            "--bounding-set",
            "-net_raw",
            "--inh-caps",
            "-net_raw",
            MONITOR,
            "doctor",
            "--format",
            "json",
        ]
        command += ["--store", "mysql://x", "--model", tmp_path]
        done = subprocess.run(
            line.on(line.sensor, *command), capture_output=True, text=True, timeout=60, check=False, cwd=ROOT
        )
    found = {row["check"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 1
    assert {name for name, row in found.items() if row["state"] == "failed"} == {"privileges", "store", "model"}
    assert all(row["remedy"] for row in found.values() if row["state"] in ("failed", "warning"))

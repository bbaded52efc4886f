"""`monitor incidents watch` beside a sensor that writes to the same server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

import pytest
from incident_events import incident

from monitor.store import open_store


def test_what_a_sensor_writes_is_told(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITOR_STORE_PASSWORD", "correct horse")
    url = server.url.replace("traffic", "watched")
    command = [sys.executable, "-m", "monitor", "incidents", "watch", "--store", url, "--every", "0.1"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with open_store(url) as store:
        store.insert_incidents([incident(1)], writer="edge")
        with subprocess.Popen(command, env=dict(os.environ), **pipes) as process:
            assert process.stdout
            first = process.stdout.readline()
            store.insert_incidents([incident(2, severity="critical", host="2001:db8::5")], writer="edge")
            second = process.stdout.readline()
            store.insert_incidents([{**incident(1), "event": "closed", "state": "closed"}], writer="edge")
            third = process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130
    assert "opened" in first
    assert all(word in second for word in ("opened", "critical", "2001:db8::5 → 203.0.113.9"))
    assert all(word in third for word in ("closed", "10.0.0.5"))

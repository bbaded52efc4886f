"""An embedded store in a folder of the test's own, and a ClickHouse server on loopback."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from monitor.store import Store, open_store

USER, PASSWORD = "writer", "correct horse"
REAL = "MONITOR_TEST_CLICKHOUSE"
"""Variable with the URL of a real server that knows that user and holds nothing (deploy/compose.tests.yaml)."""


class Server(NamedTuple):
    """Where the test server listens."""

    port: int
    ca_file: Path | None = None

    @property
    def url(self) -> str:
        """URL of a database on it."""
        return f"http{'s' if self.ca_file else ''}://{USER}@127.0.0.1:{self.port}/traffic"

    def fault(self, kind: str, *, requests: int = 1, seconds: float = 0.3) -> None:
        """Let something go wrong from the next insert on (`server_faults`)."""
        assert self._ask(f"/fault?kind={kind}&requests={requests}&seconds={seconds}") == 200

    def calm(self) -> None:
        """Wait until nothing is wrong any more: a fault may outlast the inserts that it was meant for."""
        until = time.monotonic() + 120
        while time.monotonic() < until:
            with suppress(OSError):  # refused, an unknown certificate, 503
                if self._ask("/calm") == 200:
                    return
            time.sleep(0.02)
        raise TimeoutError("the test server's fault does not end")

    def _ask(self, path: str) -> int:
        trusted = ssl.create_default_context(cafile=self.ca_file) if self.ca_file else None
        asked = f"{self.url.partition('//')[0]}//127.0.0.1:{self.port}{path}"
        with urllib.request.urlopen(asked, timeout=10, context=trusted) as answer:
            return int(answer.status)


@contextmanager
def running(folder: Path, *options: str, before: str | None = os.environ.get(REAL)) -> Iterator[Server]:
    """A ClickHouse server that knows one user, with what it holds in `folder`, or a real one behind our faults."""
    options = (*options, "--before", before) if before else options
    script = Path(__file__).with_name("clickhouse_server.py")
    command = [sys.executable, str(script), str(folder / "engine"), USER, PASSWORD, *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield Server(int(process.stdout.readline()), folder / "ca.pem" if "--tls" in options else None)
        assert process.stdin
        process.stdin.close()
        process.wait(timeout=30)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A ClickHouse server."""
    with running(tmp_path_factory.mktemp("server")) as started:
        yield started


@pytest.fixture(scope="session")
def secure_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One with TLS, its certificate signed by an authority of its own."""
    with running(tmp_path_factory.mktemp("secure"), "--tls") as started:
        yield started


@pytest.fixture
def front(server: Server, tmp_path: Path) -> Iterator[Server]:
    """One with TLS and faults that stands before `server` as before a real one."""
    with running(tmp_path, "--tls", before=f"http://127.0.0.1:{server.port}") as started:
        yield started


@pytest.fixture(params=["chdb", "http"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of an empty store, embedded and on a server."""
    if request.param == "chdb":
        return f"chdb://{tmp_path}/store"
    monkeypatch.setenv("MONITOR_STORE_PASSWORD", PASSWORD)
    running: Server = request.getfixturevalue("server")
    name = "".join(letter if letter.isalnum() else "_" for letter in request.node.name)[:60]
    return running.url.replace("traffic", name)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """An open, empty store."""
    with open_store(url) as opened:
        yield opened

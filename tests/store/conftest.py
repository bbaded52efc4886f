"""An embedded store in a folder of the test's own, and a ClickHouse server on loopback."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from monitor.store import Store, open_store

USER, PASSWORD = "writer", "correct horse"


class Server(NamedTuple):
    """Where the test server listens."""

    port: int

    @property
    def url(self) -> str:
        """URL of a database on it."""
        return f"http://{USER}@127.0.0.1:{self.port}/traffic"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A ClickHouse server that knows one user."""
    script = Path(__file__).with_name("clickhouse_server.py")
    command = [sys.executable, str(script), str(tmp_path_factory.mktemp("server") / "engine"), USER, PASSWORD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield Server(int(process.stdout.readline()))
        assert process.stdin
        process.stdin.close()
        process.wait(timeout=30)


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

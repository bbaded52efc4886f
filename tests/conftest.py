"""Fixtures that every test may use: the shared captures, commands to run, and a home of its own for each test."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import packets
import pytest
from attacks_capture import attacks
from commands import Run
from hypothesis import HealthCheck, settings

from monitor.cli import main

# How fast an example runs says something of the machine only: a kernel compiles at first, others work beside us.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# A shell that starts the tests in the background has them ignore SIGINT; their interrupts are real ones.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the labelled captures beside the checkout; the test skips, saying so, without it."""
    folder = ROOT.parent / "shared" / "data"
    if not (folder / "labels.tsv").is_file():
        pytest.skip("the shared captures (../shared/data) are not on this machine")
    return folder


@pytest.fixture(scope="session")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture with a scan, a sweep, a beacon and visits (`attacks_capture`)."""
    return packets.write_pcap(tmp_path_factory.mktemp("captures") / "attacks.pcap", sorted(attacks()))


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture of one TCP connection."""
    session = packets.tcp_session(packets.START, "10.0.0.5", "203.0.113.9", 50000, 443, b"x" * 50, b"y" * 90)
    return packets.write_pcap(tmp_path_factory.mktemp("captures") / "small.pcap", session)


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes into the user's data folder."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data-home")))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs `monitor ARGUMENTS...`; gives exit status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")

    def command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["monitor", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        code = left.value.code
        return (code if isinstance(code, int) else 0 if code is None else 1), out, err

    return command

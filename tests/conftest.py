"""Fixtures that every test may use: where the shared captures are, and a home of its own for each test."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

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


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes into the user's data folder."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data-home")))

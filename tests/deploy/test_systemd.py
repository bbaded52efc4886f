"""The unit of deploy/systemd, as systemd's own tools read it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "deploy" / "systemd" / "monitor.service"
MOST_EXPOSED = 2.0
"""Of 10: what docs/live.md promises, and what `systemd-analyze security` calls OK."""

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze on this machine")


def analysed(*words: str | Path) -> str:
    done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_unit_is_valid(tmp_path: Path) -> None:
    """No unknown key, no word that systemd ignores; the program itself is not installed here."""
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/monitor/.venv/bin/monitor", "/bin/true"))
    assert analysed("verify", unit) == ""


def test_the_exposure_is_what_the_docs_say() -> None:
    """The score is of the unit alone: `--offline` looks at nothing that runs."""
    told = analysed("security", "--offline=true", UNIT)
    score = float(re.search(r"Overall exposure level for monitor.service: ([0-9.]+)", told)[1])  # type: ignore[index]
    assert score <= MOST_EXPOSED
    assert f"exposure level {score}" in (ROOT / "docs" / "live.md").read_text()

"""Makes the benchmarks importable, and keeps what they build in the test's own folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or replaces the inputs of a real measurement."""
    monkeypatch.setenv("MONITOR_BENCH_DIR", str(tmp_path / "bench"))
    return tmp_path / "bench"

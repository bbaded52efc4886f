"""docs/metrics.md names every metric that is exported, as it is exported today."""

from __future__ import annotations

from pathlib import Path

from exported import exported

from monitor.alerts.metric_docs import markdown

DOCUMENT = Path(__file__).parents[2] / "docs/metrics.md"


def test_the_document_is_current() -> None:
    assert DOCUMENT.read_text("utf-8") == markdown(), "run `make docs`"


def test_every_series_is_named() -> None:
    text = markdown()
    for name in exported():
        if name.startswith("monitor_") and not name.endswith(("_bucket", "_sum", "_count", "_created")):
            assert f"| `{name}` |" in text

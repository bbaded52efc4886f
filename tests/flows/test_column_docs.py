"""docs/flows.md says of every column how it is computed, and is what the schema says today."""

from __future__ import annotations

from pathlib import Path

from monitor.flows.column_docs import HOW, markdown
from monitor.flows.schema import NAMES

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "flows.md"


def test_every_column_is_explained() -> None:
    assert sorted(HOW) == sorted(NAMES)


def test_the_document_is_current() -> None:
    assert DOCUMENT.read_text() == markdown(), "run `make docs`"

"""docs/settings.md is what the settings are, every one of them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from monitor.config import dump, load_settings
from monitor.setting_docs import markdown

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "settings.md"


def test_the_document_is_current() -> None:
    assert DOCUMENT.read_text() == markdown(), "run `make docs`"


def test_every_setting_of_the_file_has_a_row(tmp_path: Path) -> None:
    def leaves(table: dict[str, Any]) -> set[str]:
        nested = (leaves(value) for value in table.values() if isinstance(value, dict) and value)
        return set(table).union(*nested)

    (tmp_path / "monitor.toml").write_text("")
    names = leaves(tomllib.loads(dump(load_settings(tmp_path / "monitor.toml"))))
    text = markdown()
    assert len(names) > 40
    assert [name for name in names if f"`{name}`" not in text and f"{name}]" not in text] == []

"""A model goes into use and out again; what is damaged or missing changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.model import Model, ModelError, load
from monitor.model.lifecycle import current_version, history, promote, roll_back


@pytest.fixture
def newer(model: Model, tmp_path: Path) -> Path:
    folder = tmp_path / "newer"
    Model(model.classes, {**model.card, "model_version": "20990101-00000000"}).save(folder)
    return folder


def test_promote_and_roll_back(model: Model, model_folder: Path, newer: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    promote(str(model_folder), site)
    promote(str(newer), site, reason="autumn")
    assert load(site).version == "20990101-00000000"
    assert roll_back(site)["to"] == load(site).version == model.version
    with pytest.raises(ModelError, match="no model was in use before"):
        roll_back(site)
    promote("20990101-00000000", site)
    assert current_version(site) == "20990101-00000000"
    assert [(change["action"], change["reason"]) for change in history(site)] == [
        ("promote", ""),
        ("promote", "autumn"),
        ("rollback", ""),
        ("promote", ""),
    ]


def test_what_does_not_pass_changes_nothing(model: Model, model_folder: Path, newer: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    promote(str(model_folder), site)
    metrics = {**model.card["metrics"], "ks_distance": 0.9}
    Model(model.classes, {**model.card, "model_version": "bad", "metrics": metrics}).save(tmp_path / "bad")
    with pytest.raises(ModelError, match=r"ks_distance is 0\.9"):
        promote(str(tmp_path / "bad"), site)
    next(newer.glob("*.npz")).write_bytes(b"damaged")
    with pytest.raises(ModelError, match="SHA-256"):
        promote(str(newer), site, force=True)
    with pytest.raises(ModelError, match="no model here"):
        promote("20200101-gone", site)
    assert load(site).version == model.version
    assert len(history(site)) == 1
    assert promote(str(tmp_path / "bad"), site, force=True)["to"] == "bad"


def test_a_damaged_pointer_is_said_and_force_mends_it(model_folder: Path, newer: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    promote(str(model_folder), site)
    (site / "current").write_text("../escape")
    for change in (lambda: roll_back(site), lambda: promote(str(newer), site)):
        with pytest.raises(ModelError, match=r"names '\.\./escape'"):
            change()
    promote(str(newer), site, force=True)
    assert load(site).version == "20990101-00000000"


def test_roll_back_without_history(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model was in use"):
        roll_back(tmp_path)

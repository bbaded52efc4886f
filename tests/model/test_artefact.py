"""A model that is missing, damaged or of other features is refused with a line that helps; none is half-written."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.model import Model, ModelError, artefact, load
from monitor.model.scoring import pack
from monitor.model.service_model import from_arrays


@pytest.fixture
def saved(model_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_folder, tmp_path / "site"))


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    card = json.loads((folder / "card.json").read_text())
    change(card)
    (folder / "card.json").write_text(json.dumps(card))


def arrays_of(folder: Path) -> Path:
    return next(folder.glob("*.npz"))


def complaint(folder: Path) -> str | None:
    """What loading says, None when the model is fine."""
    try:
        load(folder)
    except ModelError as error:
        return str(error)
    return None


def refuse(folder: Path, *words: str) -> None:
    said = complaint(folder)
    assert said is not None
    for word in (*words, str(folder)):
        assert word in said


def test_a_missing_folder_and_a_folder_without_model(tmp_path: Path) -> None:
    refuse(tmp_path / "nowhere", "no model here", "monitor train")
    refuse(tmp_path, "no model here")


def test_missing_arrays(saved: Path) -> None:
    arrays_of(saved).unlink()
    refuse(saved, "cannot be read", ".npz")


def test_truncated_and_altered_arrays(saved: Path) -> None:
    content = arrays_of(saved).read_bytes()
    for damaged in (content[:-1], content[: len(content) // 2], b"", content[:100] + b"x" + content[101:]):
        arrays_of(saved).write_bytes(damaged)
        refuse(saved, "SHA-256", "monitor train")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 1', "\x00\xff"])
def test_a_card_that_is_none(saved: Path, text: str) -> None:
    (saved / "card.json").write_bytes(text.encode("latin-1"))
    refuse(saved, "card.json")


def test_another_feature_version_says_both(saved: Path) -> None:
    edit(saved, lambda card: card.update(feature_version=999))
    refuse(saved, "999", "version 1", "train a new model")


def test_other_feature_names_are_another_version(saved: Path) -> None:
    edit(saved, lambda card: card.update(features=[*card["features"][1:], "weather"]))
    refuse(saved, "features")


def test_another_format(saved: Path) -> None:
    edit(saved, lambda card: card.update(format=2))
    refuse(saved, "format 2")


@pytest.mark.parametrize(
    "change",
    [
        lambda card: card.pop("arrays"),
        lambda card: card["arrays"].update(file=7),
        lambda card: card["arrays"].update(file="../other/model.npz"),
        lambda card: card.pop("classes"),
        lambda card: card.update(classes=["dns"]),
        lambda card: card.update(classes=["a", "b", "c", "d", "e", "f", "other"]),
        lambda card: card["services"]["other"].update(flows_per_day=-1),
        lambda card: card["services"]["other"].update(flows_per_day="many"),
        lambda card: card.pop("model_version"),
    ],
)
def test_a_card_with_parts_missing_or_wrong(saved: Path, change: Callable[[dict[str, Any]], object]) -> None:
    edit(saved, change)
    refuse(saved)


def test_pickle_is_never_loaded(saved: Path) -> None:
    """Arrays of objects, with a card that fits them."""
    np.savez(saved / "evil.npz", **{"0.feature": np.array([{"a": 1}], dtype=object)})
    digest = hashlib.sha256((saved / "evil.npz").read_bytes()).hexdigest()
    edit(saved, lambda card: card["arrays"].update(file="evil.npz", sha256=digest))
    refuse(saved, "plain arrays")


BREAKS: dict[str, Callable[[dict[str, np.ndarray]], object]] = {
    "feature beyond": lambda a: a["0.feature"].fill(200),
    "threshold nan": lambda a: a["0.threshold"].fill(np.nan),
    "path infinite": lambda a: a["0.path"].fill(np.inf),
    "tree incomplete": lambda a: a.update({"0.threshold": a["0.threshold"][:, :-1].copy()}),
    "shape differs": lambda a: a.update({"0.path": a["0.path"][:-1].copy()}),
    "scores unordered": lambda a: a.update({"0.scores": a["0.scores"][::-1].copy()}),
    "p above one": lambda a: a["0.upper"].fill(2.0),
    "wrong type": lambda a: a.update({"0.median": a["0.median"].astype(np.float64)}),
    "median short": lambda a: a.update({"0.median": a["0.median"][:-1].copy()}),
    "constants": lambda a: a["0.constants"].fill(0),
    "missing": lambda a: a.pop("0.low"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_arrays_that_would_mislead_the_kernels_are_refused(model: Model, name: str) -> None:
    arrays = {key: value.copy() for key, value in model.classes[0].arrays("0").items()}
    BREAKS[name](arrays)
    with pytest.raises(ValueError, match=r"tls|dns"):
        from_arrays(model.classes[0].name, arrays, "0")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_damage_to_the_card_gives_a_model_or_a_clear_error(model_folder: Path, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(shutil.copytree(model_folder, Path(name) / "site"))
        content = bytearray((folder / "card.json").read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        (folder / "card.json").write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]))
        said = complaint(folder)
        assert said is None or str(folder) in said


def test_the_same_arrays_are_the_same_bytes(model: Model) -> None:
    assert pack(model.classes) == pack(model.classes)


def test_writing_replaces_the_old_model_and_leaves_nothing_else(model: Model, saved: Path) -> None:
    (saved / "older.npz").write_bytes(b"old")
    model.save(saved)
    assert sorted(path.name for path in saved.iterdir()) == [f"{model.version}.npz", "card.json"]


def test_a_disk_that_fills_up_leaves_the_old_model(model: Model, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new arrays reach the disk, the new card does not."""
    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    real, calls = os.fsync, []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    newer = Model(model.classes, {**model.card, "model_version": "20990101-00000000"})
    with pytest.raises(OSError, match="No space"):
        newer.save(saved)
    monkeypatch.undo()
    assert load(saved).version == model.version
    for name, content in before.items():
        assert (saved / name).read_bytes() == content


def test_a_registry_names_the_version_in_use(model: Model, saved: Path, tmp_path: Path) -> None:
    saved.rename(tmp_path / model.version)
    (tmp_path / "current").write_text(model.version + "\n")
    assert load(tmp_path).version == model.version
    for wrong in ("20200101-gone", "../escape", ""):
        (tmp_path / "current").write_text(wrong)
        refuse(tmp_path, "promote")


def test_object_arrays_cannot_be_packed() -> None:
    with pytest.raises(ValueError, match=r"[Oo]bject"):
        artefact.pack({"a": np.array([{}], dtype=object)})

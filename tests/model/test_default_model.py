"""models/default: loads, is small, and its card tells where it is from and keeps the promise on false alarms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monitor.model import Model, Source, load

FOLDER = Path(__file__).resolve().parent.parent.parent / "models" / "default"


@pytest.fixture(scope="module")
def default() -> Model:
    return load()


def test_it_is_small_and_complete() -> None:
    sizes = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
    assert sum(sizes.values()) < 3_000_000
    assert len(sizes) == 2


def test_its_card_names_its_origin_and_no_machine(default: Model) -> None:
    card = default.card
    assert card["sessions"] >= 60
    assert card["flows"] > 50_000
    assert len(card["data_sha256"]) == 64
    text = (FOLDER / "card.json").read_text()
    assert not any(word in text for word in ("/work", "/root", "/home", "/tmp"))


def test_its_card_shows_uniform_p_values_on_held_back_flows(default: Model) -> None:
    assert default.card["metrics"]["held_back_flows"] >= 5_000
    assert default.card["metrics"]["ks_distance"] < 0.05


@pytest.mark.data
def test_it_finds_few_benign_flows_strange(default: Model, benign: list[Source]) -> None:
    """Over all benign captures, bulk look-ups included: at most twice the share that the budget's cut allows."""
    p_values = np.concatenate(
        [default.score(batch).column("p_value").to_numpy() for source in benign for batch in source.batches]
    )
    assert (p_values <= max(default.p_cuts(10).values())).sum() <= 5
    assert (p_values <= 0.01).mean() < 0.02

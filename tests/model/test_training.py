"""Training is deterministic, splits by time, gives uniform p-values on what it did not see, and says so in the card."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from synthetic_flows import ordinary

from monitor.model import Model, Source, TrainSettings, train
from monitor.model.calibration import uniform_distance
from monitor.model.features import FEATURE_NAMES, FEATURE_VERSION
from monitor.model.gathering import gather
from monitor.model.split import Role

QUICK = TrainSettings(trees=10, samples=64)


def days(count: int = 2) -> list[Source]:
    return [Source(f"day {day}", [ordinary(3_000, seed=day)]) for day in range(count)]


def written(model: Model, folder: Path) -> dict[str, bytes]:
    model.save(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_flows_give_the_same_bytes_whatever_their_order(tmp_path: Path) -> None:
    """Sources in another order, batches cut otherwise, rows shuffled within a session."""
    first = written(train(days(), QUICK), tmp_path / "a")
    cut = [
        Source(source.session, [batch.slice(at, 700) for batch in source.batches for at in range(0, 3_000, 700)])
        for source in reversed(days())
    ]
    assert written(train(cut, QUICK), tmp_path / "b") == first
    order = pa.array(np.random.default_rng(1).permutation(3_000))
    shuffled = [Source(source.session, [batch.take(order) for batch in source.batches]) for source in days()]
    assert written(train(shuffled, QUICK), tmp_path / "c") == first


def test_another_seed_or_other_flows_are_another_version(model: Model) -> None:
    base = train(days(), QUICK)
    assert train(days(), TrainSettings(trees=10, samples=64, seed=2)).version != base.version
    other = train(days(3), QUICK)
    assert other.version != base.version
    assert other.card["data_sha256"] != base.card["data_sha256"]


def test_the_card_says_what_a_reader_needs(model: Model) -> None:
    card = model.card
    assert json.loads(json.dumps(card)) == card
    assert (card["feature_version"], card["features"]) == (FEATURE_VERSION, list(FEATURE_NAMES))
    assert card["settings"]["seed"] == 1
    assert {"python", "numpy", "numba", "scikit-learn"} <= set(card["libraries"])
    assert card["training_window"]["first"] < card["training_window"]["last"] < card["calibration_window"]["last"]
    assert sum(entry["flows"] for entry in card["services"].values()) == card["flows"] == 18_000
    assert card["flows_per_day"] == pytest.approx(6_000, rel=0.02)
    for name, entry in card["services"].items():
        assert entry["tail_below_p"] == pytest.approx(1 / (entry["calibration"] + 1), rel=1e-4), name
        assert 0 < entry["tail_above_score"] < 1


def test_busy_services_have_a_forest_of_their_own_and_the_rest_a_common_one(model: Model) -> None:
    assert model.services == ("dns", "ntp", "tls", "other")
    assert model.card["services"]["other"]["services"] == ["ldap", "sip"]


def test_a_common_class_of_few_flows_learns_from_all() -> None:
    only = [Source("dns only", [ordinary(4_000, seed=1)])]
    few = train(only, TrainSettings(trees=10, samples=64, least_training=1_000, least_calibration=200))
    assert "other" in few.services
    assert np.isfinite(few.score(ordinary(100, seed=2)).column("score").to_numpy()).all()


def test_calibration_flows_are_later_than_training_flows_in_every_session() -> None:
    found = gather(days(3), host_cap=1_000, training_share=0.4)
    for session in range(3):
        of_session = found.sessions == session
        training = found.starts[of_session & (found.role == Role.TRAINING)]
        later = found.starts[of_session & (found.role != Role.TRAINING)]
        assert training.max() < later.min()


def test_a_host_weighs_no_more_than_its_cap() -> None:
    """One host with 5,000 look-ups beside a day of ordinary flows."""
    noisy = ordinary(5_000, seed=5)
    noisy = noisy.set_column(
        noisy.schema.get_field_index("src_ip"),
        noisy.schema.field("src_ip"),
        pa.array([bytes(16)] * 5_000, pa.binary(16)),
    )
    found = gather([Source("noise", [noisy])], host_cap=300, training_share=0.4)
    assert np.bincount(found.groups).max() == 300
    assert sum(found.totals.values()) == 5_000


@pytest.mark.parametrize("sources", [[], [Source("empty", [])], [Source("one", [ordinary(1, seed=1)])]])
def test_too_few_flows_are_an_error_that_says_so(sources: list[Source]) -> None:
    with pytest.raises(ValueError, match="flow"):
        train(sources, QUICK)


@pytest.mark.data
def test_p_values_of_held_back_benign_flows_are_uniform(benign_model: Model) -> None:
    """The statement behind the alert budget: at least 5,000 flows, KS distance below 0.05."""
    metrics = benign_model.card["metrics"]
    assert metrics["held_back_flows"] >= 5_000
    assert metrics["ks_distance"] < 0.05


@pytest.mark.data
def test_the_card_tells_the_same_as_scoring_the_held_back_flows(benign: list[Source], benign_model: Model) -> None:
    """Recomputed from the flows themselves: the p-values of `Model.score`, and as many alarms as the budget allows."""
    settings = TrainSettings()
    found = gather(benign, host_cap=settings.host_cap, training_share=settings.training_share)
    held = {
        (int(found.sessions[at]), int(found.starts[at]), float(found.ties[at]))
        for at in np.flatnonzero(found.role == Role.HELD_BACK)
    }
    p_values = np.concatenate([_held_back(source, found.session_names, held, benign_model) for source in benign])
    assert len(p_values) == benign_model.card["metrics"]["held_back_flows"]
    assert uniform_distance(p_values) == pytest.approx(benign_model.card["metrics"]["ks_distance"], abs=1e-4)
    days = benign_model.card["observed_days"] * len(p_values) / benign_model.card["flows"]
    for budget in (50, 200, 1_000, 4_000):
        cut = min(1.0, budget / benign_model.card["flows_per_day"])
        alarms = int((p_values <= cut).sum())
        assert alarms <= 1.5 * stats.poisson.ppf(0.999, budget * days), budget


def _held_back(
    source: Source, sessions: tuple[str, ...], held: set[tuple[int, int, float]], model: Model
) -> np.ndarray:
    """p-values of the flows of a capture that were held back."""
    from monitor.model.calibration import tie_breakers

    out = []
    for batch in source.batches:
        starts = batch.column("start").cast("int64").to_numpy()
        ties = tie_breakers(batch.column("flow_id").to_numpy(), batch.column("part").to_numpy())
        session = sessions.index(source.session)
        chosen = [(session, int(start), float(tie)) in held for start, tie in zip(starts, ties, strict=True)]
        out.append(model.score(batch).column("p_value").to_numpy()[chosen])
    return np.concatenate(out) if out else np.empty(0)


@pytest.mark.data
def test_p_values_hold_for_networks_that_were_never_seen(benign: list[Source]) -> None:
    """Trained on every other capture, tried on the rest: calibrated across captures, alarms come as often as p says."""
    known, new = benign[::2], benign[1::2]
    shares = {}
    for folds in (1, 5):
        model = train(known, TrainSettings(folds=folds))
        p_values = np.concatenate(
            [model.score(batch.slice(0, 200)).column("p_value").to_numpy() for one in new for batch in one.batches[:1]]
        )
        shares[folds] = float((p_values <= 0.01).mean())
    assert shares[5] < shares[1]
    assert shares[5] <= 0.02


def test_a_session_that_weighs_little_teaches_little_and_counts_little() -> None:
    heavy = gather(days(2), host_cap=1_000, training_share=0.4)
    light = gather(
        [Source(one.session, one.batches, weight) for one, weight in zip(days(2), (1.0, 0.1), strict=True)],
        host_cap=10,
        training_share=0.4,
    )
    assert max(np.bincount(light.groups[light.sessions == 1])) == 1, "a tenth of a cap of ten flows"
    assert sum(light.weighed.values()) == pytest.approx(sum(heavy.totals.values()) * 1.1 / 2)
    assert light.host_days == pytest.approx(heavy.host_days * 1.1 / 2, rel=0.05)


def test_a_reference_network_scales_rates_by_its_hosts() -> None:
    small, large = (train(days(), TrainSettings(trees=10, samples=64, reference_hosts=count)) for count in (10, 100))
    assert large.card["flows_per_day"] == pytest.approx(10 * small.card["flows_per_day"], rel=1e-3)
    assert large.p_cuts(10)["dns"] == pytest.approx(small.p_cuts(10)["dns"] / 10, rel=1e-3)

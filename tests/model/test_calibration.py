"""p-values are uniform on flows like those that calibrated, never rise with the score, and go on beyond the last."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from monitor.model.calibration import calibrate, fit_tail, tie_breakers, uniform_distance

SCORES = st.lists(st.floats(0.25, 0.875, width=32), min_size=1, max_size=80).map(
    lambda found: np.array(found, np.float32)
)


def beta(count: int, seed: int) -> np.ndarray:
    """Scores as an isolation forest gives them: a hump near 0.45 with a tail to the right."""
    return (0.35 + 0.4 * np.random.default_rng(seed).beta(2, 9, count)).astype(np.float32)


def ties(count: int, seed: int = 0) -> np.ndarray:
    return tie_breakers(np.arange(count, dtype=np.uint64) + np.uint64(seed * 10**6), np.zeros(count, np.uint32))


def test_fresh_scores_of_the_same_kind_have_uniform_p_values() -> None:
    p_values = calibrate(beta(5_000, 1)).p_values(beta(5_000, 2), ties(5_000))
    assert uniform_distance(p_values) < 0.03
    assert stats.kstest(p_values, "uniform").statistic == pytest.approx(uniform_distance(p_values), abs=1e-12)


def test_scores_with_many_ties_have_uniform_p_values_too() -> None:
    p_values = calibrate(beta(5_000, 1).round(2)).p_values(beta(5_000, 2).round(2), ties(5_000))
    assert uniform_distance(p_values) < 0.03


def test_a_p_value_says_what_share_is_at_least_as_strange() -> None:
    calibration = calibrate(np.arange(1, 100, dtype=np.float32) / 200)
    found = calibration.p_values(np.float32([1 / 200, 50 / 200, 99 / 200]), ties(3))
    np.testing.assert_allclose(found, [99 / 100, 50 / 100, 1 / 100])


@settings(max_examples=200, deadline=None)
@given(SCORES, arrays(np.float32, 30, elements=st.floats(0, 1, width=32)), st.floats(0, 1))
def test_a_higher_score_never_has_a_higher_p_value(known: np.ndarray, scores: np.ndarray, tie: float) -> None:
    asked = np.sort(np.concatenate([scores, known]))
    p_values = calibrate(known).p_values(asked, np.full(len(asked), tie))
    assert (np.diff(p_values) <= 0).all()
    assert (p_values > 0).all()
    assert (p_values <= 1).all()


def test_p_is_continuous_where_the_tail_begins_and_falls_strictly_in_it() -> None:
    calibration = calibrate(beta(2_000, 1))
    last = calibration.scores[-1]
    around = np.array([last, np.nextafter(last, np.float32(1))], np.float32)
    at, above = calibration.p_values(around, ties(2))
    assert at == pytest.approx(calibration.smallest)
    assert above == pytest.approx(calibration.smallest, rel=1e-3)
    tail = calibration.p_values(np.linspace(last, 1, 200, dtype=np.float32), ties(200))
    assert (np.diff(tail) < 0).all()
    assert tail[-1] > 0


def test_the_tail_extrapolates_a_known_one() -> None:
    """Calibrated with 2,000 scores of a Pareto tail, the p-value one decade beyond them is right within a factor 3."""
    truth = stats.genpareto(c=-0.1, loc=0.5, scale=0.03)
    ratios = []
    for seed in range(20):
        calibration = calibrate(truth.rvs(2_000, random_state=seed).astype(np.float32))
        asked = np.float32([truth.isf(1 / 20_000)])
        ratios.append(float(calibration.p_values(asked, ties(1))[0]) * 20_000)
    assert 1 / 3 < np.median(ratios) < 3


@pytest.mark.parametrize(("shape", "scale"), [(0.0, 0.02), (-0.05, 0.05), (0.2, 0.02)])
def test_the_fit_finds_shape_and_scale(shape: float, scale: float) -> None:
    """Probability-weighted moments on the exceedances of known tails."""
    found = []
    for seed in range(10):
        sample = stats.genpareto(c=shape, loc=0.4, scale=scale).rvs(5_000, random_state=seed).astype(np.float32)
        tail = fit_tail(sample)
        found.append((tail.shape - shape, tail.scale / (scale + shape * (tail.threshold - 0.4))))
    off_shape, ratio = np.median(found, axis=0)
    assert abs(off_shape) < 0.1
    assert 0.85 < ratio < 1.15


def test_no_score_that_can_occur_lies_beyond_the_end_of_the_tail() -> None:
    """A tail that seems to end at 0.6 is made longer, with its mean kept: 1 is the highest score that there is."""
    sample = stats.genpareto(c=-0.2, loc=0.4, scale=0.04).rvs(20_000, random_state=1).astype(np.float32)
    tail = fit_tail(sample)
    over = sample[sample > tail.threshold].astype(float) - tail.threshold
    assert tail.threshold - tail.scale / tail.shape > 1
    assert tail.scale / (1 - tail.shape) == pytest.approx(over.mean())
    assert calibrate(sample).p_values(np.float32([1.0]), ties(1))[0] > 0


@pytest.mark.parametrize("scores", [[0.4], [0.4] * 50, [0.4, 0.5], [0.3] * 40 + [0.6]])
def test_few_or_equal_scores_still_give_p_values(scores: list[float]) -> None:
    p_values = calibrate(np.float32(scores)).p_values(np.linspace(0, 1, 50, dtype=np.float32), ties(50))
    assert (p_values > 0).all()
    assert (p_values <= 1).all()
    assert p_values[-1] < p_values[0]


def test_no_calibration_without_flows() -> None:
    with pytest.raises(ValueError, match="at least one"):
        calibrate(np.empty(0, np.float32))


def test_tie_breakers_are_even_and_depend_on_id_and_part_alone() -> None:
    found = ties(20_000)
    assert uniform_distance(found) < 0.02
    np.testing.assert_array_equal(ties(20_000)[::-1], found[::-1])
    ids = np.array([7, 7], np.uint64)
    assert len(set(tie_breakers(ids, np.array([0, 1], np.uint32)).tolist())) == 2


def test_uniform_distance_of_nothing_is_one() -> None:
    assert uniform_distance(np.empty(0)) == 1.0

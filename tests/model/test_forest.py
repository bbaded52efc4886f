"""The kernel's scores are scikit-learn's, whatever the rows; no walk leaves its tree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from monitor.model.extraction import natural, scaled
from monitor.model.features import FEATURES
from monitor.model.isolation import expected_path, grow

WIDTH = 7


def rows_of(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random((count, WIDTH)) < 0.3, 0, rng.normal(size=(count, WIDTH)) * 10).astype(np.float32)


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 127, 128, 129, 5_000])
def test_scores_equal_scikit_learn(count: int) -> None:
    forest, estimator = grow(rows_of(3_000, 1), trees=50, samples=256, seed=4)
    rows = rows_of(count, 2)
    np.testing.assert_allclose(forest.scores(rows), -estimator.score_samples(rows), atol=1e-6, rtol=0)


@pytest.mark.parametrize("learnt", [2, 3, 10, 100, 255])
def test_small_samples_grow_smaller_trees(learnt: int) -> None:
    forest, estimator = grow(rows_of(learnt, 5), trees=20, samples=256, seed=1)
    rows = rows_of(400, 6)
    np.testing.assert_allclose(forest.scores(rows), -estimator.score_samples(rows), atol=1e-6, rtol=0)


def test_rows_all_alike_make_a_forest_without_splits() -> None:
    forest, estimator = grow(np.ones((50, WIDTH), np.float32), trees=5, samples=256, seed=1)
    rows = rows_of(10, 1)
    np.testing.assert_allclose(forest.scores(rows), -estimator.score_samples(rows), atol=1e-6, rtol=0)


def test_a_value_on_the_threshold_goes_where_scikit_learn_sends_it() -> None:
    """Rows made of the thresholds themselves and their float32 neighbours, zeros of both signs among them."""
    learnt = rows_of(2_000, 7)
    forest, estimator = grow(learnt, trees=30, samples=256, seed=2)
    exact = forest.threshold[np.isfinite(forest.threshold)]
    near = np.concatenate([exact, np.nextafter(exact, np.float32(np.inf)), np.nextafter(exact, np.float32(-np.inf))])
    rows = np.resize(np.concatenate([near, np.float32([0.0, -0.0])]), (len(near) // WIDTH, WIDTH)).astype(np.float32)
    np.testing.assert_allclose(forest.scores(rows), -estimator.score_samples(rows), atol=1e-6, rtol=0)


@settings(max_examples=50, deadline=None)
@given(arrays(np.float32, (5, WIDTH), elements=st.floats(allow_nan=False, allow_infinity=False, width=32)))
def test_extreme_rows_score_as_in_scikit_learn(rows: np.ndarray) -> None:
    forest, estimator = FORESTS
    np.testing.assert_allclose(forest.scores(rows), -estimator.score_samples(rows), atol=1e-6, rtol=0)


FORESTS = grow(rows_of(500, 9), trees=10, samples=64, seed=3)


def test_chosen_rows_score_as_alone() -> None:
    forest, _ = FORESTS
    rows, chosen = rows_of(300, 3), np.array([299, 0, 17, 17, 128], np.int64)
    np.testing.assert_array_equal(forest.scores_at(rows, chosen), forest.scores(rows)[chosen])


def test_no_rows_no_scores() -> None:
    assert FORESTS[0].scores(np.empty((0, WIDTH), np.float32)).shape == (0,)


def test_one_row_is_no_forest() -> None:
    with pytest.raises(ValueError, match="at least 2 flows"):
        grow(rows_of(1, 1), trees=5, samples=256, seed=1)


def test_expected_path_is_that_of_the_paper() -> None:
    """c(2) = 1, c(1) = 0, and c(256) = 2 H(255) - 2 * 255 / 256 with H the harmonic number, to 1 %."""
    harmonic = float((1 / np.arange(1, 256)).sum())
    assert expected_path(np.array([1, 2])).tolist() == [0.0, 1.0]
    assert expected_path(np.array([256]))[0] == pytest.approx(2 * harmonic - 2 * 255 / 256, rel=0.01)


@pytest.mark.data
def test_real_features_score_as_in_scikit_learn(benign: list) -> None:
    """All flows of the benign captures, 1e-6."""
    rows = np.concatenate([scaled(natural(batch)) for source in benign for batch in source.batches])
    assert rows.shape[1] == len(FEATURES)
    forest, estimator = grow(rows[::7], trees=100, samples=256, seed=1)
    np.testing.assert_allclose(forest.scores(rows), -estimator.score_samples(rows), atol=1e-6, rtol=0)

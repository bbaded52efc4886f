"""The Cauchy combination against SciPy, and what it is for: p-values that depend on each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from monitor.model.combination import combined, p_of, statistic


def test_one_p_value_stays_what_it_is() -> None:
    for p_value in (1e-9, 1e-4, 0.02, 0.5, 0.9):
        assert combined(np.array([p_value])) == pytest.approx(p_value, rel=1e-6)
    assert combined(np.empty(0)) == 1.0


def test_it_is_the_upper_tail_of_a_cauchy_distribution() -> None:
    means = np.array([-50.0, -1.0, 0.0, 0.5, 2.0, 1e3, 1e9])
    assert p_of(means) == pytest.approx(stats.cauchy.sf(means), rel=1e-9)
    p_values = np.array([0.001, 0.2, 0.4])
    assert combined(p_values) == pytest.approx(stats.cauchy.sf(statistic(p_values).mean()), rel=1e-9)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.95])
def test_false_alarms_keep_to_the_level_however_the_parts_depend(correlation: float) -> None:
    random = np.random.default_rng(1)
    shared, own = random.normal(size=(40_000, 1)), random.normal(size=(40_000, 12))
    p_values = stats.norm.sf(np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own)
    level = float((p_of(statistic(p_values).mean(axis=1)) <= 0.01).mean())
    assert 0.005 < level < 0.014


def test_one_strange_part_among_usual_ones_is_not_lost() -> None:
    assert combined(np.array([1e-6, 0.5, 0.7])) < 1e-5
    assert combined(np.array([1.0, 1.0, 1e-6])) < 1e-5, "a part of p = 1 does not outweigh it"

"""The budget's arithmetic, and that usual traffic keeps to it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from synthetic_flows import ordinary

from monitor.model import Model
from monitor.model.budget import flows_per_incident, observed_days, p_cut, p_cuts

HOUR = 3_600_000_000


def test_the_cut_is_budget_over_flows_a_day() -> None:
    assert p_cut(10, 100_000) == 1e-4
    assert p_cut(10, 5) == 1.0


@pytest.mark.parametrize(("budget", "flows"), [(0, 10), (-1, 10), (10, 0), (float("nan"), 10)])
def test_nonsense_is_refused(budget: float, flows: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        p_cut(budget, flows)


def test_silence_longer_than_a_quarter_of_an_hour_is_not_observed() -> None:
    starts = np.array([0, 10 * 60, 20 * 60, 100 * 3600, 100 * 3600 + 600]) * 1_000_000
    assert observed_days(starts, np.zeros(5, np.int32)) == pytest.approx(30 * 60 / 86_400)


def test_sessions_count_one_after_another() -> None:
    starts = np.array([0, 600, 5, 605]) * 1_000_000
    assert observed_days(starts, np.array([0, 0, 1, 1], np.int32)) == pytest.approx(1200 / 86_400)


def test_alarms_of_one_host_within_the_window_are_one_incident() -> None:
    minute = 60_000_000
    starts = np.array([0, 10, 20, 60, 0, 5]) * minute
    groups = np.array([1, 1, 1, 1, 2, 3], np.int64)
    alarms = np.array([True, True, True, True, True, False])
    assert flows_per_incident(alarms, starts, groups) == pytest.approx(5 / 3)
    assert flows_per_incident(np.zeros(6, bool), starts, groups) == 1.0


def test_classes_share_the_budget_and_their_alarms_sum_to_it() -> None:
    rates = {"dns": 90_000.0, "tls": 9_000.0, "other": 1_000.0}
    cuts = p_cuts(10, rates)
    assert sum(rates[name] * cut for name, cut in cuts.items()) == pytest.approx(10)
    assert cuts["other"] == pytest.approx(90 * cuts["dns"]), "look-ups do not spend the others' share"


def test_a_class_that_was_hardly_seen_does_not_alarm_always() -> None:
    assert p_cuts(1, {"rare": 0.0, "dns": 10.0})["rare"] == 0.5


@pytest.mark.parametrize("budget", [50, 200, 1_000])
def test_a_usual_day_alarms_as_often_as_the_budget_says(model: Model, budget: float) -> None:
    """Flows of the same network on other days: alarms a day lie within what chance allows around the budget."""
    days, cuts = 5, model.p_cuts(budget)
    alarms = 0
    for day in range(days):
        scored = model.score(ordinary(6_000, seed=500 + day))
        p_values, services = scored.column("p_value").to_numpy(), scored.column("service").to_pylist()
        alarms += sum(p <= cuts.get(name, cuts["other"]) for p, name in zip(p_values, services, strict=True))
    low, high = stats.poisson.ppf([0.001, 0.999], budget * days)
    assert low * 0.7 <= alarms <= high * 1.3


def test_a_busier_network_gets_lower_cuts(model: Model) -> None:
    assert set(model.p_cuts(10)) == set(model.services)
    usual, busy = model.p_cuts(10), model.p_cuts(10, busier=10)
    assert all(busy[name] == pytest.approx(usual[name] / 10) for name in usual)

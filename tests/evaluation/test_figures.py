"""Figures against scikit-learn and SciPy, and what a rate is made of."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from scipy.stats import chi2
from sklearn.metrics import average_precision_score, roc_auc_score

from monitor.evaluation.campaign import Quiet
from monitor.evaluation.figures import auprc, auroc, false_rows, poisson_most

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def quiet(incidents: int, hosts: int, hours: float, weight: float = 1.0, kind: str = "benign") -> Quiet:
    return Quiet("x", kind, hosts, hours, weight, tuple({"detector": "beacon"} for _ in range(incidents)))


@pytest.mark.parametrize("ties", [False, True])
def test_areas_equal_those_of_scikit_learn(ties: bool) -> None:
    random = np.random.default_rng(1)
    strange, ordinary = random.normal(1, 1, 300), random.normal(0, 1, 2000)
    if ties:
        strange, ordinary = strange.round(0), ordinary.round(0)
    truth = np.r_[np.ones(300), np.zeros(2000)]
    values = np.r_[strange, ordinary]
    assert auroc(strange, ordinary) == pytest.approx(roc_auc_score(truth, values), abs=1e-9)
    assert auprc(strange, ordinary) == pytest.approx(average_precision_score(truth, values), abs=1e-9)


@pytest.mark.parametrize("count", [0, 1, 3, 12, 100])
def test_upper_end_of_the_interval_is_garwoods(count: int) -> None:
    assert poisson_most(count) == pytest.approx(chi2.ppf(0.975, 2 * count + 2) / 2, rel=1e-6)


def test_a_rate_is_incidents_over_host_hours() -> None:
    (row,) = false_rows([quiet(1, hosts=10, hours=24), quiet(0, hosts=90, hours=24)])
    assert row["host_hours"] == 2400
    assert row["per_24h_1000_hosts"] == 10.0, "one incident in a hundred host-days"


def test_traffic_that_weighs_little_counts_little_on_both_sides() -> None:
    (row,) = false_rows([quiet(0, hosts=100, hours=24), quiet(1, hosts=100, hours=24, weight=0.01)])
    assert row["false_incidents"] == 1
    assert row["per_24h_1000_hosts"] == pytest.approx(0.1, abs=0.01)


def test_kinds_stand_apart_and_summed() -> None:
    rows = false_rows([quiet(1, 1, 24), quiet(0, 1, 24, kind="lab")])
    assert [(row["kind"], row["false_incidents"]) for row in rows] == [("benign", 1), ("lab", 0), ("all", 1)]

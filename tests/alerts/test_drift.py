"""The drift of p-values: none when they are uniform, much when the traffic is another; unknown from few flows."""

from __future__ import annotations

import math

import numpy as np
import pytest

from monitor.alerts.drift import LATE, LEAST, Drift


def test_uniform_p_values_are_no_drift_and_few_flows_tell_nothing() -> None:
    drift, rng = Drift(), np.random.default_rng(3)
    drift.observe(rng.random(LEAST - 1))
    assert math.isnan(drift.index())
    for _ in range(20):
        drift.observe(rng.random(1000))
    assert drift.index() < 0.01


def test_strange_traffic_is_drift_by_the_textbook_and_the_past_fades() -> None:
    rng = np.random.default_rng(4)
    drift = Drift()
    low = rng.random(50_000) ** 3
    drift.observe(low)
    share = np.histogram(low, 10, (0, 1))[0] / len(low)
    assert drift.index() == pytest.approx(np.sum((share - 0.1) * np.log(share / 0.1)))
    assert drift.index() > 0.25
    for _ in range(30):
        drift.observe(rng.random(LATE // 4))
    assert drift.index() < 0.01


def test_the_ends_of_the_scale_are_counted() -> None:
    drift = Drift()
    drift.observe(np.concatenate([np.zeros(LEAST), np.ones(LEAST)]))
    assert math.isfinite(drift.index())


def test_the_share_of_low_p_values_is_told_for_itself() -> None:
    rng, drift = np.random.default_rng(5), Drift()
    assert math.isnan(drift.low())
    drift.observe(np.concatenate([rng.random(30_000), np.full(300, 0.002)]))
    assert drift.low() == pytest.approx(0.0198, abs=0.002)
    for _ in range(8):
        drift.observe(rng.random(LATE // 2))
    assert drift.low() == pytest.approx(0.01, abs=0.001)

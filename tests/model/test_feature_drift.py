"""The feature that moved is the one that is told, by the textbook's index; the rest, and like traffic, stay low."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from synthetic_flows import changed, ordinary

from monitor.alerts import Telemetry
from monitor.config import MetricsSettings
from monitor.model import FEATURE_NAMES, FeatureDrift, Model, load
from monitor.model.drift import SAMPLE, from_arrays, reference, stability


def drift_of(model: Model, *batches: pa.RecordBatch) -> dict[str, float]:
    drift = FeatureDrift(model)
    for batch in batches:
        for begin in range(0, batch.num_rows, SAMPLE):
            drift.observe(batch.slice(begin, SAMPLE))
    return drift.indices()


def test_like_traffic_has_no_drift_and_few_flows_tell_nothing(model: Model, batch: pa.RecordBatch) -> None:
    indices = drift_of(model, batch)
    assert list(indices) == list(FEATURE_NAMES)
    assert max(indices.values()) < 0.1
    assert all(math.isnan(index) for index in drift_of(model, batch.slice(0, 300)).values())


def test_the_feature_that_moved_is_told(model: Model, batch: pa.RecordBatch) -> None:
    slower = changed(batch, rtt=batch.column("rtt").to_numpy() * 5)
    indices = drift_of(model, slower)
    assert indices.pop("rtt") > 0.25
    assert max(indices.values()) < 0.1


def test_more_of_one_service_is_no_drift(model: Model, batch: pa.RecordBatch) -> None:
    dns = batch.filter(pa.array([service == "dns" for service in batch.column("service").to_pylist()]))
    assert max(drift_of(model, batch, dns, dns, dns).values()) < 0.1


def test_the_index_is_the_textbooks() -> None:
    """sum (a - b) ln(a / b), by hand for two bins."""
    found = stability(np.array([[0.6, 0.4]]), np.array([[0.5, 0.5]]))
    assert found[0] == pytest.approx(0.1 * math.log(1.2) - 0.1 * math.log(0.8))


def test_the_spread_survives_the_disk_and_is_checked(model: Model, batch: pa.RecordBatch, tmp_path: Path) -> None:
    model.save(tmp_path)
    kept = load(tmp_path)
    assert drift_of(kept, batch) == drift_of(model, batch)
    arrays = reference(np.random.default_rng(1).random((50, len(FEATURE_NAMES))).astype(np.float32)).arrays("0")
    assert from_arrays({}, "0") is None
    for name, wrong in (("0.shares", arrays["0.shares"] * 2), ("0.edges", -arrays["0.edges"])):
        with pytest.raises(ValueError, match="spread of features"):
            from_arrays({**arrays, name: wrong}, "0")


def test_the_metrics_tell_it(model: Model) -> None:
    with Telemetry(MetricsSettings(), services=["tls", "dns"]) as telemetry:
        telemetry.model(model)
        for seed in range(8):
            flows = ordinary(2_000, seed=200 + seed)
            telemetry.flows(model.score(changed(flows, rtt=flows.column("rtt").to_numpy() * 5)), written=0, seconds=0.0)
        told = {name: telemetry.metrics.feature_drift.labels(name)._value.get() for name in FEATURE_NAMES}
        assert max(told, key=lambda name: told[name]) == "rtt"
        assert 0.0 < telemetry.metrics.low_p._value.get() < 1.0
        telemetry.model(model)
        telemetry.flows(model.score(ordinary(200, seed=1)), written=0, seconds=0.0)
        assert math.isnan(telemetry.metrics.drift._value.get()), "a new model begins anew"

"""Scoring fills its four columns and nothing else, the same in batches of any size, and without scikit-learn."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from synthetic_flows import changed, ordinary

from monitor.flows.schema import NAMES, arrow_schema
from monitor.model import Model, load
from monitor.model.calibration import uniform_distance

SCORED = ("model_version", "score", "p_value", "reasons")


def strange(batch: pa.RecordBatch, every: int = 50) -> pa.RecordBatch:
    """The batch with a large upload in place of one flow out of `every`."""

    def column(name: str, value: float) -> np.ndarray:
        values = batch.column(name).to_numpy().copy()
        values[::every] = value
        return values

    upload = {"src_payload": 400_000_000, "src_packets": 290_000, "dst_packets": 90_000, "duration": 900.0}
    shape = {"src_len_mean": 1420.0, "src_len_max": 1500.0, "src_iat_mean": 0.003, "src_entropy": 7.99}
    return changed(batch, **{name: column(name, value) for name, value in (upload | shape).items()})


def test_only_the_score_columns_change(model: Model, batch: pa.RecordBatch) -> None:
    scored = model.score(batch)
    assert scored.schema.equals(arrow_schema())
    scored.validate(full=True)
    for name in NAMES:
        if name not in SCORED:
            assert scored.column(name).equals(batch.column(name)), name
    assert set(scored.column("model_version").to_pylist()) == {model.version}


def test_scores_and_p_values_are_in_range_and_ordinary_flows_uniform(model: Model, batch: pa.RecordBatch) -> None:
    scored = model.score(batch)
    scores, p_values = (scored.column(name).to_numpy() for name in ("score", "p_value"))
    assert ((scores > 0) & (scores < 1)).all()
    assert ((p_values > 0) & (p_values <= 1)).all()
    assert uniform_distance(p_values) < 0.05


def test_strange_flows_alarm_and_say_why_and_ordinary_ones_are_silent(model: Model, batch: pa.RecordBatch) -> None:
    scored = model.score(strange(batch))
    p_values = scored.column("p_value").to_numpy()
    assert np.median(p_values[::50]) < 0.01
    reasons = scored.column("reasons").to_pylist()
    cuts = model.p_cuts(model.alert_budget)
    for p_value, told, service in zip(p_values, reasons, scored.column("service").to_pylist(), strict=True):
        assert len(told) == (3 if p_value <= cuts.get(service, cuts["other"]) else 0)


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_batches_of_any_size_give_the_same_rows(model: Model, batch: pa.RecordBatch, size: int) -> None:
    some = strange(batch.slice(0, 1_500) if size > 1 else batch.slice(0, 60))
    whole = pa.Table.from_batches([model.score(some)])
    parts = [model.score(some.slice(start, size)) for start in range(0, some.num_rows, size)]
    pieces = pa.Table.from_batches(parts)
    for name in SCORED:
        assert pieces[name].to_pylist() == whole[name].to_pylist(), name


def test_an_empty_batch_stays_empty(model: Model, batch: pa.RecordBatch) -> None:
    assert model.score(batch.slice(0, 0)).num_rows == 0


def test_a_service_never_seen_gets_the_common_forest(model: Model, batch: pa.RecordBatch) -> None:
    words = pa.array(["gopher"] * batch.num_rows).dictionary_encode()
    scored = model.score(changed(batch, service=words))
    assert model.services[-1] == "other"
    assert np.isfinite(scored.column("score").to_numpy()).all()


def test_a_flood_of_alarms_is_explained_once_not_a_hundred_thousand_times(model: Model) -> None:
    one = changed(ordinary(1, seed=1), src_payload=[10**9], src_packets=[10**6])
    flood = pa.Table.from_batches([one]).take([0] * 100_000).combine_chunks().to_batches()[0]
    flood = changed(flood, flow_id=np.arange(100_000, dtype=np.uint64))
    alert = Model(model.classes, model.card, alert_budget=1e9)
    alert.score(flood.slice(0, 10))
    begun = time.process_time()
    scored = alert.score(flood)
    assert time.process_time() - begun < 3
    assert len(set(map(tuple, scored.column("reasons").to_pylist()))) == 1
    assert len(scored.column("reasons")[99_999].as_py()) == 3


def test_a_replay_never_imports_scikit_learn(model_folder: Path) -> None:
    """Loading and scoring, with reasons, in a process of its own."""
    script = (
        "import sys; from synthetic_flows import ordinary; from monitor.model import load;"
        f"model = load({str(model_folder)!r}, alert_budget=5000);"
        "scored = model.score(ordinary(500, seed=3));"
        "assert any(scored.column('reasons').to_pylist());"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in ('sklearn', 'joblib')))"
    )
    path = [str(folder) for folder in (Path(__file__).parent, Path(__file__).parent.parent)]
    code = f"import sys; sys.path[:0] = {path!r}; {script}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_a_loaded_model_scores_as_the_one_that_was_saved(
    model: Model, model_folder: Path, batch: pa.RecordBatch
) -> None:
    again = load(model_folder)
    assert again.version == model.version
    assert again.p_cuts(10) == model.p_cuts(10)
    assert again.score(strange(batch)).equals(model.score(strange(batch)))

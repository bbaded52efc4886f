"""A model of made-up flows, and the flows of the shared benign captures, each made once for all tests."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from synthetic_flows import ordinary

from monitor.model import Model, Source, TrainSettings, train


@pytest.fixture(scope="session")
def batch() -> pa.RecordBatch:
    """A day of ordinary flows of another seed than the model's."""
    return ordinary(4_000, seed=99)


@pytest.fixture(scope="session")
def model() -> Model:
    """Trained on three days of ordinary flows."""
    return train([Source(f"day {day}", [ordinary(6_000, seed=day)]) for day in range(3)])


@pytest.fixture(scope="session")
def model_folder(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That model on disk; tests that change it work on a copy."""
    folder = tmp_path_factory.mktemp("model")
    model.save(folder)
    return folder


@pytest.fixture(scope="session")
def benign(shared_data: Path) -> list[Source]:
    """Flows of each shared benign capture, by the real capture and flow stages."""
    from monitor.capture import open_captures
    from monitor.config import FlowSettings
    from monitor.flows import FlowMeter

    return [
        Source(file.name, list(FlowMeter(FlowSettings()).records(open_captures([file]))))
        for file in sorted((shared_data / "benign").iterdir())
    ]


@pytest.fixture(scope="session")
def benign_model(benign: list[Source]) -> Model:
    """Trained on them as a site's own traffic: every session's later flows scored by the forest that is kept."""
    return train(benign, TrainSettings(folds=1))

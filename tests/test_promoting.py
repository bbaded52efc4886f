"""A model goes into use only if canaries laid into the last ordinary day hold; two models are compared on traffic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import flow_builder
import numpy as np
import pytest
from commands import Run
from scipy.stats import spearmanr
from site_flows import visits

from monitor.comparing import rank_correlation
from monitor.evaluation.canaries import canaries
from monitor.model import Source, load, train
from monitor.promoting import refusals
from monitor.store import open_store


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 30 hours, a model of them (`good`), and one that learnt canaries as if they were ordinary (`bad`)."""
    import pyarrow as pa

    folder = tmp_path_factory.mktemp("site")
    day = flow_builder.flows(*visits())
    with open_store(f"chdb://{folder}/store") as store:
        store.insert_flows(day)
    table = pa.Table.from_batches([day])
    learnt = [batch for seed in range(1, 9) for canary in canaries(table, seed) for batch in canary.flows.to_batches()]
    train([Source("day", [day])]).save(folder / "good")
    train([Source("day", [day, *learnt])]).save(folder / "bad")
    return folder


def test_canaries_decide(run: Run, site: Path, tmp_path: Path) -> None:
    """The first goes into use; what learnt the canaries is refused in one line with figures, unless forced."""
    asked = ("--into", tmp_path / "site", "--store", f"chdb://{site}/store", "--format", "json")
    status, out, err = run("model", "promote", site / "good", *asked)
    assert status == 0, err
    change = json.loads(out)
    assert change["canaries_found"] == "4 of 4"
    evaluation = load(tmp_path / "site").card["evaluation"]
    assert [row["canary"] for row in evaluation["canaries"]] == ["beacon", "upload", "horizontal_scan", "dns_tunnel"]
    assert evaluation["day"]["hosts"] >= 12
    status, out, err = run("model", "promote", site / "bad", *asked)
    assert status == 1
    assert "not promoted: canaries' mean AUROC is 0." in err
    assert len(err.strip().splitlines()) == 1
    assert load(tmp_path / "site").version == change["to"]
    status, _, err = run("model", "promote", site / "bad", "--into", tmp_path / "site")
    assert (status, "no evaluation table" in err) == (1, True), "without a day the cards decide"
    assert run("model", "promote", tmp_path / "site", "--into", tmp_path / "other")[0] == 0
    status, out, _ = run("model", "promote", site / "bad", "--into", tmp_path / "site", "--force", "--format", "json")
    assert (status, json.loads(out)["from"]) == (0, change["to"])


def test_models_are_compared_by_card_and_on_stored_flows(run: Run, site: Path) -> None:
    asked = ("--store", f"chdb://{site}/store", "--format", "json")
    status, out, err = run("model", "compare", site / "good", site / "bad", *asked)
    assert status == 0, err
    rows = [json.loads(line) for line in out.splitlines()]
    assert {row["class"] for row in rows if row.get("table") == "Classes"} >= {"dns", "tls", "hours of hosts"}
    scores = {row["service"]: row for row in rows if row.get("table") == "Scores"}
    assert scores["all"]["flows"] == 6060
    assert 0.2 < scores["all"]["rank_correlation"] < 1
    assert {row["comparison"] for row in rows if "comparison" in row} <= {"added", "lost"}
    same = run("model", "compare", site / "good", site / "good", "--format", "json")[1].splitlines()
    assert not [row for row in map(json.loads, same) if row["table"] == "Models"]
    assert run("model", "compare", site / "good", "nowhere")[0] == 1
    assert run("model", "compare", site / "good", site / "bad", "x.pcap", "--store", f"chdb://{site}/store")[0] == 2


def figures(found: int = 4, auroc: float = 0.9, anomalies: int = 3, strange: float = 0.01) -> dict[str, Any]:
    names = ("beacon", "upload", "horizontal_scan", "dns_tunnel")
    rows = [
        {"canary": name, "found": place < found, "detectors": name, "auroc": auroc} for place, name in enumerate(names)
    ]
    return {"day": {"anomalies": anomalies, "strange": strange, "hours": 24.0}, "canaries": rows}


@pytest.mark.parametrize(
    ("new", "old", "why"),
    [
        (figures(), figures(), ""),
        (figures(found=3), figures(), "canary dns_tunnel is not found, which the model in use finds"),
        (figures(found=3), None, "canary dns_tunnel is not found"),
        (figures(found=3), figures(found=3), ""),
        (figures(auroc=0.8), figures(), "mean AUROC is 0.800, that of the model in use 0.900"),
        (figures(auroc=0.86), figures(), ""),
        (figures(anomalies=17), figures(), "17 false anomalies"),
        (figures(anomalies=17), figures(anomalies=20), ""),
        (figures(strange=0.03), None, "3.00% of ordinary flows"),
        (None, figures(), "no evaluation table"),
    ],
)
def test_what_is_refused(new: dict[str, Any] | None, old: dict[str, Any] | None, why: str) -> None:
    said = "; ".join(refusals(new, old, 10.0))
    assert why in said
    assert bool(said) == bool(why)


def test_rank_correlation_is_that_of_scipy() -> None:
    random = np.random.default_rng(5)
    x, y = random.integers(0, 9, 300).astype(np.float32), random.normal(size=300)
    assert rank_correlation(x, x + y) == pytest.approx(spearmanr(x, x + y).statistic, abs=1e-4)
    assert rank_correlation(x, np.zeros(300)) is None

"""Trains models/default from the benign captures beside the checkout: `monitor train` on ../shared/data/benign.

What `make model` runs; `python -m benchmarks.train_default --evaluate` only renews the evaluation in its card: canaries
laid into a made-up day of all these captures. They stay where they are; only the model learnt from them goes into the
project.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa

from benchmarks.detection_labels import benign
from monitor.config import Settings
from monitor.evaluation import try_on_day
from monitor.evaluation.day import Case, benign_day
from monitor.evaluation.flow_table import flow_table
from monitor.learning import learn
from monitor.model import TrainSettings, load, record_evaluation
from monitor.report import Progress

ROOT = Path(__file__).resolve().parent.parent
BENIGN = ROOT.parent / "shared" / "data" / "benign"
DEFAULT = ROOT / "models" / "default"
BULK = 0.1
"""What a capture of bulk look-ups weighs: they are most of the benign flows, and nobody's behaviour."""


def evaluate(folder: Path) -> None:
    """Try the model on a made-up day of the benign captures, and put the evaluation into its card."""
    settings = Settings()
    with Progress("evaluate") as progress:
        cases = [
            Case(label, flow_table(label.capture, settings, progress, ROOT / "build" / "flows"), ())
            for label in benign()
        ]
    day = pa.concat_tables(benign_day(cases, 0).tables).unify_dictionaries()
    day = day.sort_by([("start", "ascending"), ("flow_id", "ascending")]).combine_chunks()
    (evaluation,) = try_on_day(day, settings, [load(folder)])
    record_evaluation(folder, evaluation)
    for row in evaluation["canaries"]:
        print(f"  canary {row['canary']}: found {row['found']} ({row['detectors']}), AUROC {row['auroc']}")
    print(f"  day: {evaluation['day']}")


def main() -> int:
    """Train with the settings' defaults, write the model, show what its card says about false alarms."""
    if not BENIGN.is_dir():
        print("make model: the shared captures (../shared/data/benign) are not on this machine", file=sys.stderr)
        return 1
    weights = {Path(label.capture).name: BULK if label.weight < 1 else 1.0 for label in benign()}
    training = TrainSettings(reference_hosts=1000)
    if "--evaluate" in sys.argv[1:]:
        evaluate(DEFAULT)
        return 0
    settings = Settings()
    model, account = learn(
        [str(BENIGN)], settings, output=str(DEFAULT), training=training, weights=weights, tried=False
    )
    evaluate(DEFAULT)
    card = model.card
    print(f"models/default: {model.version}, {account.flows} flows of {card['sessions']} captures")
    for name, figures in card["services"].items():
        print(f"  {name:10} {figures['training']:6} to learn from, {figures['calibration']:6} to calibrate with")
    for name, value in card["metrics"].items():
        print(f"  {name}: {value}")
    for damage in account.damage:
        print(f"damaged: {damage}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

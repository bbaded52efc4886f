"""Trains models/default from the benign captures beside the checkout: `monitor train` on ../shared/data/benign.

What `make model` runs. The captures stay where they are; only the model learnt from them goes into the project.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.detection_labels import benign
from monitor.config import Settings
from monitor.learning import learn
from monitor.model import TrainSettings

ROOT = Path(__file__).resolve().parent.parent
BENIGN = ROOT.parent / "shared" / "data" / "benign"
DEFAULT = ROOT / "models" / "default"
BULK = 0.1
"""What a capture of bulk look-ups weighs: they are most of the benign flows, and nobody's behaviour."""


def main() -> int:
    """Train with the settings' defaults, write the model, show what its card says about false alarms."""
    if not BENIGN.is_dir():
        print("make model: the shared captures (../shared/data/benign) are not on this machine", file=sys.stderr)
        return 1
    weights = {Path(label.capture).name: BULK if label.weight < 1 else 1.0 for label in benign()}
    training = TrainSettings(reference_hosts=1000)
    model, account = learn([str(BENIGN)], Settings(), output=str(DEFAULT), training=training, weights=weights)
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

"""Flow records -> features -> score -> p-value -> reasons; training, calibration. What alarms become is elsewhere.

Names are loaded when first used: scoring brings Numba, training scikit-learn, and a replay must not import the latter.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monitor.model.artefact import ModelError
    from monitor.model.budget import LOW_P
    from monitor.model.drift import FeatureDrift
    from monitor.model.features import FEATURE_NAMES
    from monitor.model.host_model import WIDTHS
    from monitor.model.host_training import WindowSession
    from monitor.model.lifecycle import current_version, held_model, promote, record_evaluation, roll_back
    from monitor.model.reasons import Reason
    from monitor.model.scoring import Model, load
    from monitor.model.sources import COLUMNS_TRAINED, Source, flow_file, flow_format
    from monitor.model.training import TrainSettings, train

__all__ = [
    "COLUMNS_TRAINED",
    "FEATURE_NAMES",
    "LOW_P",
    "WIDTHS",
    "FeatureDrift",
    "Model",
    "ModelError",
    "Reason",
    "Source",
    "TrainSettings",
    "WindowSession",
    "current_version",
    "flow_file",
    "flow_format",
    "held_model",
    "load",
    "promote",
    "record_evaluation",
    "roll_back",
    "train",
]

_HOMES = {
    "COLUMNS_TRAINED": "sources",
    "FEATURE_NAMES": "features",
    "FeatureDrift": "drift",
    "LOW_P": "budget",
    "Model": "scoring",
    "ModelError": "artefact",
    "Reason": "reasons",
    "Source": "sources",
    "TrainSettings": "training",
    "WIDTHS": "host_model",
    "WindowSession": "host_training",
    "current_version": "lifecycle",
    "flow_file": "sources",
    "flow_format": "sources",
    "load": "scoring",
    "held_model": "lifecycle",
    "promote": "lifecycle",
    "record_evaluation": "lifecycle",
    "roll_back": "lifecycle",
    "train": "training",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

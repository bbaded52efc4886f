"""What is suspicious: hunts in SQL and anomalous flows, grouped into incidents that name a host and say why.

Scores come from `model`, rows from `store`. Names are imported when first used: PyArrow loads late.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monitor.detect.detectors import detector_titles
    from monitor.detect.finding import find_incidents
    from monitor.detect.hunt import Hunt, HuntError, load_hunts
    from monitor.detect.incident import Incident
    from monitor.detect.zones import conduits_text

_MODULES = {
    "Hunt": "hunt",
    "HuntError": "hunt",
    "Incident": "incident",
    "conduits_text": "zones",
    "detector_titles": "detectors",
    "find_incidents": "finding",
    "load_hunts": "hunt",
}

__all__ = ["Hunt", "HuntError", "Incident", "conduits_text", "detector_titles", "find_incidents", "load_hunts"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)

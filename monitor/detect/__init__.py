"""What is suspicious: hunts in SQL and anomalous flows, grouped into incidents that name a host and say why.

Scores come from `model`, rows from `store`. Names are imported when first used: PyArrow loads late.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monitor.detect.detectors import detector_identities, detector_titles, japanese_reasons, known_detectors
    from monitor.detect.docket import Docket, Event, Rules
    from monitor.detect.finding import find_incidents, search
    from monitor.detect.hunt import Hunt, HuntError, load_hunts
    from monitor.detect.incident import STATES, Incident, by_urgency
    from monitor.detect.suppression import SCOPES, Suppression, hidden_by, in_force
    from monitor.detect.windows import by_width, host_incidents, host_windows, window_question, windows_by_width
    from monitor.detect.zones import conduits_text

_MODULES = {
    "Docket": "docket",
    "Event": "docket",
    "Hunt": "hunt",
    "HuntError": "hunt",
    "Incident": "incident",
    "Rules": "docket",
    "SCOPES": "suppression",
    "STATES": "incident",
    "Suppression": "suppression",
    "by_urgency": "incident",
    "by_width": "windows",
    "conduits_text": "zones",
    "detector_identities": "detectors",
    "detector_titles": "detectors",
    "find_incidents": "finding",
    "hidden_by": "suppression",
    "host_incidents": "windows",
    "host_windows": "windows",
    "window_question": "windows",
    "windows_by_width": "windows",
    "in_force": "suppression",
    "japanese_reasons": "detectors",
    "known_detectors": "detectors",
    "load_hunts": "hunt",
    "search": "finding",
}

__all__ = [
    "SCOPES",
    "STATES",
    "Docket",
    "Event",
    "Hunt",
    "HuntError",
    "Incident",
    "Rules",
    "Suppression",
    "by_urgency",
    "by_width",
    "conduits_text",
    "detector_identities",
    "detector_titles",
    "find_incidents",
    "hidden_by",
    "host_incidents",
    "host_windows",
    "in_force",
    "japanese_reasons",
    "known_detectors",
    "load_hunts",
    "search",
    "window_question",
    "windows_by_width",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)

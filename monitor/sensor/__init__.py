"""The live sensor: workers that meter the wire, and a main process that scores, stores, hunts and tells of itself.

It wires the stages for the wire as `pipeline` does for captures. Names are imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monitor.sensor.checks import Finding
    from monitor.sensor.doctor import examine
    from monitor.sensor.sensor import run

__all__ = ["Finding", "examine", "run"]

_HOMES = {"Finding": "checks", "examine": "doctor", "run": "sensor"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

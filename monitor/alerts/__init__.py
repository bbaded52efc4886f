"""What the outside is told as it happens: the Prometheus exporter and its capped series of active incidents.

Names are imported when first used: prometheus-client is loaded only when metrics are served.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monitor.alerts.telemetry import Telemetry

__all__ = ["Telemetry"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.telemetry"), name)

"""Flows: bytes of packets -> flow records in the columns of `schema`. Scores, storage and hunting come after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monitor.flows.indexing import PacketIndex, index_keys
    from monitor.flows.meter import Counters, FlowMeter, warm_up
    from monitor.flows.mirror import Mirror
    from monitor.flows.packet import DROPPED_REASONS, IGNORED_REASONS, OUTCOMES, balance
    from monitor.flows.selecting import Ends, PacketSelector
    from monitor.flows.services import SERVICE_NAMES
    from monitor.flows.table import Ended
    from monitor.flows.zones import HOME_NETWORKS, Zones

__all__ = [
    "DROPPED_REASONS",
    "HOME_NETWORKS",
    "IGNORED_REASONS",
    "OUTCOMES",
    "SERVICE_NAMES",
    "Counters",
    "Ended",
    "Ends",
    "FlowMeter",
    "Mirror",
    "PacketIndex",
    "PacketSelector",
    "Zones",
    "balance",
    "index_keys",
    "warm_up",
]

_HOMES = {
    "index_keys": "indexing",
    "PacketIndex": "indexing",
    "Counters": "meter",
    "DROPPED_REASONS": "packet",
    "Ended": "table",
    "Ends": "selecting",
    "FlowMeter": "meter",
    "HOME_NETWORKS": "zones",
    "IGNORED_REASONS": "packet",
    "Mirror": "mirror",
    "OUTCOMES": "packet",
    "PacketSelector": "selecting",
    "SERVICE_NAMES": "services",
    "Zones": "zones",
    "balance": "packet",
    "warm_up": "meter",
}


def __getattr__(name: str) -> Any:
    """Import on first use (PEP 562): the table of columns must not cost the kernels' import."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)

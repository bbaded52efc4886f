"""Packets in: capture files, folders of them and standard input, as batches of raw bytes and a row of facts a packet.

What the bytes of a packet mean is left to `monitor.flows`. Names are loaded when first used: some of them bring Numba.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monitor.capture.bpf import FilterError, PacketFilter
    from monitor.capture.carved import CarvedFile
    from monitor.capture.dissector import Dissector
    from monitor.capture.errors import CaptureError, Damage
    from monitor.capture.finding import first_packet_time
    from monitor.capture.packets import Interface, PacketBatch
    from monitor.capture.reader import CaptureReader, open_captures

__all__ = [
    "CaptureError",
    "CaptureReader",
    "CarvedFile",
    "Damage",
    "Dissector",
    "FilterError",
    "Interface",
    "PacketBatch",
    "PacketFilter",
    "first_packet_time",
    "open_captures",
]

_HOMES = {
    "CaptureError": "errors",
    "CaptureReader": "reader",
    "CarvedFile": "carved",
    "Damage": "errors",
    "Dissector": "dissector",
    "FilterError": "bpf",
    "Interface": "packets",
    "PacketBatch": "packets",
    "PacketFilter": "bpf",
    "first_packet_time": "finding",
    "open_captures": "reader",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

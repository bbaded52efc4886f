"""Packets in: capture files, standard input and the wire, as batches of raw bytes and a row of facts a packet.

What the bytes of a packet mean is left to `monitor.flows`. Names are loaded when first used: some of them bring Numba.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monitor.capture.bpf import FilterError, PacketFilter
    from monitor.capture.carved import CarvedFile
    from monitor.capture.dissector import Dissector
    from monitor.capture.errors import CaptureError, Damage, shown
    from monitor.capture.evidence import EvidenceRing
    from monitor.capture.finding import first_packet_time
    from monitor.capture.live import LiveCapture, Opened, clock_is_off, wall_clock
    from monitor.capture.merging import MergedReader
    from monitor.capture.opening import merge_captures
    from monitor.capture.packet_socket import RingShape, link_of
    from monitor.capture.packets import Interface, PacketBatch
    from monitor.capture.reader import CaptureReader, open_captures
    from monitor.capture.ring import warm_up
    from monitor.capture.segments import Evidence, evidence_of
    from monitor.capture.taps import Change, Tap, Taps, state_of

__all__ = [
    "CaptureError",
    "CaptureReader",
    "CarvedFile",
    "Change",
    "Damage",
    "Dissector",
    "Evidence",
    "EvidenceRing",
    "FilterError",
    "Interface",
    "LiveCapture",
    "MergedReader",
    "Opened",
    "PacketBatch",
    "PacketFilter",
    "RingShape",
    "Tap",
    "Taps",
    "clock_is_off",
    "evidence_of",
    "first_packet_time",
    "link_of",
    "merge_captures",
    "open_captures",
    "shown",
    "state_of",
    "wall_clock",
    "warm_up",
]

_HOMES = {
    "evidence_of": "segments",
    "Evidence": "segments",
    "EvidenceRing": "evidence",
    "CaptureError": "errors",
    "CaptureReader": "reader",
    "CarvedFile": "carved",
    "Change": "taps",
    "Damage": "errors",
    "Dissector": "dissector",
    "FilterError": "bpf",
    "Interface": "packets",
    "MergedReader": "merging",
    "LiveCapture": "live",
    "Opened": "live",
    "PacketBatch": "packets",
    "PacketFilter": "bpf",
    "RingShape": "packet_socket",
    "Tap": "taps",
    "Taps": "taps",
    "clock_is_off": "live",
    "first_packet_time": "finding",
    "link_of": "packet_socket",
    "merge_captures": "opening",
    "open_captures": "reader",
    "state_of": "taps",
    "wall_clock": "live",
    "warm_up": "ring",
    "shown": "errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

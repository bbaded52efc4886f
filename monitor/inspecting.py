"""Looks into a flow or an incident: carves its packets, meters them, and puts them under Wireshark's microscope.

Works without tshark, then with our own columns only. How it is shown is up to `report`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.carving import Carved, carve
from monitor.errors import UsageError
from monitor.wanted import Wanted

if TYPE_CHECKING:
    from monitor.config import Settings

_ORDER = ("dns", "http", "certificate", "expert")
WITHOUT_TSHARK = (
    "tshark is not installed: with it (Debian: apt install tshark) inspect also shows each packet's protocol tree, "
    "streams, DNS and HTTP exchanges, certificates and Wireshark's warnings"
)


def inspect(
    captures: Sequence[str], wanted: Wanted, settings: Settings, *, keys: Path | None = None, most: int = 1000
) -> Iterator[dict[str, Any]]:
    """What the wanted packets are, an object at a time, each with its `kind`, as soon as it is known.

    `carved` first, then a `flow` for each flow record, `packet` in order, then `dns`, `http`, `certificate`, `expert`,
    and `stream` with what was said as bytes; `note` says what is left out. `most`: packets that are dissected.
    Raises as `carve` does, and UsageError for keys that cannot be read.
    """
    from monitor.capture import Dissector

    if keys is not None and not keys.is_file():
        raise UsageError(f"--keys: {keys}: no such file; it is what SSLKEYLOGFILE makes a browser write")
    with tempfile.TemporaryDirectory(prefix="monitor-inspect-") as folder:
        file = Path(folder) / "carved.pcapng"
        carved = carve(captures, wanted, str(file))
        yield _facts(carved)
        yield from _flows(file, settings)
        if not Dissector.available():
            yield {"kind": "note", "text": WITHOUT_TSHARK}
            return
        dissector = Dissector(file, keys=keys, most=most)
        yield from dissector.packets()
        if carved.packets > most:
            left = f"{carved.packets - most:,} more packets are not dissected; --packets {carved.packets} takes all"
            yield {"kind": "note", "text": left}
        yield from sorted(dissector.findings, key=lambda found: _ORDER.index(found["kind"]))
        yield from dissector.streams()


def _facts(carved: Carved) -> dict[str, Any]:
    return {
        "kind": "carved",
        "packets": carved.packets,
        "bytes": carved.bytes,
        "searched": carved.searched,
        "first_seen": carved.first_seen,
        "last_seen": carved.last_seen,
        "inputs": {name: asdict(original) for name, original in carved.inputs.items()},
        "damage": [str(one) for one in carved.damage],
    }


def _flows(file: Path, settings: Settings) -> Iterator[dict[str, Any]]:
    """Our own columns of the flows that the packets make."""
    from monitor.capture import open_captures
    from monitor.flows import FlowMeter, Zones
    from monitor.report import flow_objects

    meter = FlowMeter(settings.flows, sensor=settings.sensor, zones=Zones(settings.zones, settings.home_networks))
    for batch in meter.records(open_captures([str(file)])):
        for row in flow_objects(batch):
            yield {"kind": "flow", **row}

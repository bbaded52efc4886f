"""Opens what the operator named as one stream of packets, in time order whatever the files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from monitor.capture.errors import STDIN
from monitor.capture.finding import Found, find_captures
from monitor.capture.merging import MergedReader
from monitor.capture.reader import CaptureReader


def merge_captures(paths: Sequence[str | Path], *, batch_packets: int = 32768) -> CaptureReader | MergedReader:
    """As `open_captures`, but the packets of captures that overlap in time come in time order.

    Standard input is read after all files. Raises as `open_captures`.
    """
    found = find_captures(paths)
    if len(found.names) == 1 or STDIN in found.names:
        return CaptureReader(found, batch_packets)
    readers = [
        CaptureReader(Found([name], [first], Path(name).stat().st_size), batch_packets)
        for name, first in zip(found.names, found.firsts, strict=True)
    ]
    readers[0].notes, readers[0].damage = tuple(found.notes), list(found.damage)
    return MergedReader(readers, found.firsts)

"""Files of the evidence ring as their names tell of them, and how complete they are for a time.

They are written by `evidence`; to read them is to read any capture.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

SUFFIX: Final = ".pcap.zst"
INDEX: Final = ".ids"
"""Suffix of the index instead of `.zst`: sorted numbers (u64, little endian) of `flows.PacketIndex`."""
PARTIAL: Final = ".part"
_NAME: Final = re.compile(r"([a-z]+\d+)-(\d+)-(\d+)-(\d+)-(\d+)(-begin)?\.pcap\.zst")


@dataclass(frozen=True, slots=True)
class Segment:
    """One file."""

    folder: Path
    writer: str
    first: int
    """Event time (µs) of its first packet, and of its last."""
    last: int
    packets: int
    lost: int
    """Packets that were dropped meanwhile, by the kernel or for want of time to write."""
    begin: bool
    """Before it the sensor did not listen."""

    @property
    def path(self) -> Path:
        """Where it is."""
        begin = "-begin" if self.begin else ""
        return self.folder / f"{self.writer}-{self.first}-{self.last}-{self.packets}-{self.lost}{begin}{SUFFIX}"

    @property
    def bytes(self) -> int:
        """On disk, its index included."""
        found = 0
        for path in (self.path, self.path.with_suffix(INDEX)):
            found += path.stat().st_size if path.exists() else 0
        return found

    def ended(self, last: int, packets: int, lost: int) -> Segment:
        """The file as it is at its end."""
        return replace(self, last=last, packets=packets, lost=lost)

    def about(self, keys: NDArray[np.uint64]) -> bool:
        """Whether one of the keys is in its index; without an index it may be."""
        try:
            index = np.frombuffer(self.path.with_suffix(INDEX).read_bytes(), "<u8")
        except OSError:
            return True
        return not len(index) or bool(np.isin(keys, index).any())


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the ring has of a time."""

    files: tuple[Path, ...]
    """Those that may have what is looked for, the oldest first."""
    status: str
    """complete; partly overwritten; outside the window; capture loss x %; not listening until a time."""
    loss: float
    """Share of the packets of that time that were dropped."""


def segments(folder: Path) -> list[Segment]:
    """All whole files of the ring."""
    found = []
    for path in folder.glob(f"*{SUFFIX}"):
        match = _NAME.fullmatch(path.name)
        if match:
            first, last, packets, lost = map(int, match.group(2, 3, 4, 5))
            found.append(Segment(folder, match[1], first, last, packets, lost, match[6] is not None))
    return sorted(found, key=lambda segment: (segment.first, segment.writer))


def evidence_of(folder: Path, since: int | None, until: int | None, keys: NDArray[np.uint64] | None = None) -> Evidence:
    """What the ring has from `since` until before `until` (µs; None: all it has), and whether that is all there was.

    `keys`: of `flows.index_keys`; files that have none of them are left out. OSError when the folder cannot be read.
    """
    every = segments(folder)
    start = since if since is not None else -(2**63)
    end = until if until is not None else 2**63 - 1
    within = [part for part in every if part.last >= start and part.first < end]
    if not within:
        return Evidence((), "outside the window: the ring has nothing of that time", 0.0)
    packets, lost = sum(part.packets for part in within), sum(part.lost for part in within)
    loss = lost / (packets + lost) if packets + lost else 0.0
    said = []
    begun = [part for part in within if part.begin and part.first > start and since is not None]
    oldest = {name: next(p for p in every if p.writer == name) for name in {part.writer for part in every}}
    overwritten = [p for p in oldest.values() if p.first > start and not p.begin and since is not None]
    if overwritten:
        said.append("partly overwritten")
    if begun:
        said.append("the sensor did not listen all the time")
    if loss > 0:
        said.append(f"capture loss {loss:.2%}")
    files = tuple(part.path for part in within if keys is None or part.about(keys))
    return Evidence(files, "; ".join(said) or "complete", loss)

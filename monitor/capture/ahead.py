"""Brings the record headers just ahead of a scan into the cache, by walking several stretches of the file at once.

A scan learns where a record begins only from the record before: each header is a wait for main memory, about 100 ns.
Here `_WALKERS` walkers begin at guessed records and wait side by side. What they see is thrown away, the scan itself
reads every header again: a wrong guess costs time and nothing else.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.capture.byteorder import u32
from monitor.jit import inlined, kernel
from monitor.stack import stack_i64

FIRST_LOOK: Final = 32 * 1024
"""Bytes to scan before the average record is known well enough to walk ahead."""
_WALKERS: Final = 16
_RECORDS: Final = 4096
"""Records to walk ahead at once: so many cache lines stay in a core's second level."""
_FEWEST: Final = 8 * _WALKERS
"""Records for which the guesses would not pay."""
_WORTH_IT: Final = 256
"""Average record from which on to walk: shorter ones are fetched ahead by the processor itself."""
_DAY: Final = 86_400
_HEADER: Final = 16
"""Bytes of a record that a walker or a guess looks at."""


@kernel
def walk_pcap(data: NDArray[np.uint8], at: int, stop: int, average: int, big: bool, header: int) -> int:
    """Walk ahead in classic pcap from the record at `at`; returns where the scan should call again."""
    span = min(_RECORDS * average, stop - at)
    if average < _WORTH_IT or span < _FEWEST * average:
        return at + _RECORDS * _WORTH_IT
    now = u32(data, at, big)
    starts, ends = stack_i64(_WALKERS), stack_i64(_WALKERS)
    _stretches(at, at + span, starts, ends)
    for k in range(1, _WALKERS):
        c = starts[k]
        last = min(c + 4 * average, stop - _HEADER)
        while c < last and not _like_pcap(data, c, big, now):
            c += 1
        starts[k] = c
    return _walk(data, starts, ends, stop - _HEADER, big, 8, header)


@kernel
def walk_pcapng(data: NDArray[np.uint8], at: int, stop: int, average: int, big: bool) -> int:
    """Walk ahead in pcapng from the block at `at`; returns where the scan should call again."""
    span = min(_RECORDS * average, stop - at)
    if average < _WORTH_IT or span < _FEWEST * average:
        return at + _RECORDS * _WORTH_IT
    kind = u32(data, at, big)
    starts, ends = stack_i64(_WALKERS), stack_i64(_WALKERS)
    _stretches(at, at + span, starts, ends)
    for k in range(1, _WALKERS):
        c = starts[k] + (at - starts[k]) % 4  # blocks lie at multiples of four from each other
        last = min(c + 4 * average, stop - _HEADER)
        while c < last and not _like_pcapng(data, c, stop, big, kind):
            c += 4
        starts[k] = c
    return _walk(data, starts, ends, stop - _HEADER, big, 4, 0)


@inlined
def _like_pcap(data: NDArray[np.uint8], at: int, big: bool, now: int) -> bool:
    """Whether the bytes look like a record: of about the same day, and no longer than it was on the wire."""
    return abs(u32(data, at, big) - now) < _DAY and u32(data, at + 8, big) <= u32(data, at + 12, big) < 65536


@inlined
def _like_pcapng(data: NDArray[np.uint8], at: int, stop: int, big: bool, kind: int) -> bool:
    """Whether the bytes look like a block of that kind: its length stands at both of its ends."""
    if u32(data, at, big) != kind:
        return False
    length = u32(data, at + 4, big)
    return 12 <= length <= stop - at and u32(data, at + length - 4, big) == length


@kernel
def _stretches(start: int, end: int, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
    """Where each walker begins and ends, to be filled in."""
    for k in range(_WALKERS):
        starts[k] = start + (end - start) * k // _WALKERS
        ends[k] = start + (end - start) * (k + 1) // _WALKERS


@inlined
def _walk(
    data: NDArray[np.uint8],
    places: NDArray[np.int64],
    ends: NDArray[np.int64],
    last: int,
    big: bool,
    field: int,
    extra: int,
) -> int:
    """Walk them all, a record each in turn, by the length at `field` of each record; returns how far they came."""
    farthest = ends[_WALKERS - 1]
    going = True
    while going:
        going = False
        for k in range(_WALKERS):
            place = places[k]
            if place < ends[k] and place <= last:
                place += max(extra + u32(data, place + field, big), 12)
                places[k] = place
                farthest = max(farthest, place)
                going = True
    return int(min(farthest, ends[_WALKERS - 1] + 65536))

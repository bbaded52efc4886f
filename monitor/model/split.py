"""Which flows train, which calibrate, which are held back; and how much one host may weigh.

What is done with them is up to `training`.
"""

from __future__ import annotations

import hashlib
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from monitor.model.calibration import tie_breakers


class Role(IntEnum):
    """What a flow is for."""

    TRAINING = 0
    CALIBRATION = 1
    HELD_BACK = 2


BLOCK = 8
"""Flows in a row that calibrate or are held back together."""


def roles(starts: NDArray[np.int64], session: str, *, training_share: float) -> NDArray[np.int8]:
    """Role of each flow (n,) of one session, whose start times are ascending.

    The first `training_share` of the flows train. What comes later is dealt out in blocks of successive flows: of each
    two neighbouring blocks one calibrates, the other is held back, and a number drawn from the session's name says
    which (strict turns would beat against devices that repeat themselves). So both lie later than what was learnt, and
    both see the same hours: a session's drift does not pass for a fault of the calibration.
    """
    count = len(starts)
    out = np.full(count, Role.TRAINING, np.int8)
    first = int(np.ceil(count * training_share))
    if first < count:
        first = int(np.searchsorted(starts, starts[first], side="left")) or first
        block = np.arange(count - first) // BLOCK
        seed = np.uint64(int.from_bytes(hashlib.blake2b(session.encode(), digest_size=8).digest(), "big"))
        pairs = seed ^ np.arange(block[-1] // 2 + 1, dtype=np.uint64)
        swapped = tie_breakers(pairs, np.zeros(len(pairs), np.uint32)) < 0.5
        out[first:] = np.where((block % 2 == 0) ^ swapped[block // 2], Role.CALIBRATION, Role.HELD_BACK)
    return out


def capped(groups: NDArray[np.int64], ties: NDArray[np.float64], most: int) -> NDArray[np.bool_]:
    """Which flows stay when no group (session, host and service) may have more than `most`: (n,) True for those.

    The choice is spread over time and the same in every run. `ties` (`tie_breakers` of the flows) name the flows; the
    lot drawn from them is another than they are, since those that stay must still have ties even over 0..1.
    """
    lots = tie_breakers(ties.view(np.uint64), np.zeros(len(ties), np.uint32))
    order = np.lexsort((lots, groups))
    ordered = groups[order]
    begin = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    place = np.arange(len(groups)) - np.repeat(begin, np.diff(np.r_[begin, len(groups)]))
    keep = np.zeros(len(groups), np.bool_)
    keep[order] = place < most
    return keep

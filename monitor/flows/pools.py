"""Bounded pools of slots: taken in order, given back in any order, and the oldest one known when none is left.

A pool is an array of SLOT and one row of POOL; what a slot stands for is up to who takes it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.jit import Integer, inlined, kernel

SLOT = np.dtype([("prev", "i4"), ("next", "i4"), ("owner", "i4")], align=True)
"""Neighbours in the order of taking (-1: none), and whoever took it; a free slot's `next` is the next free one."""

POOL = np.dtype([("size", "i8"), ("fresh", "i8"), ("free", "i8"), ("head", "i8"), ("tail", "i8")], align=True)
"""`fresh`: slots ever used; `free`: first of the list of those given back; `head`: the oldest in use; -1: none."""


def new_pool(size: int) -> np.void:
    """A pool of which nothing is taken."""
    pool = np.zeros(1, POOL)
    pool["size"], pool["free"], pool["head"], pool["tail"] = size, -1, -1, -1
    return pool[0]


@inlined
def is_empty(pool: Any) -> bool:
    """Is every slot taken?"""
    return bool(pool["free"] < 0 and pool["fresh"] >= pool["size"])


@kernel
def acquire(slots: Any, pool: Any, owner: Integer) -> Integer:
    """A slot for `owner`, the newest now. The caller has made sure that there is one."""
    number = np.int64(pool["free"])
    if number >= 0:
        pool["free"] = slots[number]["next"]
    else:
        number = np.int64(pool["fresh"])
        pool["fresh"] = number + 1
    last = np.int64(pool["tail"])
    slots[number]["owner"] = owner
    slots[number]["prev"] = last
    slots[number]["next"] = -1
    if last >= 0:
        slots[last]["next"] = number
    else:
        pool["head"] = number
    pool["tail"] = number
    return number


@kernel
def give_back(slots: Any, pool: Any, number: Integer) -> None:
    """Take the slot out of the order of age; it is free again."""
    before, after = np.int64(slots[number]["prev"]), np.int64(slots[number]["next"])
    if before >= 0:
        slots[before]["next"] = after
    else:
        pool["head"] = after
    if after >= 0:
        slots[after]["prev"] = before
    else:
        pool["tail"] = before
    slots[number]["next"] = pool["free"]
    pool["free"] = number

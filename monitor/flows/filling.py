"""How full the memory for first payloads is: the fullest of its three pools, by the free slots of each.

Asked about once a second; nothing on a packet's way counts what is taken.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.flows.apart import array_at
from monitor.flows.first_payload import CELL
from monitor.flows.pools import SLOT
from monitor.jit import Integer, inlined, kernel


@inlined
def free_slots(slots: Any, first: Integer) -> Integer:
    """Length of the list of slots that were given back; `first`: the first of them, -1: none."""
    number, count = np.int64(first), np.int64(0)
    while number >= 0 and count < len(slots):
        number = np.int64(slots[number]["next"])
        count += 1
    return count


@kernel
def filled(control: Any) -> float:
    """The part of the fullest pool that is in use, 0 to 1; `control`: the row of CONTROL."""
    most = 0.0
    readings, streams = control["reading_pool"], control["stream_pool"]
    slots = array_at(control["reading_slots"], readings["size"], SLOT)
    most = max(most, (readings["fresh"] - free_slots(slots, readings["free"])) / readings["size"])
    slots = array_at(control["stream_slots"], streams["size"], SLOT)
    most = max(most, (streams["fresh"] - free_slots(slots, streams["free"])) / streams["size"])
    cells = array_at(control["cells"], control["cell_count"], CELL)
    return max(most, (control["cell_fresh"] - free_slots(cells, control["cell_free"])) / control["cell_count"])

"""How long after its start each attack of the lab recording is found: event time, and beats of beacons.

    python -m benchmarks.time_to_detection

The hunts look again every ten seconds at the flows that had ended by then. A sensor looks each minute, and hears of a
flow when its protocol's timeout ends it: its own delay comes on top.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import detection_labels
from benchmarks.detection import KEPT
from benchmarks.table import Row, show
from monitor.config import load_settings
from monitor.detect import Incident, find_incidents
from monitor.evaluation.day import truths_of
from monitor.evaluation.flow_table import flow_table
from monitor.evaluation.matching import Truth, same_behaviour, tells_of
from monitor.report import Progress
from monitor.store import open_store

if TYPE_CHECKING:
    import pyarrow as pa

COMMAND = "python -m benchmarks.time_to_detection"
STEP = 10
"""Seconds between two looks."""
LONGEST, MOST_BEATS = 180, 20
_FAMILY = {
    "beacon": "beacon connection_beacon dns_tunnel",
    "password_spraying": "brute_force",
    "slow_scan": "slow_scan port_scan",
}


def looks(table: pa.Table) -> list[tuple[int, list[Incident]]]:
    """What the hunts find at each look: its time (µs since 1970) and the incidents."""
    starts, ends = (table[name].cast("int64").to_numpy() for name in ("start", "end"))
    found = []
    with open_store("none") as store:
        for at in range(int(starts.min()), int(ends.max()) + STEP * 1_000_000, STEP * 1_000_000):
            store.begin_run("look")
            for batch in table.filter(ends <= at).to_batches():
                store.insert_flows(batch)
            store.publish_flows()
            found.append((at, find_incidents(store, "look")))
    return found


def named(incident: Incident, truth: Truth) -> bool:
    """Whether it names host and behaviour."""
    detector = str(incident["detector"])
    right = same_behaviour(detector, truth) or detector in _FAMILY.get(truth.behaviour, "").split()
    return right and tells_of(incident, truth)


def rows() -> list[Row]:
    """One row of all attacks, with those that took longer."""
    labelled = detection_labels.lab()
    with Progress("lab") as progress:
        table = flow_table(labelled.capture, load_settings(None), progress, KEPT)
    seen = looks(table)
    seconds, late = [], []
    for truth in truths_of(labelled, table):
        begun = truth.start.timestamp() * 1e6
        hits = [(at, one) for at, incidents in seen for one in incidents if named(one, truth)]
        took = (hits[0][0] - begun) / 1e6 if hits else float("inf")
        beats = hits[0][1]["flows"] if hits else 0
        seconds.append(took)
        if (truth.behaviour == "beacon" and beats > MOST_BEATS) or took > LONGEST:
            after = f"{timedelta(seconds=round(took))}" if hits else "never"
            late.append(f"{truth.behaviour} after {after}, {beats} flows")
    detail = f"{len(seconds)} attacks, median {np.median(seconds):.0f} s" + (
        f"; late: {', '.join(late)}" if late else ""
    )
    share = 100 * (1 - len(late) / len(seconds))
    what = f"lab attacks named within {LONGEST} s of event time (beacons: {MOST_BEATS} beats)"
    return [Row(what, f"{share:.3g} % ({detail})", "100 %", not late, COMMAND)]


if __name__ == "__main__":
    show(rows())

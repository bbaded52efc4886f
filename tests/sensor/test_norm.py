"""Traffic beside what is usual for the hour of the week, which shows a mirror port that went half deaf."""

from __future__ import annotations

import pytest
from packets import batch, udp

from monitor.config import Settings
from monitor.flows import FlowMeter
from monitor.sensor.hunting import Hunting
from monitor.store import Store, open_store

HOUR, WEEK = 3_600_000_000, 7 * 86_400_000_000
NOW = 1_790_000_000_000_000


def stored(store: Store, *times: int) -> None:
    """A packet at each time, in live rows."""
    packets = [(time, udp("10.1.0.7", "192.0.2.1", 1000 + n, 53)) for n, time in enumerate(times)]
    for records in FlowMeter(Settings().flows).records([batch(packets)]):
        store.insert_flows(records)


def test_an_hour_is_held_against_the_same_hour_of_weeks_before() -> None:
    """Other hours do not count, and without a week before there is no norm."""
    with open_store("none") as store:
        hunting = Hunting(Settings(), lambda: store, None, print)
        stored(store, NOW - HOUR // 2)
        assert hunting.norm(store, NOW) is None
        stored(store, *(NOW - 2 * WEEK - 1 - n for n in range(3)), *(NOW - WEEK - 1 - n for n in range(5)))
        stored(store, *(NOW - WEEK - 2 * HOUR - n for n in range(50)))
        assert hunting.norm(store, NOW) == pytest.approx(1 / 4)

"""The lane between two processes: nothing torn, nothing invented, the newest kept, every loss counted."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.sensor.lane import Lane, new_lane

WRITER = """
import sys, time
from monitor.sensor.lane import Lane
lane = Lane(int(sys.argv[1]), 4, 65536)
for number in range(20_000):
    text = str(number).encode() * (1 + number * 7919 % 9000)
    lane.put(memoryview(text[:65536]), 1 + number % 3)
    if number % 500 == 0:
        time.sleep(0.001)
"""


def lane(slots: int = 4, size: int = 64) -> Lane:
    descriptor = new_lane("test", slots, size)
    made = Lane(descriptor, slots, size)
    os.close(descriptor)
    return made


@given(st.lists(st.one_of(st.integers(1, 5), st.none()), max_size=60))
def test_rows_read_and_rows_lost_are_the_rows_written(steps: list[int | None]) -> None:
    """Whatever the order of writes (rows) and reads (None): order is kept, the newest survive, the sum is right."""
    between, written, seen, rows, lost = lane(), 0, 0, 0, 0
    total = 0
    for step in [*steps, *[None] * 5]:
        if step is not None:
            written += 1
            total += step
            between.put(memoryview(str(written).encode()), step)
            continue
        message = between.take()
        if message is not None:
            number = int(message.payload)
            assert number > seen
            assert message.lost == 0 or number > seen + 1
            seen, rows, lost = number, rows + message.rows, lost + message.lost
    assert seen == written
    assert rows + lost == total
    assert between.waiting() == 0


def test_a_message_that_is_too_long_is_refused() -> None:
    """It would run into the next slot."""
    with pytest.raises(ValueError, match="takes 64"):
        lane().put(memoryview(bytes(65)), 1)


def test_a_slow_reader_never_sees_half_a_message() -> None:
    """Another process writes as fast as it can over what we read: each message is whole, losses add up."""
    descriptor = new_lane("test", 4, 65536)
    between = Lane(descriptor, 4, 65536)
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(descriptor)], pass_fds=[descriptor])
    os.close(descriptor)
    rows = lost = read = 0
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        message = between.take()
        if message is None:
            if writer.poll() is not None and between.waiting() == 0:
                break
            time.sleep(0.001)
            continue
        number = next(n for n in (message.payload[:k] for k in range(5, 0, -1)) if whole(message.payload, n))
        assert message.rows == 1 + int(number) % 3
        rows, lost, read = rows + message.rows, lost + message.lost, read + 1
    assert writer.returncode == 0
    assert rows + lost == sum(1 + number % 3 for number in range(20_000))
    assert lost > 0
    assert read > 0


def whole(payload: bytes, word: bytes) -> bool:
    """Whether the message is this number over and over, as often as the writer says it."""
    times = 1 + int(word) * 7919 % 9000
    return payload == (word * times)[:65536]

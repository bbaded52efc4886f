"""The consumer's thread: all items in order, never far behind, and failures that cross both ways."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from monitor.background import AbandonedError, Background


def test_items_arrive_in_order_and_the_result_comes_back() -> None:
    with Background(lambda items: list(items), ahead=2, name="test") as consumer:
        for number in range(100):
            consumer.put(number)
    assert consumer.result == list(range(100))


def test_the_producer_waits_for_a_slow_consumer() -> None:
    go = threading.Event()
    taken: list[int] = []

    def consume(items: Iterator[int]) -> None:
        for item in items:
            go.wait(10)
            taken.append(item)

    with Background(consume, ahead=2, name="test") as consumer:
        filler = threading.Thread(target=lambda: [consumer.put(n) for n in range(10)])
        filler.start()
        filler.join(0.3)
        assert filler.is_alive()  # one being consumed, two waiting, the fourth must wait
        go.set()
        filler.join(10)
    assert taken == list(range(10))


def test_a_consumer_that_fails_stops_the_producer() -> None:
    def consume(items: Iterator[int]) -> None:
        next(items)
        raise OSError(28, "No space left on device")

    def produce() -> None:
        with Background(consume, ahead=1, name="test") as consumer:
            for number in range(1000):
                consumer.put(number)

    with pytest.raises(OSError, match="No space left"):
        produce()


def test_a_producer_that_fails_makes_the_consumer_undo() -> None:
    undone: list[str] = []

    def consume(items: Iterator[int]) -> None:
        try:
            list(items)
        except AbandonedError:
            undone.append("undone")

    def produce() -> None:
        with Background(consume, ahead=1, name="test") as consumer:
            consumer.put(1)
            raise ValueError("the producer's own")

    with pytest.raises(ValueError, match="the producer's own"):
        produce()
    assert undone == ["undone"]


def test_an_interrupt_while_waiting_for_the_consumer_is_raised_when_it_is_done() -> None:
    finished: list[str] = []

    def consume(items: Iterator[int]) -> None:
        list(items)
        signal.raise_signal(signal.SIGINT)
        time.sleep(0.5)
        finished.append("whole")

    def produce() -> None:
        with Background(consume, ahead=1, name="test") as consumer:
            consumer.put(1)

    with pytest.raises(KeyboardInterrupt):
        produce()
    assert finished == ["whole"]

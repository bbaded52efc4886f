"""Run an iterator in a thread of its own, a bounded number of items ahead of whoever takes them."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

PATIENCE = 0.1
"""Seconds after which a waiting producer looks whether it is still wanted."""


def ahead(items: Iterable[Item], depth: int, name: str) -> Iterator[Item]:
    """The same items in the same order; an exception of `items` is raised here. Ending early ends the thread."""
    ready: queue.Queue[tuple[Item | None, BaseException | None, bool]] = queue.Queue(depth)
    stop = threading.Event()

    def offer(item: Item | None, error: BaseException | None, more: bool) -> None:
        while not stop.is_set():
            try:
                ready.put((item, error, more), timeout=PATIENCE)
            except queue.Full:
                continue
            return

    def produce() -> None:
        try:
            for item in items:
                offer(item, None, True)
                if stop.is_set():
                    return
            offer(None, None, False)
        except BaseException as error:  # noqa: BLE001  (a thread's boundary: raised again in the taker's)
            offer(None, error, False)

    thread = threading.Thread(target=produce, name=name, daemon=True)
    thread.start()
    try:
        while True:
            item, error, more = ready.get()
            if error is not None:
                raise error
            if not more:
                return
            yield item  # type: ignore[misc]
    finally:
        stop.set()
        thread.join()

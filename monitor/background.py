"""A consumer in a thread of its own, a bounded number of items behind its producer; failures cross in both directions.

Knows nothing of what is produced.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
_POLL = 0.1
"""Seconds after which a waiting side looks whether the other has failed."""


class AbandonedError(Exception):
    """Raised in the consumer's thread, from its items, when the producer has failed: undo what is half done."""


class Background(Generic[Item, Result]):
    """Runs `consume(items)` in a thread; leaving the context ends the items, waits, and gives `result`.

    A consumer's exception is raised again from `put` or on leaving the context.
    """

    def __init__(self, consume: Callable[[Iterator[Item]], Result], *, ahead: int, name: str) -> None:
        self._items: queue.Queue[Item | None] = queue.Queue(ahead)
        self._consume = consume
        self._error: BaseException | None = None
        self._abandoned = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.result: Result

    def __enter__(self) -> Background[Item, Result]:
        self._thread.start()
        return self

    def put(self, item: Item) -> None:
        """Hand an item over; waits while the consumer is too far behind. Raises what the consumer raised."""
        self._offer(item)
        if self._error is not None:
            raise self._error

    def _offer(self, item: Item | None) -> None:
        while self._error is None:
            try:
                self._items.put(item, timeout=_POLL)
            except queue.Full:
                continue
            return

    def _run(self) -> None:
        try:
            self.result = self._consume(self._arriving())
        except BaseException as error:  # noqa: BLE001  (a thread's boundary: raised again in the producer's)
            self._error = error

    def _arriving(self) -> Iterator[Item]:
        while True:
            try:
                item = self._items.get(timeout=_POLL)
            except queue.Empty:
                item = None
                if not self._abandoned.is_set():
                    continue
            if self._abandoned.is_set():
                raise AbandonedError
            if item is None:
                return
            yield item

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._abandoned.set()
            self._thread.join()
            return
        try:
            self._offer(None)
            self._thread.join()
        except BaseException:  # an interrupt: what is under way ends as a whole, or not at all
            self._abandoned.set()
            self._thread.join()
            raise
        if self._error is not None:
            raise self._error

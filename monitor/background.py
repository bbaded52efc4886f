"""Work in other threads, a bounded number of items away: a consumer behind its producer, jobs done side by side.

Failures cross in both directions. Knows nothing of what is produced.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
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


class _Job(Generic[Result]):
    """Something to do in a thread, and what came of it."""

    def __init__(self, work: Callable[[], Result]) -> None:
        self._work = work
        self._done = threading.Event()
        self._result: Result
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:  # noqa: BLE001  (a thread's boundary: raised again where it is waited for)
            self._error = error
        self._done.set()

    def wait(self) -> Result:
        self._done.wait()
        if self._error is not None:
            raise self._error
        return self._result


def in_order(
    jobs: Iterable[Callable[[], Result]], *, threads: int, ahead: int, name: str
) -> Generator[Result, None, None]:
    """Results of the jobs in their order, which `threads` threads do; `ahead` jobs may wait or be done meanwhile.

    A job's exception is raised when its turn comes. Leaving early ends the threads after the job that each is at.
    """
    todo: queue.SimpleQueue[_Job[Result] | None] = queue.SimpleQueue()
    left = threading.Event()

    def work() -> None:
        while (job := todo.get()) is not None:
            if not left.is_set():
                job.run()

    workers = [threading.Thread(target=work, name=name, daemon=True) for _ in range(threads)]
    for one in workers:
        one.start()
    begun: deque[_Job[Result]] = deque()
    try:
        for job in map(_Job, jobs):
            todo.put(job)
            begun.append(job)
            if len(begun) > ahead:
                yield begun.popleft().wait()
        while begun:
            yield begun.popleft().wait()
    finally:
        left.set()
        for _ in workers:
            todo.put(None)
        for one in workers:
            one.join()

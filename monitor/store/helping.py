"""A second thread that helps its owner with questions to the store: one alone seldom keeps two processors busy.

What is asked is up to `store`.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

Result = TypeVar("Result")


class Helper:
    """One thread, begun when it is first needed; it never keeps the process from ending."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def share(self, steps: Sequence[Callable[[], Result]]) -> list[Result]:
        """What each step gives, in their order; some are done by the caller, some by the helper.

        After a failure no step is begun; the first failed step's exception is raised when none is under way any more.
        """
        todo = deque(enumerate(steps))
        given: dict[int, Result] = {}
        failed: dict[int, BaseException] = {}
        rested = threading.Event()

        def work() -> None:
            while todo:
                try:
                    number, step = todo.popleft()
                except IndexError:  # the other was faster
                    return
                try:
                    given[number] = step()
                except BaseException as error:  # noqa: BLE001  (raised again in the caller's thread)
                    failed[number] = error
                    todo.clear()

        def help_out() -> None:
            work()
            rested.set()

        self._begin()
        self._work.put(help_out)
        work()
        rested.wait()
        if failed:
            raise failed[min(failed)]
        return [given[number] for number in range(len(steps))]

    def close(self) -> None:
        """Let the thread end when it is done."""
        with self._lock:
            if self._thread is not None:
                self._work.put(None)
                self._thread.join()
                self._thread = None

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="store helper", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()

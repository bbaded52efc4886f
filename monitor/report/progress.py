"""Progress of long work: how far, how fast, how long still; on stderr, and only when that is a terminal.

Anything else about the run is said when it ends.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

from monitor.report.lines import packet_rate


class Progress:
    """A line that renews itself, as a context manager; silent when stderr is no terminal."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=None),
                TextColumn("{task.fields[share]}", markup=False),
                TextColumn("{task.fields[rate]}", markup=False),
                TimeRemainingColumn(compact=True),
                console=Console(stderr=True),
                transient=True,
                refresh_per_second=5,
            )
            self._task = self._bar.add_task(self._what, total=None, share="", rate="")
            self._bar.start()
        return self

    def update(self, *, done: int, total: int | None, packets: int) -> None:
        """`done` of `total` bytes read (total None: not known), `packets` so far."""
        if self._bar is None:
            return
        elapsed = self._bar.tasks[0].elapsed or 0.0
        rate = packet_rate(packets, elapsed) if elapsed > 0.1 else ""
        share = f"{100 * done / total:3.0f}%" if total else f"{packets:,} packets"
        self._bar.update(self._task, completed=done, total=total, share=share, rate=rate)

    def stage(self, what: str) -> None:
        """Say that the work has come to a part of unknown length."""
        if self._bar is not None:
            self._bar.update(self._task, description=what, total=None, share="", rate="")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

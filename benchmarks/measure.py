"""Runs a program and measures it as a whole: wall time, processor time, peak memory of all its processes.

Programs that are compared run in turn, round by round, so that what else the machine does hits both; a ratio is the
median of the rounds' ratios. What is run, and what a number should be, is for the parts that call this.
"""

from __future__ import annotations

import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

GIB = 1 << 30
_SAMPLE = 0.05


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of a program took."""

    wall: float
    """s from start to end of the process."""
    processor: float
    """s of processor time, user and system, of it and its children."""
    resident: int
    """Peak resident bytes, sampled and summed over its processes; pages of a mapped capture count."""
    own: int
    """As `resident`, without pages of mapped files."""
    status: int | None
    """Exit status; None: stopped by us at the time limit."""
    output: str
    """Standard output."""
    errors: str
    """Standard error."""

    def checked(self, *, accept: Sequence[int] = (0, 3)) -> Run:
        """This run. Raises RuntimeError with the program's last words when its status is not among `accept`."""
        if self.status not in accept:
            raise RuntimeError(f"exit status {self.status}: {self.errors.strip()[-600:] or self.output.strip()[-600:]}")
        return self


def run(
    command: Sequence[str | Path], *, limit: float = 1800, address_space: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> Run:  # fmt: skip
    """Run `command` to its end, or for `limit` s; `address_space` bounds the bytes each of its processes may map."""

    def bound() -> None:
        if address_space is not None:
            resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))

    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.monotonic()
        process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True,
            preexec_fn=bound if address_space is not None else None, env={**os.environ, **(environment or {})},
        )  # fmt: skip
        memory = _Memory(process.pid)
        memory.start()
        overdue = threading.Event()

        def stop() -> None:
            overdue.set()
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(limit, stop)
        timer.start()
        _, ended, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
        timer.cancel()
        timer.join()
        memory.stop()
        process.returncode = os.waitstatus_to_exitcode(ended)
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode(errors="replace"))
    return Run(
        wall=wall,
        processor=usage.ru_utime + usage.ru_stime,
        resident=max(memory.resident, usage.ru_maxrss * 1024),
        own=memory.own,
        status=None if overdue.is_set() else process.returncode,
        output=texts[0],
        errors=texts[1],
    )


class _Memory(threading.Thread):
    """Samples the memory of a process and its descendants until stopped."""

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self._process = process
        self._ended = threading.Event()
        self.resident = 0
        self.own = 0

    def run(self) -> None:
        while not self._ended.wait(_SAMPLE):
            resident = own = 0
            for process in _family(self._process):
                sizes = _sizes(process)
                resident += sizes.get("VmRSS", 0)
                own += sizes.get("RssAnon", 0) + sizes.get("RssShmem", 0)
            self.resident = max(self.resident, resident)
            self.own = max(self.own, own)

    def stop(self) -> None:
        self._ended.set()
        self.join()


def _family(process: int) -> list[int]:
    found = [process]
    for parent in found:
        try:
            for thread in os.listdir(f"/proc/{parent}/task"):
                found += [int(child) for child in Path(f"/proc/{parent}/task/{thread}/children").read_text().split()]
        except OSError:  # it ended meanwhile
            continue
    return found


def _sizes(process: int) -> dict[str, int]:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:  # it ended meanwhile
        return {}
    pairs = (line.split(":", 1) for line in lines if line.endswith(" kB"))
    return {name: int(size.split()[0]) * 1024 for name, size in pairs}


def in_turn(programs: Mapping[str, Callable[[], Run]], rounds: int) -> dict[str, list[Run]]:
    """Run every program once a round, in an order that turns from round to round; their runs by name."""
    runs: dict[str, list[Run]] = {name: [] for name in programs}
    names = list(programs)
    for number in range(rounds):
        for name in names:
            runs[name].append(programs[name]())
            print(f"  round {number + 1}/{rounds}: {name}: {runs[name][-1].wall:.2f} s", file=sys.stderr, flush=True)
        names = names[1:] + names[:1]
    return runs


def wall(runs: Sequence[Run]) -> float:
    """Median wall time, s."""
    return statistics.median(one.wall for one in runs)


def times_as_fast(ours: Sequence[Run], theirs: Sequence[Run]) -> float:
    """Median over the rounds of their wall time divided by ours."""
    return statistics.median(b.wall / a.wall for a, b in zip(ours, theirs, strict=True))


def warm(path: Path) -> None:
    """Read a file once, so that no program is the one that waits for the disk."""
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 24):
            pass

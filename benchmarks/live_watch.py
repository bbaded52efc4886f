"""Watches a running sensor from outside: memory and processor time of its processes, and how fast /metrics answers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.sensor.wire import Sensor, Wire

_CLIENT = """\
import json, sys, time, urllib.request
for line in sys.stdin:
    asked = time.monotonic()
    with urllib.request.urlopen(line.strip(), timeout=30) as answer:
        text = answer.read().decode()
    print(json.dumps([time.monotonic() - asked, text]), flush=True)
"""
"""Asks for each line's URL; prints the seconds that the answer took, and the answer."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The sensor at one moment."""

    at: float
    """Seconds since the watch began."""
    memory: float
    """MB: what its processes have among themselves by share, mapped files whole, whoever else has mapped them."""
    processor: float
    """Processor seconds that they have used."""
    asked: float
    """Seconds that /metrics took to answer."""
    metrics: dict[str, float] = field(repr=False)
    """Series to value."""


@contextmanager
def watched(line: Wire, live: Sensor, every: float = 2.0) -> Iterator[list[Sample]]:
    """Samples of a sensor while the context lasts."""
    address = live.says(r"metrics: (http://\S+)")[1]
    samples: list[Sample] = []
    over = threading.Event()
    began = time.monotonic()
    client = subprocess.Popen(
        line.on(line.sensor, sys.executable, "-c", _CLIENT), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def watch() -> None:
        while not over.wait(every):
            samples.append(_sample(live, client, address, began))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()
        client.communicate()


def _held(told: Path, *names: str) -> float:
    """MB of the lines of these names."""
    found = re.findall(rf"^(?:{'|'.join(names)}):\s+(\d+) kB", told.read_text(), re.MULTILINE)
    return sum(map(int, found)) / 1024


def _sample(live: Sensor, client: subprocess.Popen[str], address: str, began: float) -> Sample:
    assert client.stdin is not None
    assert client.stdout is not None
    memory = processor = 0.0
    for pid in (live.process.pid, *live.workers()):
        memory += _held(Path(f"/proc/{pid}/smaps_rollup"), "Pss_Anon", "Pss_Shmem")
        memory += _held(Path(f"/proc/{pid}/status"), "RssFile")
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        processor += (int(fields[11]) + int(fields[12])) / 100
    at = time.monotonic() - began
    client.stdin.write(address + "\n")
    client.stdin.flush()
    asked, text = json.loads(client.stdout.readline())
    rows = (row.rpartition(" ") for row in text.splitlines() if row and not row.startswith("#"))
    return Sample(at, memory, processor, asked, {name: float(value) for name, _, value in rows})

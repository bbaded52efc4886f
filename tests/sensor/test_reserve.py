"""The reserve of memory: it is there from the start, and what chDB and Arrow need within it changes nothing."""

from __future__ import annotations

import subprocess
import sys

from wire import ROOT

_PROGRAM = """\
import os, re, sys
from pathlib import Path
from monitor.sensor import reserve
def held():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
if sys.argv[1] == "kept":
    reserve.keep()
import numpy as np
import pyarrow as pa
import pyarrow.compute
from monitor.store import open_store
with open_store("none", threads=1) as store:
    store.query("SELECT count() FROM (SELECT number FROM numbers(1000) GROUP BY number)")
    numbers = np.arange(4_000_000)
    before = held()
    if sys.argv[1] == "kept":
        reserve.take(store, 256 << 20)
    taken = held()
    for _ in range(3):
        store.query("SELECT max(n) FROM (SELECT number, count() AS n FROM numbers(1000000) GROUP BY number)")
        pa.compute.add(pa.array(numbers), 1)
    print(before, taken, held())
"""


def memory(kind: str) -> list[float]:
    """MB before the reserve is taken, after it, and after three questions that need some 60 MB each."""
    command = [sys.executable, "-c", _PROGRAM, kind]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=True)
    return [float(word) for word in done.stdout.split()]


def test_what_is_needed_within_the_reserve_changes_nothing() -> None:
    before, taken, after = memory("kept")
    assert taken - before > 200
    assert after - taken < 30

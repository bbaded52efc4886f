"""Kernels called from their saved machine code: the same results as Numba's, without Numba, and never out of date."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import packets
import pytest

from monitor.jit import BOUNDSCHECK, kernel
from monitor.machine_code import data_address, kind_of

pytestmark = pytest.mark.skipif(BOUNDSCHECK, reason="checked kernels are called by Numba")

ROOT = Path(__file__).parent.parent

MODULE = """
import numpy as np
from monitor.jit import inlined, kernel

@inlined
def part(row, number):
    return row["count"] * number

@kernel
def fold(rows, last, weights, columns, scale, most, wide, yes):
    total, seen = 0.0, 0
    last["count"] += 5
    for n in range(len(rows)):
        rows[n]["share"] = np.float32(part(rows[n], scale) / 3)
        for k in range(3):
            rows[n]["name"][k] += 1
        total += rows[n]["share"] * weights[n % weights.shape[0], n % weights.shape[1]]
        seen += columns[0][n] + columns[1][n]
    return total, seen, np.uint64(wide) + np.uint64(1), np.uint8(min(seen, most)), not yes, np.float32(total)

def arguments():
    rng = np.random.default_rng(7)
    rows = np.zeros(50, np.dtype([("count", "u4"), ("share", "f4"), ("name", "u1", (3,))], align=True))
    rows["count"] = rng.integers(0, 1 << 32, 50)
    weights = rng.normal(size=(8, 6))[::2, ::-1]
    columns = (rng.integers(0, 99, 50), rng.integers(0, 200, 50).astype(np.uint8))
    columns[1].flags.writeable = False
    return rows, rows[-1], weights, columns, 0.1, 77, np.uint64(1 << 63), True
"""
CALL = """
import json, sys
import kernels_under_test as module
arguments = module.arguments()
result = module.fold(*arguments)
print(json.dumps([[repr(one) for one in result], arguments[0].tobytes().hex(), "numba" in sys.modules]))
"""


def called(folder: Path) -> Any:
    """What the kernel gives in a new process, what it leaves in its array, and whether Numba was loaded."""
    environment = {**os.environ, "PYTHONPATH": f"{folder}:{ROOT}", "MONITOR_CACHE_DIR": str(folder / "cache")}
    done = subprocess.run([sys.executable, "-c", CALL], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_saved_code_gives_bit_by_bit_what_numba_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process that compiles, in one that finds the code, after a change of the source, after damage on disk."""
    import numba

    source = tmp_path / "kernels_under_test.py"
    source.write_text(MODULE)
    compiled, found = called(tmp_path), called(tmp_path)
    assert (compiled[2], found[2]) == (True, False)
    monkeypatch.syspath_prepend(str(tmp_path))
    import kernels_under_test as module  # type: ignore[import-not-found]

    arguments = module.arguments()
    by_numba = numba.njit(error_model="numpy")(module.fold.py_func)(*arguments)
    expected = [[repr(one) for one in by_numba], arguments[0].tobytes().hex()]
    assert compiled[:2] == found[:2] == expected
    source.write_text(MODULE.replace("/ 3", "/ 5"))
    changed = called(tmp_path)
    assert changed[2]
    assert changed[:2] != expected
    (file,) = (tmp_path / "cache").glob("kernels-plain/objects_*/*.o")
    file.write_bytes(file.read_bytes()[:-9])
    assert called(tmp_path) == changed
    os.utime(source)
    assert called(tmp_path) == [*changed[:2], False]  # touched, not changed


def test_a_process_of_its_own_reads_a_capture_without_numba(tmp_path: Path) -> None:
    """Once the kernels are compiled: that is what a start is quick by."""
    session = packets.tcp_session(packets.START, "10.0.0.1", "198.51.100.7", 20000, 443, b"G" * 90, b"z" * 500)
    capture = packets.write_pcap(tmp_path / "one.pcap", session)
    command = ["flows", str(capture), "-o", str(tmp_path / "flows.arrow")]
    code = (
        "import sys; from monitor.cli import main\n"
        "try: main()\n"
        "except SystemExit as ended: assert not ended.code, ended.code\n"
        "assert 'numba' not in sys.modules"
    )
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr


@kernel
def tells(items: Any) -> None:
    print(len(items))


@kernel
def stops(items: Any) -> int:
    if len(items) > 3:
        raise ValueError
    return len(items)


@kernel
def first(items: Any) -> Any:
    return items[0]


def test_what_is_no_kernel_is_refused() -> None:
    """Code that would need Numba's run time, results and arguments that no machine register holds."""
    with pytest.raises(TypeError, match="own process"):
        tells(np.zeros(3))
    with pytest.raises(TypeError, match="gives numbers"):
        first(np.zeros(3, complex))
    with pytest.raises(TypeError, match="not str"):
        first("text")
    assert first(np.array([7, 8])) == 7


def test_an_exception_in_a_kernel_is_one_here() -> None:
    """Not a result that nobody made."""
    assert stops(np.zeros(3)) == 3
    with pytest.raises(RuntimeError, match="stops raised an exception"):
        stops(np.zeros(4))


def test_kinds_tell_what_needs_other_code() -> None:
    """Two arguments of one kind are given to the same machine code."""
    plain = np.zeros((4, 4), np.int32)
    frozen = plain.copy()
    frozen.flags.writeable = False
    unaligned = np.zeros(65, np.uint8)[1:].view(np.int32).reshape(4, 4)
    kinds = [kind_of(one) for one in (plain, plain.T, plain[::2], frozen, unaligned, plain[0], plain.view(np.uint32))]
    assert len(set(kinds)) == len(kinds)
    assert kind_of(np.zeros((9, 9), np.int32)) == kinds[0]
    assert len({kind_of(one) for one in (1, 1 << 63, 1.0, True, np.float32(1), np.uint8(1))}) == 6


def test_the_address_of_an_array_is_the_one_that_numpy_tells(tmp_path: Path) -> None:
    """A kernel gets it from NumPy's struct; a wrong one would be memory of somebody else."""
    (tmp_path / "file").write_bytes(bytes(4096))
    whole = np.arange(24, dtype=np.float32).reshape(4, 6)
    mapped = np.memmap(tmp_path / "file", np.uint8, "r")
    for array in (
        whole,
        whole[1:, ::-2],
        whole.T,
        mapped[5:],
        np.frombuffer(b"abc", np.uint8),
        whole.view(np.recarray),
    ):
        assert data_address(array) == array.ctypes.data

"""Code that the sensor has used once stays in memory when the kernel wants its pages back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from wire import ROOT

_PROGRAM = """\
import ctypes, re, sys
from pathlib import Path
from monitor.sensor import pinned
import pyarrow  # what the library needs
library = sys.argv[1]
ctypes.CDLL(library)
def mappings():
    found = re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text(), flags=re.MULTILINE)
    return [text for text in found if f" {library}\\n" in text and " r-xp " in text]
def held():
    return sum(int(re.search(r"^Rss:\\s+(\\d+)", text, re.MULTILINE)[1]) for text in mappings())
spans = [[int(word, 16) for word in text.split(" ")[0].split("-")] for text in mappings()]
for begin, end in spans:
    ctypes.string_at(begin, end - begin)
if sys.argv[2] == "pinned":
    pinned.allow()
    pinned.pin()
before = held()
PAGEOUT = 21
for begin, end in spans:
    ctypes.CDLL(None).madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), PAGEOUT)
print(before, held())
"""


def held(kind: str, library: Path) -> tuple[int, int]:
    """kB of the library in memory, before and after the kernel is asked to take them."""
    command = [sys.executable, "-c", _PROGRAM, str(library), kind]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=True)
    before, after = map(int, done.stdout.split())
    return before, after


def test_the_kernel_may_take_code_only_from_who_did_not_pin_it(tmp_path: Path) -> None:
    library = tmp_path / "library.so"  # a copy, which no other process has
    shutil.copy(next(Path(pa.get_library_dirs()[0]).glob("libarrow_acero.so*")), library)
    with library.open("rb") as file:
        os.fsync(file)  # else it is not yet the kernel's to take
    before, after = held("plain", library)
    if after > before / 2:
        pytest.skip("this kernel takes no code from here: the folder is in memory, or is not asked for it")
    before, after = held("pinned", library)
    assert after == before > 500

"""Keeps the program itself in memory: what of its libraries was used once stays, however short the machine is of it.

Without it the kernel takes a hundred megabytes of code from a sensor between two hunts, and reads them from disk again
while packets wait. Memory of the program's own is the matter of `reserve`.
"""

from __future__ import annotations

import ctypes
import re
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_LOCK_ONCE_USED: Final = 1
"""mlock2(2): MLOCK_ONFAULT."""
_MAPPING: Final = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r-[x-]p \S+ \S+ [1-9]\d*\s+/")
"""A line of /proc/self/maps: what is mapped from a file and not written to."""


def allow() -> None:
    """Let this process and its children pin whatever they map, where we may: call it before rights are given up."""
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (OSError, ValueError):  # not root: then it is what systemd or the shell allow
        return


def pin() -> int:
    """Pin the files that are mapped now, up to what is allowed; bytes of address space that are pinned.

    Call it again when more may have been loaded. It takes no memory: what was never used stays on disk.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    pinned = 0
    for begin, end in _mapped():
        if libc.mlock2(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), _LOCK_ONCE_USED) == 0:
            pinned += end - begin
    return pinned


def _mapped() -> Iterator[tuple[int, int]]:
    """First address and end of each mapped file, the largest first."""
    maps = Path("/proc/self/maps").read_text()
    found = [(int(begin, 16), int(end, 16)) for begin, end in _MAPPING.findall(maps)]
    yield from sorted(found, key=lambda span: span[0] - span[1])

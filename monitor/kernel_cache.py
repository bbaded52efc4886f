"""Tells Numba where to keep the kernels that kernels call, and when one of them is out of date (see `stamps`).

Numba finds the class by the setting that `monitor.compiling` makes (NUMBA_CACHE_LOCATOR_CLASSES).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from numba.core.caching import UserProvidedCacheLocator

from monitor.stamps import source_stamp


class TransitiveLocator(UserProvidedCacheLocator):
    """Keeps kernels in NUMBA_CACHE_DIR, stamped with the sources that they are made of."""

    def ensure_cache_path(self) -> None:
        """Make the folder and try it, once a process instead of once a kernel. Raises OSError."""
        locator: Any = self
        _usable(locator.get_cache_path())

    def get_source_stamp(self) -> str:
        """Hash of the kernel's file and of every file of ours that it imports, directly or not."""
        return source_stamp(self._py_file)


@cache
def _usable(folder: str) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=folder):
        pass

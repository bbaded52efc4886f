"""Decides when a compiled kernel on disk is out of date: when its source file, or any of ours that it imports, changed.

Numba's own rule looks at the kernel's file alone and would go on running the old version of a kernel that it calls.
Numba finds the class by the setting that `monitor.jit` makes (NUMBA_CACHE_LOCATOR_CLASSES).
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from numba.core.caching import UserProvidedCacheLocator

_ROOT = Path(__file__).resolve().parent.parent

# Import statements of ours, at any indentation; a parser would take a tenth of a second at every start.
_IMPORT = re.compile(rb"^[ \t]*(?:from|import)[ \t]+(monitor[\w.]*)(?:[ \t]+import[ \t]+(\([^)]*\)|[^\n]*))?", re.M)
_NAME = re.compile(rb"\w+")


class TransitiveLocator(UserProvidedCacheLocator):
    """Keeps kernels in NUMBA_CACHE_DIR, stamped with the sources that they are made of."""

    def ensure_cache_path(self) -> None:
        """Make the folder and try it, once a process instead of once a kernel. Raises OSError."""
        locator: Any = self
        _usable(locator.get_cache_path())

    def get_source_stamp(self) -> str:
        """Hash of the kernel's file and of every file of ours that it imports, directly or not."""
        return _stamp(self._py_file)


@cache
def _usable(folder: str) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=folder):
        pass


@cache
def _stamp(file: str) -> str:
    found = {Path(file).resolve()}
    todo = list(found)
    while todo:
        for imported in _imports(todo.pop()):
            if imported not in found:
                found.add(imported)
                todo.append(imported)
    digest = hashlib.sha256()
    for path in sorted(found):
        digest.update(path.name.encode() + b"\0" + _source(path))
    return digest.hexdigest()


@cache
def _source(path: Path) -> bytes:
    return path.read_bytes()


@cache
def _imports(path: Path) -> tuple[Path, ...]:
    """Files of this project that a file imports by name (modules, not what they define)."""
    names: set[str] = set()
    for module, listed in _IMPORT.findall(_source(path)):
        names.add(module.decode())
        names.update(f"{module.decode()}.{name.decode()}" for name in _NAME.findall(listed))
    files = (_ROOT / (name.replace(".", "/") + ".py") for name in sorted(names))
    return tuple(file for file in files if file.is_file())

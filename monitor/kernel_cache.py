"""Decides when a compiled kernel on disk is out of date: when its source file, or any of ours that it imports, changed.

Numba's own rule looks at the kernel's file alone and would go on running the old version of a kernel that it calls.
Numba finds the class by the setting that `monitor.jit` makes (NUMBA_CACHE_LOCATOR_CLASSES).
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

from numba.core.caching import UserProvidedCacheLocator

_ROOT = Path(__file__).resolve().parent.parent


class TransitiveLocator(UserProvidedCacheLocator):  # type: ignore[misc]
    """Keeps kernels in NUMBA_CACHE_DIR, stamped with the sources that they are made of."""

    def get_source_stamp(self) -> str:
        """Hash of the kernel's file and of every file of ours that it imports, directly or not."""
        digest = hashlib.sha256()
        for path in sorted(_closure(Path(self._py_file).resolve())):
            digest.update(path.name.encode())
            digest.update(path.read_bytes())
        return digest.hexdigest()


@cache
def _closure(path: Path) -> frozenset[Path]:
    found = {path}
    todo = [path]
    while todo:
        for imported in _imports(todo.pop()):
            if imported not in found:
                found.add(imported)
                todo.append(imported)
    return frozenset(found)


@cache
def _imports(path: Path) -> tuple[Path, ...]:
    """Files of this project that a file imports by name (modules, not what they define)."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
    files = (_ROOT / (name.replace(".", "/") + ".py") for name in names if name.split(".")[0] == "monitor")
    return tuple(sorted(file for file in files if file.is_file()))

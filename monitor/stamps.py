"""Stamps that say when a compiled kernel is out of date: when its file, or any of ours that it imports, changed.

Numba's own rule looks at the kernel's file alone and would go on running the old version of a kernel that it calls.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""Folder of the package `monitor`."""

_DECORATORS = ROOT / "monitor" / "jit.py"

# Import statements of ours, at any indentation; a parser would take a tenth of a second at every start.
_IMPORT = re.compile(rb"^[ \t]*(?:from|import)[ \t]+(monitor[\w.]*)(?:[ \t]+import[ \t]+(\([^)]*\)|[^\n]*))?", re.M)
_NAME = re.compile(rb"\w+")


@cache
def source_stamp(file: str) -> str:
    """Hash of a file and of every file of ours that it imports, directly or not."""
    found = {Path(file).resolve()}
    todo = list(found)
    while todo:
        for imported in _imports(todo.pop()):
            if imported == _DECORATORS:
                found.add(imported)  # but not what it imports: how kernels are kept and called does not change them
            elif imported not in found:
                found.add(imported)
                todo.append(imported)
    digest = hashlib.sha256()
    for path in sorted(found):
        digest.update(path.name.encode() + b"\0" + _source(path))
    return digest.hexdigest()


def touch_stamp(file: str) -> str:
    """Size and time of a file and of all of ours: while they stay, so does `source_stamp`, which has to read them."""
    return f"{_touched(Path(file))} {_tree_touched()}"


def _touched(path: Path) -> str:
    state = path.stat()
    return f"{state.st_size} {state.st_mtime_ns}"


@cache
def _tree_touched() -> str:
    said = [f"{path} {_touched(path)}" for path in sorted((ROOT / "monitor").rglob("*.py"))]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


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
    files = (ROOT / (name.replace(".", "/") + ".py") for name in sorted(names))
    return tuple(file for file in files if file.is_file())

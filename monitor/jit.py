"""The one decorator that compiles hot loops with Numba, and where their machine code is kept.

When a compiled kernel is out of date is decided in `kernel_cache`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

from monitor.lean import load_numba

Function = TypeVar("Function", bound=Callable[..., Any])

Integer: TypeAlias = Any
"""A whole number in a kernel's signature: Python's int outside, a machine integer inside; they share no type."""


def _cache_root() -> Path:
    """Folder for compiled kernels: the user's cache, or one that the operator names."""
    named = os.environ.get("MONITOR_CACHE_DIR") or os.environ.get("CACHE_DIRECTORY")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "monitor"


BOUNDSCHECK = os.environ.get("NUMBA_BOUNDSCHECK") == "1"

numba = load_numba()

if "NUMBA_CACHE_DIR" not in os.environ:  # set in this process only: a child may want its kernels checked, or not
    _flavour = "checked" if BOUNDSCHECK else "plain"
    numba.config.CACHE_DIR = str(_cache_root() / f"kernels-{_flavour}")
    numba.config.CACHE_LOCATOR_CLASSES = "monitor.kernel_cache.TransitiveLocator"


_njit: Any = numba.njit  # its stub knows neither `_nrt` nor that a kernel keeps its Python signature
_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy"}


def kernel(function: Function) -> Function:
    """Compile `function` in nopython mode, cached on disk, without the GIL, with NumPy's error rules.

    With `NUMBA_BOUNDSCHECK=1` in the environment every array access is checked (tests run so).
    """
    return cast(Function, _njit(**_OPTIONS)(function))


def inlined(function: Function) -> Function:
    """As `kernel`, but always inlined by LLVM into its caller: for small per-packet steps."""
    return cast(Function, _njit(**_OPTIONS, forceinline=True)(function))


def lean(function: Function) -> Function:
    """As `kernel`, but without reference counts: it and all it calls must not make arrays.

    Counting references to array arguments costs two atomic operations a call, more than most per-packet steps.
    """
    return cast(Function, _njit(**_OPTIONS, _nrt=False)(function))


def lean_inlined(function: Function) -> Function:
    """As `lean`, but always inlined by LLVM into its caller."""
    return cast(Function, _njit(**_OPTIONS, _nrt=False, forceinline=True)(function))


def inner(function: Function) -> Function:
    """As `lean`, for kernels that only kernels call: no entry for Python, so that they compile in half the time."""
    return cast(Function, _njit(**_OPTIONS, _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function))


def spliced(function: Function) -> Function:
    """As `inner`, but compiled as a part of each caller: for steps that only choose which large kernel runs next.

    Numba optimises all that a kernel calls again with each kernel above it; a step less saves seconds of compilation.
    """
    return cast(Function, _njit(**_OPTIONS, _nrt=False, inline="always")(function))

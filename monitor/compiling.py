"""Compiles kernels with Numba: the machine code that `machine_code` keeps, and how Numba itself is set up."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from monitor.machine_code import ArrayKind, Code, Kind, RowKind, kernels_folder


@cache
def numba() -> Any:
    """Numba, told where compiled kernels are kept and when they are out of date."""
    from monitor.lean import load_numba

    loaded = load_numba()
    if "NUMBA_CACHE_DIR" not in os.environ:  # set in this process only: a child may want its kernels checked, or not
        loaded.config.CACHE_DIR = str(kernels_folder())
        loaded.config.CACHE_LOCATOR_CLASSES = "monitor.kernel_cache.TransitiveLocator"
    return loaded


def intrinsic_type(definition: Callable[..., Any], literal: bool) -> Any:
    """What Numba takes an intrinsic for in a kernel that calls it."""
    numba()
    from numba.core.registry import cpu_target
    from numba.extending import intrinsic

    decorate: Any = intrinsic(prefer_literal=literal)
    registered = decorate(definition)
    _intrinsics.append(registered)
    context: Any = cpu_target.typing_context
    context.refresh()
    return context.resolve_value_type(registered)


_intrinsics: list[Any] = []
"""Kept alive: Numba knows them weakly."""


def compiled(made: Any, kinds: tuple[Kind, ...]) -> Code:
    """Machine code of a dispatcher's kernel for arguments of these kinds. Raises TypeError for what is no kernel."""
    types = tuple(_numba_type(kind) for kind in kinds)
    made.compile(types)
    overload = made.overloads[types]
    object_file = _object_file(overload.library)
    process = ctypes.CDLL(None)
    missing = [symbol for symbol in _undefined(object_file) if not hasattr(process, symbol)]
    if missing:  # only Numba's own process has them: linked anywhere else, the code would end the process
        raise TypeError(f"{made.__name__} is for Numba's own process (it needs {', '.join(missing)}); see jit")
    return Code(overload.fndesc.llvm_func_name, _returned(overload.fndesc.restype), object_file)


def _object_file(library: Any) -> bytes:
    """As Numba compiled it; of a kernel out of Numba's own cache LLVM's code is at hand, and is compiled again."""
    if library._compiled_object is None:
        return bytes(library._codegen._tm.emit_object(library._get_module_for_linking()))
    return bytes(library._compiled_object)


def _undefined(object_file: bytes) -> list[str]:
    """Names that an ELF object file (System V ABI, 64 bits) refers to and does not define."""
    from llvmlite.binding import ObjectFileRef

    sections = {section.name(): section.data() for section in ObjectFileRef.from_data(object_file).sections()}
    entry = [("name", "u4"), ("info", "u1"), ("other", "u1"), ("section", "u2"), ("value", "u8"), ("size", "u8")]
    symbols = np.frombuffer(sections[b".symtab"], entry)
    names = symbols["name"][(symbols["section"] == 0) & (symbols["name"] != 0)]
    return [sections[b".strtab"][name:].partition(b"\0")[0].decode() for name in names.tolist()]


def address(made: Any, numbers: int) -> int:
    """Where a dispatcher's code for so many whole numbers begins."""
    from numba import types

    made.compile((types.int64,) * numbers)
    overload = made.overloads[(types.int64,) * numbers]
    return int(overload.library.get_pointer_to_function(overload.fndesc.llvm_func_name))


def _numba_type(kind: Kind) -> Any:
    from numba import from_dtype
    from numba.core import types

    loose: Any = types  # in its stubs these are hardly typed, or too narrowly
    if isinstance(kind, ArrayKind):
        item = from_dtype(kind.dtype)
        return loose.Array(item, kind.dimensions, kind.order, readonly=not kind.writable, aligned=kind.aligned)
    if isinstance(kind, RowKind):
        return from_dtype(kind.dtype)
    if isinstance(kind, np.dtype):
        return from_dtype(kind)
    return loose.BaseTuple.from_types([_numba_type(item) for item in kind])


def _returned(kind: Any) -> str | list[str] | None:
    """A result's machine type in NumPy's letters."""
    from numba.core import types
    from numba.np.numpy_support import as_dtype

    loose: Any = types
    kind = loose.unliteral(kind)
    if isinstance(kind, loose.NoneType):
        return None
    if isinstance(kind, loose.BaseTuple):
        return [str(_returned(item)) for item in kind.types]
    if isinstance(kind, loose.Boolean | loose.Integer | loose.Float):
        return str(as_dtype(kind).str[1:])
    raise TypeError(f"a kernel that Python calls gives numbers or a tuple of them, not {kind}")

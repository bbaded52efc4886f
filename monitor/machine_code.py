"""Calls the machine code of kernels: finds it on disk, loads it with LLVM's linker, hands over arrays and numbers.

Numba, which takes longer to load than many a capture to read, is asked (`compiling`) only for code that is not there or
out of date. What a kernel is, and who may call it, is said in `jit`.

Numba's calling convention (numba.core.callconv): int32 status = code(return slot, exception slot, arguments…), where an
array is its reference count, owner, number of items, size of an item, address, shape and strides. Our kernels count no
references, so the first two are null.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import platform
import threading
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from monitor.stamps import ROOT, source_stamp, touch_stamp


class ArrayKind(NamedTuple):
    """What code for an array argument depends on."""

    dtype: np.dtype[Any]
    dimensions: int
    order: str
    """C, F: contiguous in that order; A: neither."""
    writable: bool
    aligned: bool


class RowKind(NamedTuple):
    """The same of a row of a structured array, which is handed over by its address."""

    dtype: np.dtype[Any]


Kind: TypeAlias = "ArrayKind | RowKind | np.dtype[Any] | tuple[Any, ...]"
"""What code for an argument depends on: of a number its machine type, of a tuple the kinds of its items."""

_INT, _LARGE, _FLOAT, _BOOL = (np.dtype(name) for name in ("i8", "u8", "f8", "?"))
_C_TYPES: dict[str, Any] = {
    "b1": ctypes.c_bool,
    "i1": ctypes.c_int8, "i2": ctypes.c_int16, "i4": ctypes.c_int32, "i8": ctypes.c_int64,
    "u1": ctypes.c_uint8, "u2": ctypes.c_uint16, "u4": ctypes.c_uint32, "u8": ctypes.c_uint64,
    "f4": ctypes.c_float, "f8": ctypes.c_double,
}  # fmt: skip
"""By kind and size of a NumPy type."""

_FLAGS = 0x1 | 0x2 | 0x100 | 0x400
"""NPY_ARRAY_C_CONTIGUOUS, F_CONTIGUOUS, ALIGNED, WRITEABLE (numpy/ndarraytypes.h)."""

_array_kinds: dict[tuple[np.dtype[Any], int, int], ArrayKind] = {}
"""By type, dimensions and flags: a microsecond less a call with two arrays."""

_loading = threading.RLock()
_loaded: dict[Path, Entry] = {}
"""Kept for good: LLVM's engines share one description of the machine, which the first to go would take with it."""


class Code(NamedTuple):
    """Machine code of one kernel for arguments of certain kinds."""

    symbol: str
    """Its entry in the object file."""
    returns: str | list[str] | None
    """Machine type of the result, by `_C_TYPES`; a list: a tuple of those."""
    object_file: bytes


def kind_of(value: Any) -> Kind:
    """Kind of an argument. Raises TypeError when kernels cannot be called with it."""
    if isinstance(value, np.ndarray):
        seen = value.dtype, value.ndim, value.flags.num & _FLAGS
        found = _array_kinds.get(seen)
        if found is None:
            flags = value.flags
            order = "C" if flags.c_contiguous else "F" if flags.f_contiguous else "A"
            found = _array_kinds[seen] = ArrayKind(*seen[:2], order, flags.writeable, flags.aligned)
        return found
    if isinstance(value, bool):
        return _BOOL
    if isinstance(value, int):
        return _INT if value < 1 << 63 else _LARGE
    if isinstance(value, float):
        return _FLOAT
    if isinstance(value, tuple):
        return tuple(kind_of(item) for item in value)
    if isinstance(value, np.void):
        return RowKind(value.dtype)
    if isinstance(value, np.generic) and value.dtype.str[1:] in _C_TYPES:
        return value.dtype
    raise TypeError(f"a kernel takes arrays, numbers and tuples of them, not {type(value).__name__}")


def _c_types(kind: Kind) -> list[Any]:
    """Types of the machine arguments that an argument becomes."""
    if isinstance(kind, ArrayKind):
        pointer, size = ctypes.c_void_p, ctypes.c_ssize_t
        return [pointer, pointer, size, size, pointer, *[size] * (2 * kind.dimensions)]
    if isinstance(kind, RowKind):
        return [ctypes.c_void_p]
    if isinstance(kind, tuple):
        return [one for item in kind for one in _c_types(item)]
    return [_C_TYPES[kind.str[1:]]]


def data_address(array: np.ndarray[Any, Any]) -> int:
    """As `array.ctypes.data`, in a tenth of its microsecond: the first field of NumPy's PyArrayObject_fields, whose
    layout is a part of NumPy's binary interface (numpy/ndarraytypes.h)."""
    return ctypes.c_size_t.from_address(id(array) + object.__basicsize__).value


def _lay_out(value: Any, out: list[Any]) -> None:
    """Append the machine arguments that an argument becomes."""
    if isinstance(value, np.ndarray):
        out += (None, None, value.size, value.itemsize, data_address(value), *value.shape, *value.strides)
    elif isinstance(value, tuple):
        for item in value:
            _lay_out(item, out)
    elif isinstance(value, np.void):
        out.append(data_address(np.frombuffer(value, np.uint8)))
    else:
        out.append(value.item() if isinstance(value, np.generic) else value)


class Entry:
    """Loaded machine code, to be called with arguments of the kinds that it was made for. Lets go of the GIL."""

    def __init__(self, name: str, kinds: Sequence[Kind], code: Code) -> None:
        import llvmlite.binding as llvm

        self._name = name
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())  # one each: no name can clash
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code.object_file))
        self._engine.finalize_object()
        self.address = int(self._engine.get_function_address(code.symbol))
        arguments = [one for kind in kinds for one in _c_types(kind)]
        pointer = ctypes.c_void_p
        self._call = ctypes.CFUNCTYPE(ctypes.c_int32, pointer, pointer, *arguments)(self.address)
        self._result = _result_type(code.returns)

    def __call__(self, arguments: Sequence[Any]) -> Any:
        result, raised = self._result(), ctypes.c_void_p()
        laid_out: list[Any] = []
        for argument in arguments:
            _lay_out(argument, laid_out)
        if self._call(ctypes.addressof(result), ctypes.addressof(raised), *laid_out):
            raise RuntimeError(f"kernel {self._name} raised an exception; with NUMBA_BOUNDSCHECK=1 it is shown")
        if isinstance(result, ctypes.Structure):
            return tuple(getattr(result, name) for name, *_ in result._fields_)
        return None if isinstance(result, ctypes.c_void_p) else result.value


def _result_type(returns: str | list[str] | None) -> Any:
    if returns is None:
        return ctypes.c_void_p  # a slot that nothing is read from
    if isinstance(returns, str):
        return _C_TYPES[returns]
    fields = [(f"item{place}", _C_TYPES[name]) for place, name in enumerate(returns)]
    return type("Result", (ctypes.Structure,), {"_fields_": fields})


def entry(function: Callable[..., Any], kinds: tuple[Kind, ...], dispatcher: Callable[[], Any]) -> Entry:
    """The code of a kernel for arguments of these kinds: from disk, or from the compiler by Numba's object for it."""
    name = f"{function.__module__}.{function.__qualname__}"
    file = _folder() / f"{name}-{hashlib.sha256(repr(kinds).encode()).hexdigest()[:16]}.o"
    source = function.__code__.co_filename
    with _loading:
        if file in _loaded:  # by another thread, a moment ago
            return _loaded[file]
        code = _read(file, source)
        if code is None:
            from monitor.compiling import compiled

            code = compiled(dispatcher(), kinds)
            _write(file, source, code)
        return _loaded.setdefault(file, Entry(name, kinds, code))


def _read(file: Path, source: str) -> Code | None:
    """The code in a file, if it is there, whole and of today's sources: a line of JSON, then an object file."""
    try:
        head, _, object_file = file.read_bytes().partition(b"\n")
        said = json.loads(head)
        code = Code(said["symbol"], said["returns"], object_file)
        build, sources, touched, digest = (said[name] for name in ("build", "sources", "touched", "sha256"))
    except (OSError, ValueError, TypeError, KeyError):  # of another version, perhaps
        return None
    if build != _build() or digest != hashlib.sha256(object_file).hexdigest():
        return None
    if touched != touch_stamp(source):
        if sources != source_stamp(source):
            return None
        _write(file, source, code)  # files were touched, not changed: the next start need not read them
    return code


def _write(file: Path, source: str, code: Code) -> None:
    """Keep code; a folder that cannot be written costs a compilation at every start, and nothing else."""
    said = {
        "build": _build(),
        "sources": source_stamp(source),
        "touched": touch_stamp(source),
        "sha256": hashlib.sha256(code.object_file).hexdigest(),
        "symbol": code.symbol,
        "returns": code.returns,
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f"{file.name}.{os.getpid()}.part")
        part.write_bytes(json.dumps(said).encode() + b"\n" + code.object_file)
        os.replace(part, file)
    except OSError:
        return


def kernels_folder() -> Path:
    """Folder for compiled kernels: in the user's cache, or in one that the operator names."""
    from monitor.jit import BOUNDSCHECK

    flavour = "checked" if BOUNDSCHECK else "plain"
    named = os.environ.get("MONITOR_CACHE_DIR") or os.environ.get("CACHE_DIRECTORY")
    cache = Path(named or (os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"))
    return (cache if named else cache / "monitor") / f"kernels-{flavour}"


@cache
def _folder() -> Path:
    """Where this checkout's or installation's object files are."""
    return kernels_folder() / f"objects_{hashlib.sha256(str(ROOT).encode()).hexdigest()[:16]}"


@cache
def _build() -> str:
    """Hash of all but the sources that code depends on: versions, processor, Numba's settings."""
    import llvmlite.binding as llvm
    from llvmlite import __version__ as llvmlite

    numba = find_spec("numba")  # found, not loaded
    version = Path(numba.origin).with_name("_version.py").read_text() if numba and numba.origin else ""
    settings = sorted(item for item in os.environ.items() if item[0].startswith("NUMBA_") and "CACHE" not in item[0])
    processor = (llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())
    said = (platform.python_version(), np.__version__, llvmlite, version, settings, processor)
    return hashlib.sha256(repr(said).encode()).hexdigest()


@cache
def _machine() -> Any:
    """LLVM's description of this machine; it only links here, so that how it would make code does not matter."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(jit=True)

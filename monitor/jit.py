"""The decorators that make a function a kernel: compiled by Numba, kept on disk, called without Numba from then on.

A kernel takes arrays, numbers and tuples of them, and gives nothing, a number or a tuple of numbers. It makes no array
that outlives it and counts no references (`stack` has room for scratch), for counting costs two atomic operations an
array and a call. It lets go of the GIL and follows NumPy's error rules. Kernels may call each other.

With `NUMBA_BOUNDSCHECK=1` in the environment every array access is checked, and Numba calls the kernels (tests do so).
Compiling is up to `compiling`, finding and calling compiled code to `machine_code`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property, update_wrapper
from typing import Any, TypeAlias, TypeVar, cast

from monitor.machine_code import Entry, Kind, entry, kind_of

Function = TypeVar("Function", bound=Callable[..., Any])

Integer: TypeAlias = Any
"""A whole number in a kernel's signature: Python's int outside, a machine integer inside; they share no type."""

BOUNDSCHECK = os.environ.get("NUMBA_BOUNDSCHECK") == "1"


_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}
"""Numba's options of every kernel; the last: no reference counts."""

_BARE = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Numba's options that leave out the code by which it calls a kernel from Python: half of the compiler's work."""


class Kernel:
    """A function that is compiled when it is called: by Python here, by another kernel as Numba's dispatcher."""

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        self.py_func = function
        self.targetoptions = options  # by these two names Numba knows what to splice in
        self._entries: dict[tuple[Kind, ...], Entry] = {}
        update_wrapper(self, function)

    def __call__(self, *arguments: Any) -> Any:
        if BOUNDSCHECK:
            return self.dispatcher(*arguments)
        return self.entry(tuple(map(kind_of, arguments)))(arguments)

    def entry(self, kinds: tuple[Kind, ...]) -> Entry:
        """Its machine code for arguments of these kinds; the first time it is loaded, or compiled."""
        found = self._entries.get(kinds)
        if found is None:
            found = self._entries[kinds] = entry(self.py_func, kinds, lambda: self.dispatcher)
        return found

    @cached_property
    def dispatcher(self) -> Any:
        """Numba's own object for the function, whose compiled forms Numba keeps on disk."""
        from monitor.compiling import numba

        bare = {} if BOUNDSCHECK else _BARE
        return numba().njit(**{**_OPTIONS, **bare, **self.targetoptions})(self.py_func)

    @property
    def _numba_type_(self) -> Any:
        """What Numba takes it for inside another kernel."""
        return self.dispatcher._numba_type_


def kernel(function: Function) -> Function:
    """Compile `function` when it is first called with arguments of new types."""
    return cast(Function, Kernel(function, {}))


def inlined(function: Function) -> Function:
    """As `kernel`, but always inlined by LLVM into its caller: for small per-packet steps."""
    return cast(Function, Kernel(function, {"forceinline": True}))


def inner(function: Function) -> Function:
    """As `kernel`, for what only kernels call: when checked, it has no entry for Python, which halves compilation."""
    return cast(Function, Kernel(function, _BARE))


def spliced(function: Function) -> Function:
    """As `inner`, but compiled as a part of each caller: for steps that only choose which large kernel runs next.

    Numba optimises all that a kernel calls again with each kernel above it; a step less saves seconds of compilation.
    """
    return cast(Function, Kernel(function, {"inline": "always"}))


def address_of(function: Callable[..., Any], numbers: int) -> int:
    """Address of a kernel of so many whole numbers, for kernels to call (see `flows.apart`); as long as the process."""
    made = cast(Kernel, function)
    if BOUNDSCHECK:
        from monitor.compiling import address

        return address(made.dispatcher, numbers)
    return made.entry((kind_of(0),) * numbers).address


class Intrinsic:
    """A function that writes LLVM code into the kernels that call it; Numba hears of it when the first is compiled."""

    def __init__(self, definition: Callable[..., Any], literal: bool) -> None:
        self._definition, self._literal = definition, literal
        update_wrapper(self, definition)

    def __call__(self, *arguments: Any) -> Any:
        raise NotImplementedError(f"{self._definition.__name__} is for kernels only")

    @cached_property
    def _numba_type_(self) -> Any:
        from monitor.compiling import intrinsic_type

        return intrinsic_type(self._definition, self._literal)


def intrinsic(*, literal: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Decorate what Numba wants of one: typing context and argument types in, signature and code generator out.

    `literal`: a constant argument's type tells its value.
    """
    return lambda definition: Intrinsic(definition, literal)

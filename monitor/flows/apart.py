"""Kernels that are compiled apart from their callers: a call by address, and arrays made of an address.

Numba compiles all that a kernel calls into it, so that one large callee would cost every caller minutes. What stands
behind an address is compiled once, by itself. Arrays go over as addresses too: whoever passes one keeps it alive.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from monitor.jit import numba

# isort: split
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

ENTRY = types.int64(types.int64, types.int64, types.int64, types.int64)
"""What `call` calls: four whole numbers in, one out."""


@cache
def entry(function: Callable[[int, int, int, int], int]) -> int:
    """Address of `function` (of type ENTRY), compiled by itself and kept on disk; it lives as long as the process.

    An exception in it has no way to the caller: it is shown on stderr, and the call gives 0. Only checked kernels
    (NUMBA_BOUNDSCHECK=1) raise any.
    """
    compiled = numba.cfunc(ENTRY, cache=True, error_model="numpy", _nrt=False)(function)
    _alive.append(compiled)
    return int(compiled.address)


_alive: list[Any] = []


def _call(typing_context: Any, address: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """`call(address, a, b, c, d)`: call what stands at `address` (see `entry`)."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        i64 = ir.IntType(64)
        function = builder.inttoptr(args[0], ir.FunctionType(i64, [i64] * 4).as_pointer())
        return builder.call(function, args[1:])

    return types.int64(types.int64, types.int64, types.int64, types.int64, types.int64), codegen


call: Any = intrinsic(_call)


def _array_at(typing_context: Any, address: Any, count: Any, dtype: Any) -> Any:
    """`array_at(address, count, dtype)`: the array of so many elements of a NumPy dtype that begins at `address`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = context.make_array(signature.return_type)(context, builder)
        item = context.get_data_type(signature.return_type.dtype)
        size = context.get_constant(types.intp, context.get_abi_sizeof(item))
        place = builder.inttoptr(args[0], item.as_pointer())
        context.populate_array(array, data=place, shape=[args[1]], strides=[size], itemsize=size, meminfo=None)
        return array._getvalue()

    return types.Array(dtype.dtype, 1, "C")(types.int64, types.int64, dtype), codegen


array_at: Any = intrinsic(_array_at)

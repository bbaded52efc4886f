"""Kernels that are compiled apart from their callers: a call by address, and arrays made of an address.

Numba compiles all that a kernel calls into it, so that one large callee would cost every caller minutes. What stands
behind an address is compiled once, by itself. Arrays go over as addresses too: whoever passes one keeps it alive.
"""

from __future__ import annotations

from typing import Any

from monitor.jit import intrinsic


@intrinsic()
def call(typing_context: Any, address: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """`call(address, a, b, c, d)`: call the kernel at `address` (see `jit.address_of`): four whole numbers in, one out.

    What it raises is raised in the caller.
    """
    from llvmlite import ir
    from numba.core import cgutils, types

    number = types.int64

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        convention = context.call_conv
        kind = convention.get_function_type(number, [number] * 4)
        function = builder.inttoptr(args[0], ir.PointerType(kind))
        status, result = convention.call_function(builder, function, number, [number] * 4, args[1:])
        unlikely: Any = cgutils.if_unlikely
        with unlikely(builder, status.is_error):
            convention.return_status_propagate(builder, status)
        return result

    return number(number, number, number, number, number), codegen


@intrinsic()
def array_at(typing_context: Any, address: Any, count: Any, dtype: Any) -> Any:
    """`array_at(address, count, dtype)`: the array of so many elements of a NumPy dtype that begins at `address`."""
    from numba.core import types

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = context.make_array(signature.return_type)(context, builder)
        item = context.get_data_type(signature.return_type.dtype)
        size = context.get_constant(types.intp, context.get_abi_sizeof(item))
        place = builder.inttoptr(args[0], item.as_pointer())
        context.populate_array(array, data=place, shape=[args[1]], strides=[size], itemsize=size, meminfo=None)
        return array._getvalue()

    return types.Array(dtype.dtype, 1, "C")(types.int64, types.int64, dtype), codegen

"""Ask the processor for a row of an array before it is needed, in loops that know what comes next."""

from __future__ import annotations

from typing import Any

import monitor.jit  # noqa: F401  (it loads Numba, in its own way, and must be first)

# isort: split
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.extending import intrinsic
from numba.np.arrayobj import make_array

_make_array: Any = make_array
_insert_function: Any = cgutils.get_or_insert_function


def _prefetch(typingctx: Any, array: Any, index: Any, skip: Any) -> Any:
    """`prefetch(array, index, skip)`: fetch the cache line `skip` bytes into array[index] for reading.

    A hint: no bounds are checked, nothing is read, any address is allowed.
    """
    signature = types.void(array, types.intp, types.intp)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_type = signature.args[0]
        view = _make_array(array_type)(context, builder, arguments[0])
        size = context.get_abi_sizeof(context.get_data_type(array_type.dtype))
        address = builder.ptrtoint(view.data, cgutils.intp_t)
        address = builder.add(address, builder.mul(arguments[1], cgutils.intp_t(size)))
        pointer = builder.inttoptr(builder.add(address, arguments[2]), cgutils.voidptr_t)
        i32 = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, i32, i32, i32])
        hint = _insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(hint, [pointer, i32(0), i32(3), i32(1)])
        return context.get_dummy_value()

    return signature, generate


prefetch: Any = intrinsic(_prefetch)

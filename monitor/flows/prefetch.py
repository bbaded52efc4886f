"""Ask the processor for a row of an array before it is needed, in loops that know what comes next."""

from __future__ import annotations

from typing import Any

from monitor.jit import intrinsic


@intrinsic()
def prefetch(typing_context: Any, array: Any, index: Any, skip: Any) -> Any:
    """`prefetch(array, index, skip)`: fetch the cache line `skip` bytes into array[index] for reading.

    A hint: no bounds are checked, nothing is read, any address is allowed.
    """
    from llvmlite import ir
    from numba import types
    from numba.core import cgutils
    from numba.np.arrayobj import make_array

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_type = signature.args[0]
        make: Any = make_array
        view = make(array_type)(context, builder, arguments[0])
        size = context.get_abi_sizeof(context.get_data_type(array_type.dtype))
        address = builder.ptrtoint(view.data, cgutils.intp_t)
        address = builder.add(address, builder.mul(arguments[1], cgutils.intp_t(size)))
        pointer = builder.inttoptr(builder.add(address, arguments[2]), cgutils.voidptr_t)
        i32 = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, i32, i32, i32])
        insert: Any = cgutils.get_or_insert_function
        builder.call(insert(builder.module, kind, "llvm.prefetch.p0"), [pointer, i32(0), i32(3), i32(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp), codegen

"""Small arrays on a kernel's stack: scratch room that costs no allocation and needs no reference counts.

They live as long as the kernel that makes them: never return one, nor keep one in anything.
"""

from __future__ import annotations

from typing import Any

from monitor.jit import intrinsic


def _on_stack(count: Any, element: str) -> Any:
    """Signature and code of an array of `count`, a constant, elements of that type."""
    from numba.core import cgutils, types

    if not isinstance(count, types.IntegerLiteral):
        return None
    kind: Any = getattr(types, element)

    def codegen(context: Any, builder: Any, signature: Any, _: Any) -> Any:
        item = context.get_data_type(kind)
        alloca: Any = cgutils.alloca_once
        place = alloca(builder, item, size=count.literal_value)
        array = context.make_array(signature.return_type)(context, builder)
        size = context.get_constant(types.intp, count.literal_value)
        step = context.get_constant(types.intp, kind.bitwidth // 8)
        context.populate_array(array, data=place, shape=[size], strides=[step], itemsize=step, meminfo=None)
        return array._getvalue()

    return types.Array(kind, 1, "C")(count), codegen


@intrinsic(literal=True)
def stack_u8(typing_context: Any, count: Any) -> Any:
    """`count` (a constant) bytes, not cleared."""
    return _on_stack(count, "uint8")


@intrinsic(literal=True)
def stack_u16(typing_context: Any, count: Any) -> Any:
    """`count` (a constant) 16-bit numbers, not cleared."""
    return _on_stack(count, "uint16")


@intrinsic(literal=True)
def stack_u32(typing_context: Any, count: Any) -> Any:
    """`count` (a constant) 32-bit numbers, not cleared."""
    return _on_stack(count, "uint32")


@intrinsic(literal=True)
def stack_u64(typing_context: Any, count: Any) -> Any:
    """`count` (a constant) 64-bit numbers, not cleared."""
    return _on_stack(count, "uint64")


@intrinsic(literal=True)
def stack_i64(typing_context: Any, count: Any) -> Any:
    """`count` (a constant) signed 64-bit numbers, not cleared."""
    return _on_stack(count, "int64")


@intrinsic(literal=True)
def stack_f32(typing_context: Any, count: Any) -> Any:
    """`count` (a constant) floats of 32 bits, not cleared."""
    return _on_stack(count, "float32")


@intrinsic(literal=True)
def stack_f64(typing_context: Any, count: Any) -> Any:
    """`count` (a constant) floats of 64 bits, not cleared."""
    return _on_stack(count, "float64")


@intrinsic()
def read_only(typing_context: Any, array: Any) -> Any:
    """The same array as one that is not written to, as captures are: one compiled kernel serves both."""
    from numba.core import types

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return args[0]

    return types.Array(array.dtype, array.ndim, array.layout, readonly=True)(array), codegen

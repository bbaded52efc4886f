"""Small arrays on a kernel's stack: scratch room that costs no allocation and needs no reference counts.

They live as long as the kernel that makes them: never return one, nor keep one in anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import monitor.jit  # noqa: F401  (it loads Numba, in its own way, and must be first)

# isort: split
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic as _typed_intrinsic

Code = Callable[..., Any]
intrinsic: Callable[..., Callable[[Code], Code]] = cast(Any, _typed_intrinsic)  # its stub keeps the typing context
_alloca: Any = cgutils.alloca_once


def _on_stack(count: Any, element: Any) -> Any:
    """Signature and code of an array of `count`, a constant, elements of that type."""
    if not isinstance(count, types.IntegerLiteral):
        return None

    def codegen(context: Any, builder: Any, signature: Any, _: Any) -> Any:
        octets = element.bitwidth // 8
        place = _alloca(builder, ir.IntType(element.bitwidth), size=count.literal_value)
        array = context.make_array(signature.return_type)(context, builder)
        size = context.get_constant(types.intp, count.literal_value)
        step = context.get_constant(types.intp, octets)
        context.populate_array(array, data=place, shape=[size], strides=[step], itemsize=step, meminfo=None)
        return array._getvalue()

    return types.Array(element, 1, "C")(count), codegen


@intrinsic(prefer_literal=True)
def stack_u8(typing_context: Any, count: Any) -> Any:
    """`count` (a constant) bytes, not cleared."""
    return _on_stack(count, types.uint8)


@intrinsic(prefer_literal=True)
def stack_u16(typing_context: Any, count: Any) -> Any:
    """`count` (a constant) 16-bit numbers, not cleared."""
    return _on_stack(count, types.uint16)


@intrinsic(prefer_literal=True)
def stack_u32(typing_context: Any, count: Any) -> Any:
    """`count` (a constant) 32-bit numbers, not cleared."""
    return _on_stack(count, types.uint32)


@intrinsic(prefer_literal=True)
def stack_u64(typing_context: Any, count: Any) -> Any:
    """`count` (a constant) 64-bit numbers, not cleared."""
    return _on_stack(count, types.uint64)


@intrinsic(prefer_literal=False)
def read_only(typing_context: Any, array: Any) -> Any:
    """The same array as one that is not written to, as captures are: one compiled kernel serves both."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return args[0]

    return types.Array(array.dtype, array.ndim, array.layout, readonly=True)(array), codegen

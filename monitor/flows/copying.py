"""Copies runs of bytes between arrays in one go: byte by byte it is most of what putting payload together costs."""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.jit import BOUNDSCHECK, Integer, inlined, intrinsic


@intrinsic()
def _copy(typing_context: Any, out: Any, at: Any, data: Any, start: Any, count: Any) -> Any:
    """`_copy(out, at, data, start, count)`: no bounds are checked."""
    from numba import types
    from numba.core import cgutils
    from numba.np.arrayobj import make_array

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        make: Any = make_array
        move: Any = cgutils.raw_memmove
        to = make(signature.args[0])(context, builder, arguments[0])
        source = make(signature.args[2])(context, builder, arguments[2])
        place = builder.gep(to.data, [arguments[1]])
        move(builder, place, builder.gep(source.data, [arguments[3]]), arguments[4], 1)
        return context.get_dummy_value()

    return types.void(out, types.intp, data, types.intp, types.intp), codegen


@inlined
def copy_bytes(out: Any, at: Integer, data: Any, start: Integer, count: Integer) -> None:
    """Copy `data[start:start + count]` to `out` from `at` on; both lie within their arrays. Nothing for count <= 0."""
    if BOUNDSCHECK:
        for i in range(count):
            out[np.uint64(at + i)] = data[np.uint64(start + i)]
    elif count > 0:
        _copy(out, at, data, start, count)

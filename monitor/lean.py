"""Keeps libraries from loading others that we do not use through them: pandas and SciPy cost 0.3 s each at every start.

Only start-up time is at stake: what is kept out here can be imported by anyone afterwards.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any


class _Refusal(MetaPathFinder):
    """Says of some modules that they are not installed."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = frozenset(names)

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        if fullname in self._names:
            raise ModuleNotFoundError(f"kept out by {__name__}", name=fullname)
        return None


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Within the context, modules of these names that are not loaded yet cannot be imported."""
    refusal = _Refusal(names)
    sys.meta_path.insert(0, refusal)
    try:
        yield
    finally:
        sys.meta_path.remove(refusal)


def load_numba() -> Any:
    """Load Numba without SciPy, which it asks for BLAS, and cffi: no kernel of ours multiplies matrices or calls C."""
    with without("scipy", "cffi"):
        import numba
        import numba.core.typing.cffi_utils
        import numba.np.arraymath  # looks for BLAS once, while it is imported

    return numba


def load_pyarrow() -> None:
    """Let pyarrow look for pandas, cloudpickle and dateutil, as it does once, when they are not to be found."""
    with without("pandas", "cloudpickle", "dateutil"):
        import pyarrow as pa

        pa.array([0])


def arrow_function(name: str, array: Any) -> Any:
    """What one of Arrow's functions makes of an array, without pyarrow.compute: it loads the manuals of 286 of them."""
    from pyarrow._compute import call_function

    return call_function(name, [array])

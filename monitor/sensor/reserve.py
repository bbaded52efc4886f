"""Memory of the main process: taken at the start and kept, so that neither a flood nor a growing store asks for more.

What is freed stays with the allocators of chDB and Arrow, and is used again; the rest of the process has little. How
much is taken is `live.reserve_bytes`; what a query may use at most is the store's matter.
"""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from monitor.store import Store

KEPT: Final = {
    "JE_MALLOC_CONF": "dirty_decay_ms:-1,percpu_arena:disabled,narenas:1,oversize_threshold:0,prof:false,"
    "lg_extent_max_active_fit:20",
    "MIMALLOC_PURGE_DELAY": "-1",
}
"""chDB's allocator gives nothing back, all its threads use the same memory, and a small request may be met from a large
free piece (else each question leaves more holes); nor does Arrow's give back."""
FOR_ARROW: Final = 4
"""One part in so many is for batches on their way to the store, the rest for the store's questions."""
_COPIES: Final = 3
"""Times that chDB holds the strings of `_TOUCH`: as they grow, and as they move."""
_TOUCH: Final = (
    "SELECT length(groupArray(text)) AS n FROM (SELECT repeat('x', 1000000) AS text FROM numbers({megabytes:UInt64})) "
    "SETTINGS max_block_size = 1, max_threads = 1, max_memory_usage = 0"
)


_ARENAS: Final = (-8, 2)
"""mallopt(3): M_ARENA_MAX; each thread would get its own from the C library."""


def keep() -> None:
    """Let the allocators keep what is freed. They read it when they are loaded: call it before chDB and Arrow are."""
    for name, words in KEPT.items():
        os.environ.setdefault(name, words)
    ctypes.CDLL(None).mallopt(*_ARENAS)


def take(store: Store | None, size: int) -> None:
    """Have `size` bytes in use for a moment; they stay ours. Raises StoreError."""
    import numpy as np
    import pyarrow as pa

    taken = pa.allocate_buffer(size // FOR_ARROW)
    np.frombuffer(taken, np.uint8)[:: os.sysconf("SC_PAGE_SIZE")] = 1
    if store is not None and store.embedded:
        store.query(_TOUCH, {"megabytes": (size - size // FOR_ARROW) // _COPIES // 1_000_000})

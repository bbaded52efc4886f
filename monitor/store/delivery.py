"""One attempt to hand an insert to the store, opened when first needed; embedded in place, else as the bytes on disk.

When to try, and again, is up to `writer`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from monitor.store.errors import StoreRowsError
from monitor.store.segment import DamagedSegmentError, Segment, decode, encode
from monitor.store.sifting import bad_rows
from monitor.store.spool import Spool

if TYPE_CHECKING:
    import pyarrow as pa

    from monitor.store.store import Store


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of the rows of an insert."""

    written: int
    set_aside: int = 0


class Delivery:
    """The way to the store; may be used from several threads."""

    def __init__(self, store: Store | Callable[[], Store], spool: Spool) -> None:
        """`store` is not closed with this, unless it was opened by calling it."""
        self._spool = spool
        self._lock = threading.Lock()
        self._open = store if callable(store) else None
        self._store: Store | None = None if callable(store) else store

    @property
    def remote(self) -> bool:
        """Whether rows go over a network, as far as is known."""
        return self._store is None or not self._store.embedded

    def deliver(self, segment: Segment | None, token: str, batch: pa.RecordBatch | None) -> Delivered:
        """Insert the rows of the segment, or the batch when it is at hand.

        Raises StoreError, and DamagedSegmentError when the rows cannot be read back.
        """
        store = self._opened()
        if batch is None:
            if segment is None:
                raise DamagedSegmentError("an insert with no rows in memory nor on disk")
            batch = decode(self._spool.rows(segment))
        try:
            store.insert("flows", [batch], token=token)
        except StoreRowsError:
            bad = list(bad_rows(batch, token, lambda part, mark: store.insert("flows", [part], token=mark)))
            for place, (row, reason) in enumerate(bad):
                self._spool.keep_bad(f"{token}-{place}", encode(row), reason)
            return Delivered(batch.num_rows - len(bad), len(bad))
        return Delivered(batch.num_rows)

    def _opened(self) -> Store:
        with self._lock:
            if self._store is None and self._open is not None:
                self._store = self._open()
            return cast("Store", self._store)

    def close(self) -> None:
        """Close a store that was opened here."""
        if self._open is not None and self._store is not None:
            self._store.close()

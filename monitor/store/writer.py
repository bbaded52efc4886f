"""Puts live rows into the store through a spool on disk: nothing is lost or doubled while the store is away or we die.

    with Writer(lambda: open_store(url), folder) as writer:
        writer.put(batch)

Each insert is on disk with its deduplication token before it is sent, and leaves the disk when the store has it. A
kill -9 costs what `put` took and `batch_seconds` had not yet sealed, as it costs the flow table; nothing else. How an
insert waits is in `spool`, how it is sent in `delivery`; the embedded store takes the same way.
"""

from __future__ import annotations

import heapq
import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.store.counts import Counts
from monitor.store.delivery import Delivered, Delivery
from monitor.store.errors import StoreError, StoreRefusedError
from monitor.store.patience import Patience
from monitor.store.segment import DamagedSegmentError, Segment, encode
from monitor.store.sifting import sound_rows
from monitor.store.spool import Spool
from monitor.store.waiting import Waiting

if TYPE_CHECKING:
    import pyarrow as pa

    from monitor.store.store import Store

log = logging.getLogger(__name__)

IN_MEMORY = 4
"""Waiting inserts whose rows are also kept in memory, so that they need not be read back."""


class Writer:
    """Takes flow records from one or more threads and delivers them from threads of its own."""

    def __init__(
        self, store: Store | Callable[[], Store], folder: Path, *, limit: int = 2 << 30, batch_rows: int = 100_000,
        batch_seconds: float = 2.0, senders: int = 1, patience: Patience | None = None,
    ) -> None:  # fmt: skip
        """Deliver to `store`, or to what it gives when called: now, or as soon as it can be opened.

        At most `limit` bytes wait in `folder`. An insert has `batch_rows` rows, or what came within `batch_seconds`.
        Raises StoreBusyError when another process uses the folder, OSError when it cannot be used.
        """
        self._batch_rows, self._batch_seconds = batch_rows, batch_seconds
        self._spool = Spool(folder, limit)
        self._delivery = Delivery(store, self._spool)
        self._patience = patience or Patience()
        self._change = threading.Condition()
        self._sealing = threading.Lock()
        self._pending: list[pa.RecordBatch] = []
        self._since = self._due = 0.0
        found = sum(segment.rows for segment in self._spool.found)
        self._counts = Counts(recovered=found, spooled=found)
        self._queue = [
            Waiting(place, s, s.token, s.rows, s.oldest, None, late=True) for place, s in enumerate(self._spool.found)
        ]
        self._next = len(self._queue)
        self._flying: list[Waiting] = []
        self._failures = 0
        self._closing = False
        self.trouble: StoreError | None = None
        """Why the store did not take the latest insert; None: it did. StoreRefusedError needs somebody to act."""
        self._threads = [
            threading.Thread(target=self._send, name=f"store writer {place}", daemon=True) for place in range(senders)
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def put(self, batch: pa.RecordBatch) -> None:
        """Take flow records with the schema of `flows.schema`; returns at once unless a batch is full (then ~50 ms).

        Rows that no store could take are set aside. Raises ValueError for another schema or after `close`.
        """
        if self._closing:
            raise ValueError("the writer is closed")
        if not batch.num_rows:
            return
        sound, bad, reason = sound_rows(batch)
        if bad is not None:
            self._keep_bad(bad, reason)
        with self._change:
            self._count(taken=batch.num_rows, waiting=sound.num_rows)
            if not self._pending:
                self._since, self._due = time.time(), time.monotonic() + self._batch_seconds
                self._change.notify_all()
            self._pending.append(sound)
            full = sum(part.num_rows for part in self._pending) >= self._batch_rows
        if full:
            self._seal()

    def counts(self) -> Counts:
        """What became of the rows so far; always in balance."""
        with self._change:
            waiting = [item.oldest for item in (*self._queue, *self._flying)] + ([self._since] if self._pending else [])
            return replace(self._counts, oldest=min(waiting, default=0.0), spool_bytes=self._spool.bytes)

    def flush(self, timeout: float | None = None) -> bool:
        """Make everything safe on disk, then wait for the store; False: it did not take all (or not in `timeout` s)."""
        self._seal()
        until = None if timeout is None else time.monotonic() + timeout
        with self._change:
            failures = self._failures
            self._patience.at_once()
            self._change.notify_all()
            while self._queue or self._flying:
                left = None if until is None else until - time.monotonic()
                if self._failures > failures or (left is not None and left <= 0):
                    return False
                self._change.wait(left)
        return True

    def close(self, timeout: float = 10.0) -> bool:
        """Flush and end, within `timeout` s in all; what the store did not take stays in the spool for the next writer.

        False: something did. A sender that still waits for its store keeps the spool from others as long as it does.
        """
        until = time.monotonic() + timeout
        if self._closing:
            return not self._queue
        delivered = self.flush(timeout)
        with self._change:
            self._closing = True
            self._change.notify_all()
        self._seal()
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0.0))
        self._save_the_unsaved()
        if self.ended():
            self._delivery.close()
            self._spool.close()
        return delivered

    def ended(self) -> bool:
        """Whether no sender touches the store any more."""
        return not any(thread.is_alive() for thread in self._threads)

    def _save_the_unsaved(self) -> None:
        """Inserts that are only in memory get a last chance to be kept on disk; else they are lost, and counted."""
        with self._sealing, self._change:
            for item in [item for item in self._queue if item.segment is None and item.batch is not None]:
                item.segment = self._spooled(item.batch, item.token, item.oldest)
                if item.segment is None:
                    self._queue.remove(item)
                    self._count(dropped=item.count, spooled=-item.count)

    def _count(self, **change: float) -> None:
        """Add to the counts; the caller holds the lock."""
        self._counts = replace(self._counts, **{name: getattr(self._counts, name) + n for name, n in change.items()})

    def _keep_bad(self, bad: pa.RecordBatch, reason: str) -> None:
        outcome = "set_aside"
        try:
            self._spool.keep_bad(uuid.uuid4().hex, encode(bad), reason)
        except OSError as error:
            log.error("%d flow records are dropped: %s, and cannot be set aside: %s", bad.num_rows, reason, error)
            outcome = "dropped"
        with self._change:
            self._count(**{outcome: bad.num_rows})

    def _seal(self) -> None:
        """Make inserts of what is pending, and write them to the disk."""
        from monitor.store.arrow import joined, pieces
        from monitor.store.packing import packed

        with self._sealing:
            with self._change:
                pending, since, self._pending = self._pending, self._since, []
            left = sum(part.num_rows for part in pending)
            try:
                batch = joined(pending)
                for piece in pieces(packed(batch)) if batch is not None else ():
                    self._enqueue(piece, since)
                    left -= piece.num_rows
            except BaseException:
                with self._change:
                    self._count(dropped=left, waiting=-left)
                raise

    def _enqueue(self, batch: pa.RecordBatch, since: float) -> None:
        token, count = uuid.uuid4().hex, batch.num_rows
        segment = self._spooled(batch, token, since)
        with self._change:
            held = sum(item.batch is not None for item in self._queue)
            if segment is None and (self.trouble or held >= IN_MEMORY):
                self._count(dropped=count, waiting=-count)
                return
            kept = batch if segment is None or held < IN_MEMORY else None
            heapq.heappush(self._queue, Waiting(self._next, segment, token, count, since, kept))
            self._next += 1
            self._count(spooled=count, waiting=-count)
            self._change.notify_all()

    def _spooled(self, batch: pa.RecordBatch, token: str, since: float) -> Segment | None:
        """The insert on disk; None, with a word in the log, when there is no room for it."""
        compressed = self._delivery.remote or self.trouble is not None
        try:
            return self._spool.add(batch, table="flows", token=token, oldest=since, compressed=compressed)
        except OSError as error:
            log.error("%d flow records cannot be kept in the spool %s: %s", batch.num_rows, self._spool.folder, error)
            return None

    def _send(self) -> None:
        """Deliver the oldest insert, again and again: the body of each sending thread; only `close` ends it."""
        while not self._closing:
            try:
                item = self._take()
            except Exception:
                log.exception("the store's writer could not make an insert")
                continue
            if item is not None:
                self._attempt(item)

    def _attempt(self, item: Waiting) -> None:
        """Deliver one insert; what goes wrong leaves it in the queue."""
        begun = time.monotonic()
        try:
            done = self._delivered(item)
        except StoreError as error:
            self._failed(item, error)
        except Exception as error:
            log.exception("the store's writer failed")
            self._failed(item, StoreError(f"store: {error}"))
        else:
            self._succeeded(item, done, time.monotonic() - begun)

    def _delivered(self, item: Waiting) -> Delivered:
        """The insert is in the store, or set aside, and off the disk. Raises StoreError, OSError."""
        try:
            done = self._delivery.deliver(item.segment, item.token, item.batch)
        except DamagedSegmentError as error:
            if item.segment is not None:
                self._spool.set_aside(item.segment, str(error))
            return Delivered(written=0, set_aside=item.count)
        if item.segment is not None:
            self._spool.done(item.segment)
        return done

    def _take(self) -> Waiting | None:
        """The oldest insert, once it may be sent; None at the end."""
        while True:
            with self._change:
                if self._closing:
                    return None
                overdue = self._due - time.monotonic() if self._pending else None
                pause = self._patience.left()
                if overdue is None or overdue > 0:
                    if self._queue and pause <= 0:
                        item = heapq.heappop(self._queue)
                        self._flying.append(item)
                        return item
                    waits = [wait for wait in (overdue, pause if self._queue else None) if wait is not None]
                    self._change.wait(min(waits, default=None))
                    continue
            self._seal()

    def _failed(self, item: Waiting, error: StoreError) -> None:
        with self._change:
            if self.trouble is None or type(error) is not type(self.trouble):
                kind = "refuses our rows" if isinstance(error, StoreRefusedError) else "does not take our rows now"
                log.error("the store %s; they wait in %s: %s", kind, self._spool.folder, error)
            self.trouble = error
            self._patience.failed(refused=isinstance(error, StoreRefusedError))
            self._failures += 1
            if not item.late:
                item.late = True
                self._count(delayed=item.count)
            if item.segment is not None and self._failures > 1:
                item.batch = None  # it may be long: the disk has it
            self._flying.remove(item)
            heapq.heappush(self._queue, item)
            self._change.notify_all()

    def _succeeded(self, item: Waiting, done: Delivered, seconds: float) -> None:
        with self._change:
            if self.trouble is not None:
                log.warning("the store takes our rows again")
            self.trouble = None
            self._patience.succeeded()
            self._count(
                spooled=-item.count, written=done.written, set_aside=done.set_aside, inserts=1, insert_seconds=seconds
            )
            self._flying.remove(item)
            self._change.notify_all()

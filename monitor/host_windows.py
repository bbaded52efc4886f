"""Wires flow records to the windows of their hosts, for training: through a temporary store, session by session.

What is counted is up to `detect`, what is learnt from it to `model`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from monitor.model import Source, WindowSession
    from monitor.store import Store


class HostWindows:
    """Counts the windows of sources as they are read; a context that holds the temporary store."""

    def __init__(self) -> None:
        self._store: Store | None = None
        self._sessions: list[WindowSession] = []

    def __enter__(self) -> HostWindows:
        return self

    def __exit__(self, *_: object) -> None:
        if self._store is not None:
            self._store.close()

    def watched(self, source: Source) -> Source:
        """The same source; once it has been read to its end, its windows are known."""
        from monitor.model import Source

        return Source(source.session, self._watch(source), source.weight)

    def sessions(self) -> Sequence[WindowSession]:
        """Windows of all sources read so far whose flows have all columns (those of captures do)."""
        return self._sessions

    def _watch(self, source: Source) -> Iterator[pa.RecordBatch]:
        from monitor.flows.schema import arrow_schema

        whole: list[Any] = []
        for batch in source.batches:
            if batch.schema.equals(arrow_schema()):
                whole.append(batch)
            yield batch
        if whole:
            self._count(source, whole)

    def _count(self, source: Source, batches: Sequence[pa.RecordBatch]) -> None:
        from monitor.detect import windows_by_width
        from monitor.model import WIDTHS, WindowSession
        from monitor.store import open_store

        if self._store is None:
            self._store = open_store("none")
        self._store.begin_run("session")
        for batch in batches:
            self._store.insert_flows(batch)
        self._store.publish_flows()
        tables = windows_by_width(self._store, "session", WIDTHS)
        self._store.insert_incidents([])
        self._sessions.append(WindowSession(source.session, tables, source.weight))

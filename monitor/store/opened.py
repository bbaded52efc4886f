"""An open store: its connections, its tables made and renewed, questions in SQL, a few rows appended to a log.

What flows and incidents it takes, and how a run is replaced, is in `store`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from monitor.store import arrow, migrations
from monitor.store.connection import connect
from monitor.store.errors import translated
from monitor.store.folder import StoreFolder
from monitor.store.helping import Helper
from monitor.store.location import Embedded, Server

if TYPE_CHECKING:
    import pyarrow as pa
    from clickhouse_connect.driver.client import Client

Result = TypeVar("Result")


class OpenStore:
    """A store that is open; close it, or use it as a context. Methods may be called from several threads at once."""

    def __init__(self, place: Embedded | Server, *, create: bool, cluster: str, threads: int) -> None:
        """Raises StoreError (see its subclasses); with `create` missing tables are made and old ones renewed."""
        self._folder = StoreFolder(place.path, create=create) if isinstance(place, Embedded) else None
        self._place = Embedded(self._folder.path) if self._folder else place
        self.kept = place != Embedded(None)
        """False when nothing outlives the store (`none`)."""
        self.embedded = self._folder is not None
        self._cluster = cluster if isinstance(place, Server) else ""
        self._clients: dict[int, Client] = {}
        self._helper = Helper() if self.embedded and not threads else None
        self._threads = threads
        self._lock = threading.Lock()
        try:
            self._client(create=create)
            self.schema = self.migrate() if create else self.status()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __str__(self) -> str:
        return str(self._place) if self.kept else "none"

    def close(self) -> None:
        """Close all connections and give up an embedded store's folder. A run that was not published is left out."""
        if self._helper is not None:
            self._helper.close()
        while self._clients:
            self._clients.popitem()[1].close()
        if self._folder:
            self._folder.release()

    def status(self) -> migrations.SchemaStatus:
        """How the tables stand to this program's schema."""
        with translated(str(self._place)):
            return migrations.status(self._client())

    def migrate(self) -> migrations.SchemaStatus:
        """Make or renew the tables."""
        with translated(str(self._place)):
            return migrations.migrate(self._client(), self._cluster)

    def retain(self, days: Mapping[str, int] | None = None) -> None:
        """Keep live rows of each table for so many days (0: for ever), else for those of `retention.DAYS`."""
        from monitor.store.retention import DAYS, retention

        with translated(str(self._place)):
            for statement in retention({**DAYS, **(days or {})}, self._cluster):
                self._client().command(statement)

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """Rows of a SELECT. Parameters fill `{name:Type}` in the text on the store's side; they are never pasted in.

        Addresses come as 16 bytes, times as timestamp[us, UTC], words as strings; what is no UTF-8 in them, as names
        from the wire may have it, is written \\xNN.
        """
        with translated(str(self._place)):
            return arrow.readable(self._client().query_arrow(sql, dict(parameters or {}), use_strings=True))

    def query_all(self, asked: Sequence[tuple[str, Mapping[str, Any]]]) -> list[pa.Table]:
        """As `query` for each SELECT and its parameters, in their order; an embedded store answers two at once."""
        return self._at_once([partial(self.query, sql, parameters) for sql, parameters in asked])

    def _at_once(self, steps: Sequence[Callable[[], Result]]) -> list[Result]:
        """What each step gives; a server, which others ask too, is asked one thing at a time."""
        return self._helper.share(steps) if self._helper is not None else [step() for step in steps]

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Within the context an embedded store merges no parts: that takes the processors which questions wait for."""
        if not self.embedded:
            yield
            return
        with translated(str(self._place)):
            self._client().command("SYSTEM STOP MERGES")
        try:
            yield
        finally:
            with translated(str(self._place)):
                self._client().command("SYSTEM START MERGES")

    def append(self, log: str, rows: Sequence[Mapping[str, Any]], *, token: str = "") -> None:
        """Append a few rows to `incidents`, `verdicts` or `suppressions` as one block, all or nothing."""
        import pyarrow as pa

        from monitor.store.incident_rows import log_table

        block = log_table(log, rows)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, block.schema) as stream:
            stream.write_table(block)
        with translated(str(self._place)):
            self._client().raw_insert(
                log,
                column_names=block.column_names,
                insert_block=sink.getvalue().to_pybytes(),
                settings=arrow.once(token),
                fmt="ArrowStream",
            )

    def _client(self, *, create: bool = False) -> Client:
        """This thread's connection: the embedded one serves one call at a time, HTTP ones must not share a session."""
        me = threading.get_ident()
        client = self._clients.get(me)
        if client is None:
            with self._lock:
                client = self._clients[me] = connect(self._place, create=create, threads=self._threads)
        return client

"""The store as the other stages see it: insert flows, replace a run, keep incidents.

Questions in SQL are in `opened`; which rows are suspicious is decided in `detect`; how the tables look in `tables`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from monitor.store import arrow, tables, views
from monitor.store.errors import translated
from monitor.store.location import Embedded, Server, locate
from monitor.store.opened import OpenStore
from monitor.store.runs import check_run_id

if TYPE_CHECKING:
    import pyarrow as pa

LIVE = ""
"""`run_id` of live rows."""


class Store(OpenStore):
    """An open store and what is put into it: runs, flows, incidents, what a sensor says of itself."""

    def __init__(
        self, place: Embedded | Server, *, create: bool = True, batch_rows: int = 100_000, cluster: str = "",
        threads: int = 0,
    ) -> None:  # fmt: skip
        """As `open_store`. Raises StoreError (see its subclasses)."""
        self._run_id = LIVE
        self._batch_rows = batch_rows
        self._waiting: list[pa.RecordBatch] = []
        super().__init__(place, create=create, cluster=cluster, threads=threads)

    def begin_run(self, run_id: str, *, sources: Sequence[str] = (), sensor: str = "", model_version: str = "") -> None:
        """All that is inserted from now on belongs to the replay `run_id`, and is seen only when it is published.

        What an earlier replay of that name left stays until then. Raises ValueError for a bad name, StoreError.
        """
        self._run_id, self._waiting = check_run_id(run_id), []
        self._described = {"sources": list(sources), "sensor": sensor, "model_version": model_version}
        self._drop(f"{table}_incoming" for table in tables.STAGED)
        self._record("writing", flows=0)

    def insert_flows(self, batch: pa.RecordBatch) -> int:
        """Insert a batch with the schema of `flows.schema`; gives the rows taken.

        Within a run the rows get its id, and wait until `batch_rows` are together or the run is published: many small
        inserts cost more than few large ones. Live rows are written at once; `Writer` is what a sensor uses for them.
        """
        if not self._run_id:
            self.insert("flows", [batch])
            return int(batch.num_rows)
        with self._lock:
            self._waiting.append(arrow.with_run_id(batch, self._run_id))
            due = self._waiting if sum(part.num_rows for part in self._waiting) >= self._batch_rows else []
            if due:
                self._waiting = []
        self.insert("flows_incoming", due)
        return int(batch.num_rows)

    def insert(self, table: str, batches: Sequence[pa.RecordBatch], *, token: str = "") -> None:
        """One insert of all the rows of the batches into `flows` or its twin; with the token of an earlier one, none.

        Raises StoreError; whether rows of the failed insert are in the store is then not known, without a token.
        """
        batch = arrow.joined([part for part in batches if part.num_rows])
        if batch is None:
            return
        if table.startswith("flows"):
            from monitor.store.packing import packed

            batch = packed(batch)
        insert = arrow.insert_in_place if isinstance(self._place, Embedded) else arrow.insert_as_stream
        with translated(str(self._place)):
            insert(self._client(), table, batch, token)

    def publish_flows(self, *, more: bool = False) -> int:
        """Put the run's flows in the place of those of its last replay, in one step; gives their number.

        With `more` they come beside those that this run has published already. The sums over them follow; they are
        complete once the run's state is `stored`.
        """
        self.insert("flows_incoming", self._waiting)
        self._waiting = []
        if more:
            self._add("flows")
        else:
            self._publish("flows")
        flows = self._count("flows")
        self._drop(views.SUMMED)
        self._at_once([partial(self._sum_up, name) for name in views.SUMMED])
        self._record("stored", flows=flows)
        return flows

    def insert_incidents(
        self,
        incidents: Sequence[Mapping[str, Any]],
        *,
        event: str = "opened",
        writer: str = "sensor",
        token: str = "",
    ) -> int:
        """Append an event for each incident (keys: columns of `incidents`), of the kind that it names, else `event`.

        The events continue the chain of hashes of the run and `writer`; with the token of an earlier insert they are
        there already, and nothing is done. Within a run they take the place of those of
        its last replay, in one step, and the run is done.
        """
        if incidents:
            table = "incidents_incoming" if self._run_id else "incidents"
            given = [{"event": event, "state": "open", **incident} for incident in incidents]
            self.append(table, self._chained(table, given, self._run_id, writer), token=token)
        if self._run_id:
            self._publish("incidents")
            self._record("done", flows=None)
        return len(incidents)

    def continue_incidents(self, run_id: str, incidents: Sequence[Mapping[str, Any]], *, writer: str) -> int:
        """Append events to a run that is done, or to live traffic (`''`); each names its `event` and `state`."""
        if incidents:
            self.append("incidents", self._chained("incidents", incidents, run_id, writer))
        return len(incidents)

    def _chained(
        self, table: str, incidents: Sequence[Mapping[str, Any]], run_id: str, writer: str
    ) -> list[dict[str, Any]]:
        from monitor.store.chain import chained
        from monitor.store.incident_rows import incident_event

        sql = (
            f"SELECT ordinal, hash FROM {table} "  # noqa: S608  (our names)
            "WHERE run_id = {run:String} AND writer = {writer:String} ORDER BY ordinal DESC LIMIT 1"
        )
        last = self.query(sql, {"run": run_id, "writer": writer}).to_pylist()
        fixed = {"run_id": run_id, "recorded": datetime.now(UTC), "writer": writer}
        events = [incident_event(incident, **fixed) for incident in incidents]
        return list(chained(events, *(last[0]["ordinal"], last[0]["hash"]) if last else (0, "")))

    def _publish(self, table: str) -> None:
        """Move the run's partition from the twin; a run without rows leaves none of the last replay either."""
        if not self._count(f"{table}_incoming"):
            self._drop([table])
            return
        with translated(str(self._place)):
            for statement in tables.replacing(table, self._partition(), self._cluster):
                self._client().command(statement)
        self._drop([f"{table}_incoming"])

    def _add(self, table: str) -> None:
        """Move the run's partition from the twin beside what the table has."""
        with translated(str(self._place)):
            self._client().command(f"ALTER TABLE {table} ATTACH PARTITION {self._partition()} FROM {table}_incoming")
        self._drop([f"{table}_incoming"])

    def mark_run(self, state: str) -> None:
        """Append a state to the run at hand, such as `partial`: a replay that was interrupted."""
        self._record(state, flows=None)

    def _sum_up(self, name: str) -> None:
        with translated(str(self._place)):
            for statement in views.sum_up(name, "f.run_id = {run:String}", "{run:String}"):
                self._client().command(statement, {"run": self._run_id})

    def _count(self, table: str) -> int:
        sql = f"SELECT count() AS n FROM {table} WHERE run_id = {{run:String}}"  # noqa: S608  (our names)
        return cast(int, self.query(sql, {"run": self._run_id})["n"][0].as_py())

    def _drop(self, names: Any) -> None:
        with translated(str(self._place)):
            for name in names:
                self._client().command(tables.dropping(name, self._partition(), self._cluster))

    def _partition(self) -> str:
        return f"('{check_run_id(self._run_id)}', 0)"

    def _record(self, state: str, *, flows: int | None) -> None:
        """Append the run's state; `flows` None keeps the number of the state before."""
        before = "(SELECT argMax(flows, recorded) FROM runs WHERE run_id = {run_id:String})"
        sql = (
            "INSERT INTO runs (run_id, state, recorded, sensor, sources, model_version, flows) "
            "SELECT {run_id:String}, {state:String}, now64(6, 'UTC'), {sensor:String}, {sources:Array(String)}, "
            "{model_version:String}, " + (before if flows is None else "{flows:UInt64}")
        )
        with translated(str(self._place)):
            self._client().command(
                sql, {"run_id": self._run_id, "state": state, "flows": flows or 0, **self._described}
            )

    def measure(
        self, at: datetime, sensor: str, measures: Iterable[tuple[str, str, float]], *, token: str = ""
    ) -> None:
        """Write down what a sensor says of itself: name, label, value of each measure, up to event time `at`.

        Within a run it takes the place of what was measured before. Nothing is done again with the same `token`.
        """
        if self._run_id:
            self._drop(["sensor_health"])
        fixed = {"run_id": self._run_id, "at": at, "sensor": sensor}
        rows = [{**fixed, "measure": name, "label": label, "value": value} for name, label, value in measures]
        self.append("sensor_health", rows, token=token)


def open_store(
    url: str | None = None,
    *,
    create: bool = True,
    password_file: Path | None = None,
    ca_file: Path | None = None,
    batch_rows: int = 100_000,
    cluster: str = "",
    threads: int = 0,
) -> Store:
    """Open the store at `url`: chdb:///folder, http(s)://user@host:port/database, none (temporary); else the default.

    With `create` missing tables are made and older ones renewed; without it the schema is only looked at (`schema`).
    Rows of a run are inserted `batch_rows` at a time. `ca_file` names the authorities that an https server may be of.
    On a server with a `cluster` of that name the tables are replicated and spread over its shards.
    An embedded store answers one question at a time, with `threads` threads; 0: two, with a thread a processor.
    Raises ValueError for a bad URL, StoreBusyError when another process holds the folder, StoreAwayError when nothing
    answers, StoreRefusedError on a wrong password or a newer schema.
    """
    place = locate(url, password_file, ca_file)
    return Store(place, create=create, batch_rows=batch_rows, cluster=cluster, threads=threads)

"""Makes and renews the tables: numbered steps, forward only, each recorded; columns added to the schema are added here.

What the tables are is in `tables`. A new store gets them as they are; one of an earlier release goes through the steps
since. A store made by a newer program is refused, not guessed at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from monitor.flows.schema import COLUMNS
from monitor.store import derived, records, tables, views
from monitor.store.ddl import Column, on
from monitor.store.errors import StoreRefusedError
from monitor.store.retention import days_kept, ttl

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


@dataclass(frozen=True, slots=True)
class Migration:
    """One step from the release before; `statements` are run in order and may be run again after a crash."""

    version: int
    description: str
    statements: Callable[[str, Mapping[str, int]], tuple[str, ...]]
    """Given the name of the cluster, or nothing (there are clusters since step 3), and the days that live rows of the
    tables are kept."""


def everything(cluster: str = "") -> tuple[str, ...]:
    """Statements that make all tables and views of this release, on `cluster` when it is named."""
    made = [statement for table in tables.TABLES for statement in table.create(cluster)]
    return (*made, *views.summing_views(cluster).values(), *views.current_views(cluster))


def _incident_life(*_: Any) -> tuple[str, ...]:
    known = records.INCIDENT_COLUMNS
    names = [column.name for column in known]
    return (
        *(
            f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {column.ddl}"
            for table in ("incidents", "incidents_incoming")
            for column in known[names.index("names") : names.index("hash") + 1]
        ),
        *tables.table("verdicts").create(),
        *tables.table("suppressions").create(),
    )


def _memory(*_: Any) -> tuple[str, ...]:
    """Sums are made of what is there before their views are, so that a crash in between neither loses nor doubles."""
    flows, incidents = tables.table("flows"), tables.table("incidents")
    index = [f"ADD INDEX IF NOT EXISTS {entry}" for entry in flows.indices]
    changed = (
        f"ALTER TABLE flows {', '.join(index)}",
        f"ALTER TABLE flows_incoming {', '.join(index)}",
        *(f"ALTER TABLE {name.name} MODIFY SETTING {', '.join(name.settings)}" for name in (flows, incidents)),
    )
    new = [statement for table in tables.TABLES for statement in table.create()]
    summed = [f"DROP VIEW IF EXISTS {view}" for view in views.summing_views()]
    for name in views.SUMMED:
        summed += [f"TRUNCATE TABLE {name}", *views.sum_up(name, "1", "f.run_id")]
    return (*changed, *new, *summed, *views.summing_views().values(), *views.current_views())


def _derived(cluster: str, days: Mapping[str, int]) -> tuple[str, ...]:
    """What other columns give is computed; rows in which it is another than computed keep it.

    Packs parts harder, too.
    """
    where, flows = on(cluster), tables.table("flows")
    statements: list[str] = []
    for twin in (flows, tables.table("flows_incoming")):
        local = twin.local(cluster)
        stored = [column for column in derived.OTHER if "ALIAS" not in column.definition]
        statements += [f"ALTER TABLE {name}{where} {_adding(stored)}" for name in twin.names(cluster)]
        statements.append(f"ALTER TABLE {local}{where} UPDATE {derived.KEEPING} WHERE 1 SETTINGS mutations_sync = 2")
        for name in twin.names(cluster):
            index = next(entry for entry in flows.indices if entry.startswith("by_community_id"))
            indexed = name == local
            statements.append(
                f"ALTER TABLE {name}{where} "
                + ("DROP INDEX IF EXISTS by_community_id, " if indexed else "")
                + ", ".join(f"DROP COLUMN IF EXISTS {name}" for name in derived.DERIVED)
                + f", {_adding(derived.OTHER)}, {_in_place(derived.DERIVED)}"
                + (f", ADD INDEX {index}" if indexed else "")
            )
        kept = ttl(twin.name, days.get(twin.name, 0)) if twin is flows else twin.ttl
        statements.append(f"ALTER TABLE {local}{where} MODIFY TTL {', '.join(kept)}")
    dropped = (f"DROP VIEW IF EXISTS {view}{where}" for view in views.summing_views(cluster))
    return (*statements, *dropped, *views.summing_views(cluster).values())


def _adding(wanted: Sequence[Column]) -> str:
    return ", ".join(f"ADD COLUMN IF NOT EXISTS {column.ddl}" for column in wanted)


def _in_place(names: Iterable[str]) -> str:
    """Columns of the schema, each where the schema has it."""
    order = [column.name for column in COLUMNS]
    return ", ".join(
        f"ADD COLUMN {tables.flow_column(column).ddl} AFTER {order[place - 1]}"
        for place, column in enumerate(COLUMNS)
        if column.name in names
    )


def _health_of_runs(*_: Any) -> tuple[str, ...]:
    """No release before wrote a row into the table that is replaced."""
    return ("DROP TABLE IF EXISTS sensor_health", *tables.table("sensor_health").create())


def _late_merges(cluster: str, _: Mapping[str, int]) -> tuple[str, ...]:
    changed = (tables.table(name).local(cluster) for name in ("flows", *views.SUMMED))
    return tuple(f"ALTER TABLE {name}{on(cluster)} MODIFY SETTING {', '.join(tables.MERGE_LATE)}" for name in changed)


MIGRATIONS: tuple[Migration, ...] = (
    Migration(1, "flows, incidents, runs", lambda *_: ()),
    Migration(2, "incidents: state, story, chain of hashes; verdicts, suppressions", _incident_life),
    Migration(3, "indices, retention, insert tokens, roll-ups, first sightings, sensor health, audit", _memory),
    Migration(4, "sensor health of replays beside that of live traffic", _health_of_runs),
    Migration(5, "flows: what other columns give is computed; first sightings by a view a kind", _derived),
    Migration(6, "flows and their sums are merged thirty parts at a time", _late_merges),
)
"""Every step since the first release, in order; a released one is never edited."""

CURRENT = MIGRATIONS[-1].version


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """How a store's tables stand to this program's."""

    version: int
    """Last step applied; 0: no tables."""
    current: int
    """Last step that this program knows."""
    missing_columns: tuple[str, ...]
    """Columns of the schema that the store's `flows` lacks."""

    @property
    def ready(self) -> bool:
        """Whether flows can be inserted."""
        return self.version == self.current and not self.missing_columns


def status(client: Client) -> SchemaStatus:
    """Read how far the store is. Raises what the client raises."""
    present = _names(client, "SELECT name FROM system.tables WHERE database = currentDatabase()")
    version = 0
    if "schema_versions" in present:
        version = int(client.query_arrow("SELECT max(version) AS version FROM schema_versions")["version"][0].as_py())
    missing: tuple[str, ...] = ()
    if "flows" in present:
        sql = "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'flows'"
        stored = _names(client, sql)
        missing = tuple(column.name for column in COLUMNS if column.name not in stored)
    return SchemaStatus(version, CURRENT, missing)


def migrate(client: Client, cluster: str = "") -> SchemaStatus:
    """Bring the store's tables up to this program's; none exist: make them all.

    Raises StoreRefusedError when the store was made by a newer program.
    """
    before, days = status(client), days_kept(client, cluster)
    if before.version > CURRENT:
        raise StoreRefusedError(
            f"the store has schema {before.version}, this program knows up to {CURRENT}: "
            "use the newer program, or another store"
        )
    if before.ready:
        return before
    for statement in records.SCHEMA_VERSIONS.create(cluster):
        client.command(statement)
    if not before.version:
        for statement in everything(cluster):
            client.command(statement)
    _add_columns(client, before.missing_columns, cluster)
    for step in MIGRATIONS:
        if step.version > before.version:
            for statement in step.statements(cluster, days) if before.version else ():
                client.command(statement)
            client.command(
                "INSERT INTO schema_versions SELECT {version:UInt32}, {description:String}, now('UTC')",
                {"version": step.version, "description": step.description},
            )
    return status(client)


def _add_columns(client: Client, missing: tuple[str, ...], cluster: str) -> None:
    """Columns that the schema gained since the tables were made, in both twins, where the schema has them."""
    previous = ""
    for column in COLUMNS:
        if column.name in missing:
            place = f"AFTER {previous}" if previous else "FIRST"
            definition = tables.flow_column(column).ddl
            for name in (*tables.table("flows").names(cluster), *tables.table("flows_incoming").names(cluster)):
                client.command(f"ALTER TABLE {name}{on(cluster)} ADD COLUMN IF NOT EXISTS {definition} {place}")
        previous = column.name


def _names(client: Client, sql: str) -> set[str]:
    return set(client.query_arrow(sql, use_strings=True)["name"].to_pylist())

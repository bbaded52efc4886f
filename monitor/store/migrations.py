"""Makes and renews the tables: numbered steps, forward only, each recorded; columns added to the schema are added here.

What the tables are is in `tables`. A store made by a newer program is refused, not guessed at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.flows.schema import COLUMNS
from monitor.store import tables
from monitor.store.errors import StoreRefusedError

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


@dataclass(frozen=True, slots=True)
class Migration:
    """One step; `statements` are run in order and may be run again after a crash."""

    version: int
    description: str
    statements: Callable[[], tuple[str, ...]]


def _first_tables() -> tuple[str, ...]:
    return (
        tables.flows_table("flows"),
        tables.flows_table("flows_incoming"),
        tables.incidents_table("incidents"),
        tables.incidents_table("incidents_incoming"),
        tables.current_incidents_view(),
        tables.runs_table(),
    )


def _incident_life() -> tuple[str, ...]:
    return (
        *tables.incident_columns_since("names"),
        "DROP VIEW IF EXISTS current_incidents",
        tables.current_incidents_view(),
        tables.verdicts_table(),
        tables.suppressions_table(),
    )


MIGRATIONS: tuple[Migration, ...] = (
    Migration(1, "flows, incidents, runs", _first_tables),
    Migration(2, "incidents: state, story, chain of hashes; verdicts, suppressions", _incident_life),
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


def migrate(client: Client) -> SchemaStatus:
    """Bring the store's tables up to this program's; none exist: make them all.

    Raises StoreRefusedError when the store was made by a newer program.
    """
    before = status(client)
    if before.version > CURRENT:
        raise StoreRefusedError(
            f"the store has schema {before.version}, this program knows up to {CURRENT}: "
            "use the newer program, or another store"
        )
    if before.ready:
        return before
    client.command(tables.schema_versions_table())
    for step in MIGRATIONS:
        if step.version > before.version:
            for statement in step.statements():
                client.command(statement)
            client.command(
                "INSERT INTO schema_versions SELECT {version:UInt32}, {description:String}, now('UTC')",
                {"version": step.version, "description": step.description},
            )
    _add_columns(client, before.missing_columns)
    return status(client)


def _add_columns(client: Client, missing: tuple[str, ...]) -> None:
    """Columns that the schema gained since the tables were made, in both twins, where the schema has them."""
    previous = ""
    for column in COLUMNS:
        if column.name in missing:
            place = f"AFTER {previous}" if previous else "FIRST"
            for table in ("flows", "flows_incoming"):
                client.command(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {tables.flow_column(column)} {place}")
        previous = column.name


def _names(client: Client, sql: str) -> set[str]:
    return set(client.query_arrow(sql, use_strings=True)["name"].to_pylist())

"""What a table is, and its CREATE statements, embedded, on one server or on a cluster; which there are is in `tables`.

On a cluster every table is replicated. One with a sharding key is spread over the shards: its rows are in `name_local`,
and `name` is a Distributed table over those, so that queries do not know the difference. One without is small, and
whole on every node, so that joins with it stay local.
"""

from __future__ import annotations

from dataclasses import dataclass

TIME = "DateTime64(6, 'UTC')"
WORD = "LowCardinality(String)"

REPLACED = "(run_id, if(run_id = '', {by}, 0))"
"""Partitions: live rows by time; a replay is one."""

DROP_WHOLE = ("ttl_only_drop_parts = 1", "materialize_ttl_recalculate_only = 1")
"""A TTL drops parts of which all rows are old, and never rewrites one."""

REMEMBER_INSERTS = "non_replicated_deduplication_window = 1000"
"""An insert with the token of one of the last thousand does nothing. Replicated tables do so by themselves."""

_KEEPER = "/clickhouse/tables/{{cluster}}/{shard}/{{database}}/{{table}}"
"""Path in Keeper. `{cluster}`, `{shard}`, `{replica}` are macros of the servers; no two share a replica's name."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `definition` is its type and, after it, default and codec."""

    name: str
    definition: str
    meaning: str
    codec: str = ""

    @property
    def ddl(self) -> str:
        """As in CREATE TABLE and ADD COLUMN."""
        codec = f" CODEC({self.codec})" if self.codec else ""
        return f"{self.name} {self.definition} COMMENT {quoted(self.meaning)}{codec}"


def columns(*given: tuple[str, str, str]) -> tuple[Column, ...]:
    """Columns from their names, types and meanings."""
    return tuple(Column(*entry) for entry in given)


@dataclass(frozen=True, slots=True)
class Table:
    """One table."""

    name: str
    columns: tuple[Column, ...]
    order: str
    partition: str = ""
    engine: str = "MergeTree"
    ttl: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    indices: tuple[str, ...] = ()
    """Definitions of data-skipping indices: name, expression, TYPE."""
    shard_by: str = ""
    """Sharding key; empty: every node of a cluster has all rows."""

    def create(self, cluster: str = "") -> tuple[str, ...]:
        """CREATE statements, on `cluster` when it is named."""
        if not cluster:
            return (self._own(self.name, "", f"{self.engine}"),)
        shard = "{shard}" if self.shard_by else "all"
        replicated = f"Replicated{self.engine}('{_KEEPER.format(shard=shard)}', '{{replica}}')"
        own = self._own(self.local(cluster), on(cluster), replicated)
        if not self.shard_by:
            return (own,)
        return (
            own,
            f"CREATE TABLE IF NOT EXISTS {self.name}{on(cluster)} AS {self.local(cluster)}\n"
            f"ENGINE = Distributed('{cluster}', currentDatabase(), '{self.local(cluster)}', {self.shard_by})",
        )

    def local(self, cluster: str = "") -> str:
        """Name of the table that has the rows of a node."""
        return f"{self.name}_local" if cluster and self.shard_by else self.name

    def names(self, cluster: str = "") -> tuple[str, ...]:
        """Every table that has these columns: that of the rows first, then the one spread over the shards."""
        return tuple(dict.fromkeys((self.local(cluster), self.name)))

    def _own(self, name: str, where: str, engine: str) -> str:
        inside = ",\n  ".join([*(column.ddl for column in self.columns), *(f"INDEX {index}" for index in self.indices)])
        parts = [f"CREATE TABLE IF NOT EXISTS {name}{where} (\n  {inside}\n)", f"ENGINE = {engine}"]
        if self.partition:
            parts.append(f"PARTITION BY {self.partition}")
        parts.append(f"ORDER BY {self.order}")
        if self.ttl:
            parts.append("TTL " + ",\n  ".join(self.ttl))
        if self.settings:
            parts.append("SETTINGS " + ", ".join(self.settings))
        return "\n".join(parts)


def on(cluster: str) -> str:
    """` ON CLUSTER 'name'`, or nothing."""
    return f" ON CLUSTER '{cluster}'" if cluster else ""


def quoted(text: str) -> str:
    """A string literal of ClickHouse."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

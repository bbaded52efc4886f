"""How long live rows are kept: a TTL a table that drops whole parts. How much room the tables need is in `disk`.

A store has no such TTL until it is told to (`monitor db init`, `monitor db migrate`, a live sensor): opening somebody's
store with other settings must not shorten what it remembers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from monitor.store.ddl import on
from monitor.store.tables import table

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

DAYS: dict[str, int] = {
    "flows": 90,
    "flows_by_minute": 70,
    "hosts_by_hour": 400,
    "first_seen": 400,
    "incidents": 400,
    "sensor_health": 100,
    "audit": 1100,
}
"""Days that live rows are kept unless the settings say otherwise; other tables keep theirs."""

_TIME = {
    "flows": "start",
    "flows_by_minute": "minute",
    "hosts_by_hour": "hour",
    "first_seen": "last",
    "incidents": "recorded",
    "sensor_health": "at",
    "audit": "at",
}
_WITHOUT_RUNS = ("audit",)
_SET = (
    "SELECT name, extract(create_table_query, 'toIntervalDay\\\\((\\\\d+)\\\\)') AS days FROM system.tables "
    "WHERE database = currentDatabase() AND engine LIKE '%MergeTree' AND days != ''"
)


def days_kept(client: Client, cluster: str = "") -> dict[str, int]:
    """Days that a store keeps live rows of its tables, those without a limit left out. Raises what the client does."""
    found = client.query_arrow(_SET, use_strings=True).to_pylist()
    limits = {row["name"]: int(row["days"]) for row in found}
    return {name: limits[local] for name in DAYS if (local := table(name).local(cluster)) in limits}


def retention(days: Mapping[str, int], cluster: str = "") -> tuple[str, ...]:
    """ALTER statements that keep live rows of each table for so many days; 0: for ever.

    A replay, of whatever year, stays until it is replaced or dropped (2070 stands for that).
    """
    return tuple(
        f"ALTER TABLE {table(name).local(cluster)}{on(cluster)} "
        + (f"MODIFY TTL {', '.join(wanted)}" if (wanted := ttl(name, limit)) else "REMOVE TTL")
        for name, limit in days.items()
    )


def ttl(name: str, days: int) -> tuple[str, ...]:
    """What the TTL of a table says when its live rows are kept for so many days; 0: for ever."""
    time = f"toDateTime({_TIME[name]})"
    if name not in _WITHOUT_RUNS:
        time = f"if(run_id = '', {time}, toDateTime('2070-01-01 00:00:00'))"
    return (*table(name).ttl, *((f"{time} + toIntervalDay({days}) DELETE",) if days else ()))

"""How much of the disk the store takes, ClickHouse's own logs included, and how many days the budget lasts.

How long rows are kept is in `retention`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monitor.store.store import Store

_LATELY = 7
"""Days over which the growth is averaged."""

_USED = """
SELECT sumIf(bytes_on_disk, database = currentDatabase()) AS own, sumIf(bytes_on_disk, database = 'system') AS logs,
  sumIf(bytes_on_disk, database = currentDatabase() AND table IN ('flows', 'flows_local')
    AND startsWith(partition, '(\\'\\',')) AS live,
  (SELECT min(free_space) FROM system.disks) AS free,
  (SELECT toUInt32OrZero(extract(any(create_table_query), 'toIntervalDay\\\\((\\\\d+)\\\\)')) FROM system.tables
   WHERE database = currentDatabase() AND name IN ('flows', 'flows_local') AND engine LIKE '%MergeTree') AS days_kept
FROM system.parts WHERE active
"""
_GROWTH = """
SELECT avg(bytes) AS bytes FROM (
  SELECT extract(partition, '\\'\\',(\\\\d{8})') AS day, sum(bytes_on_disk) AS bytes FROM system.parts
  WHERE active AND database = currentDatabase() AND table IN ('flows', 'flows_local') AND day != ''
  GROUP BY day ORDER BY day DESC LIMIT {days:UInt32})
"""


@dataclass(frozen=True, slots=True)
class DiskUse:
    """Bytes on disk of the node that was asked."""

    own: int
    """Of our tables."""
    logs: int
    """Of ClickHouse's `system` tables."""
    budget: int
    """Bytes that both may take."""
    per_day: float
    """Growth, from the latest days of live flows; the sums and logs add little to it."""
    days_left: float
    """Until the budget is used up; infinite when retention drops as much as comes in before that."""


def disk_use(store: Store, budget: int = 0) -> DiskUse:
    """What the store takes; `budget` 0: what it takes and what is free on its disk. Raises StoreError."""
    used = store.query(_USED).to_pylist()[0]
    per_day = store.query(_GROWTH, {"days": _LATELY}).to_pylist()[0]["bytes"]
    per_day = 0.0 if per_day is None or math.isnan(per_day) else float(per_day)
    total = used["own"] + used["logs"]
    budget = budget or total + used["free"]
    return DiskUse(used["own"], used["logs"], budget, per_day, _days_left(used, budget, per_day))


def _days_left(used: dict[str, Any], budget: int, per_day: float) -> float:
    others = used["own"] + used["logs"] - used["live"]
    if not per_day or (used["days_kept"] and others + per_day * used["days_kept"] <= budget):
        return math.inf
    return max(0.0, float(budget - others - used["live"]) / per_day)


def table_sizes(store: Store) -> list[dict[str, Any]]:
    """Rows, bytes on disk and bytes a row of each table, the largest first."""
    rows: list[dict[str, Any]] = store.query(
        "SELECT table, sum(rows) AS rows, sum(bytes_on_disk) AS bytes, round(bytes / rows, 1) AS bytes_a_row "
        "FROM system.parts WHERE active AND database = currentDatabase() GROUP BY table ORDER BY bytes DESC, table"
    ).to_pylist()
    return rows


def column_sizes(store: Store) -> list[dict[str, Any]]:
    """Bytes a flow of each column of `flows`, the largest first; parts too small for a file a column are left out."""
    rows: list[dict[str, Any]] = store.query(
        "SELECT column, round(sum(column_data_compressed_bytes) / sum(rows), 2) AS bytes_a_flow "
        "FROM system.parts_columns WHERE active AND database = currentDatabase() AND part_type = 'Wide' "
        "AND table IN ('flows', 'flows_local') GROUP BY column ORDER BY bytes_a_flow DESC, column"
    ).to_pylist()
    return rows

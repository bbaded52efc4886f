"""What a run or a sensor says of itself, as rows of the store's `sensor_health`; names are those of the metrics.

Where the counts come from is up to `reading` and `sensor`; what is made of them, to the audit report and `doctor`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monitor.reading import Account
    from monitor.store import Store

Measure = tuple[str, str, float]
"""Name of the metric without monitor_, its label (empty: none), its value."""


LOST = (
    "packets", "packets_dropped", "kernel_drops", "tcp_payload_bytes", "tcp_missed_bytes", "tcp_connections",
    "tcp_one_sided", "flows_lost", "flows_unnamed", "flows_evicted", "evidence_lost", "worker_restarts",
)  # fmt: skip
"""What the audit report says of losses: totals, and what they are to be held against."""


def measures(account: Account) -> Iterator[Measure]:
    """What became of packets and flows, and how well the mirror delivers. Reasons that never occurred have no row."""
    yield "packets", "", account.packets
    yield "packet_bytes", "", account.bytes
    yield "packets_decoded", "", account.decoded
    yield from by_label("packets_ignored", account.ignored)
    yield from by_label("packets_dropped", account.dropped)
    yield "tcp_connections", "", account.connections
    yield "tcp_one_sided", "", account.one_sided
    yield "tcp_payload_bytes", "", account.payload
    yield "tcp_missed_bytes", "", account.missed
    yield "flows_evicted", "", account.evicted
    yield "flows_active", "", account.active
    yield "flows_unnamed", "", account.unnamed
    yield "capture_damage", "", len(account.damage)


def by_label(name: str, counts: dict[str, Any]) -> Iterator[Measure]:
    """A row a label that counts something."""
    return ((name, label, float(count)) for label, count in counts.items() if count)


def losses(store: Store, run_id: str, since: datetime, until: datetime) -> list[dict[str, Any]]:
    """Sum of each measure of LOST by sensor, for event time in [since, until). Raises StoreError.

    Totals begin anew with each start of a sensor: what is less than the value before counts from zero.
    """
    sql = (
        "SELECT sensor, measure, label, sum(if(value < before, value, value - before)) AS value FROM ("
        "SELECT sensor, measure, label, at, value, lagInFrame(value, 1, 0.) OVER "
        "(PARTITION BY sensor, measure, label ORDER BY at ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS before "
        "FROM sensor_health WHERE run_id = {run:String} AND has({names:Array(String)}, measure) "
        "AND at >= {since:DateTime64(6, 'UTC')} - INTERVAL 1 DAY AND at < {until:DateTime64(6, 'UTC')}) "
        "WHERE at >= {since:DateTime64(6, 'UTC')} "
        "GROUP BY sensor, measure, label HAVING value > 0 "
        "ORDER BY sensor, indexOf({names:Array(String)}, measure), label"
    )
    rows: list[dict[str, Any]] = store.query(
        sql, {"run": run_id, "names": list(LOST), "since": since, "until": until}
    ).to_pylist()
    return rows

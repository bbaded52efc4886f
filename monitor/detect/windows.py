"""Counts what each host did in each window of time, and makes incidents of the hours that the model finds strange.

What is strange is up to `model`; flows that are strange one by one are found by `anomaly.sql`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from monitor.addresses import address_text
from monitor.detect.evidence import flows_shown, what_they_show
from monitor.detect.incident import Incident, incident_id
from monitor.detect.span import EARLIEST, LATEST
from monitor.event_time import microseconds
from monitor.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

DETECTOR = "anomaly"


class Strange(Protocol):
    """What the model says of a host's hour."""

    @property
    def p_value(self) -> float: ...
    @property
    def score(self) -> float: ...
    @property
    def reasons(self) -> tuple[str, ...]: ...
    @property
    def row(self) -> int: ...
    @property
    def width(self) -> int: ...


@cache
def _sql() -> str:
    return (Path(__file__).parent / "host_windows.sql").read_text("utf-8")


def host_windows(
    store: Store, run_id: str, width: int, *, since: datetime | None = None, until: datetime | None = None
) -> pa.Table:
    """One row a home host and window of `width` seconds with flows; columns as in `host_windows.sql`.

    `window` is its start, seconds since 1970 UTC. Raises StoreError.
    """
    return windows_by_width(store, run_id, [width], since=since, until=until)[width]


def windows_by_width(
    store: Store, run_id: str, widths: Sequence[int], *, since: datetime | None = None, until: datetime | None = None
) -> dict[int, pa.Table]:
    """As `host_windows` for several widths, counted in one go."""
    (table,) = store.query_all([window_question(run_id, widths, since=since, until=until)])
    return by_width(table, widths)


def window_question(
    run_id: str, widths: Sequence[int], *, since: datetime | None = None, until: datetime | None = None
) -> tuple[str, Mapping[str, Any]]:
    """SQL and parameters for the windows of these widths: to be asked along with others."""
    bounds = {"run": run_id, "since": microseconds(since or EARLIEST), "until": microseconds(until or LATEST)}
    return _sql(), {**bounds, "widths": [*widths]}


def by_width(table: pa.Table, widths: Sequence[int]) -> dict[int, pa.Table]:
    """The answer to a `window_question`, width by width."""
    import pyarrow.compute as pc

    counted = table.drop_columns(["width"])
    return {width: counted.filter(pc.equal(table["width"], width)) for width in widths}


def host_incidents(
    store: Store, run_id: str, strange: Iterable[Strange], tables: Mapping[int, pa.Table], cut: float
) -> list[Incident]:
    """An incident of detector `anomaly` for each strange hour of a host; severe as far as it is below the cut."""
    found: list[tuple[Strange, dict[str, Any]]] = [
        (hour, tables[hour.width].slice(hour.row, 1).to_pylist()[0]) for hour in strange
    ]
    shown = flows_shown(store, run_id, sorted({flow for _, row in found for flow in row["flow_ids"]}))
    incidents = []
    for hour, row in found:
        host = address_text(row["host"])
        severity = "high" if hour.p_value <= cut / 100 else "medium" if hour.p_value <= cut / 10 else "low"
        incidents.append(
            Incident(
                incident_id=incident_id(DETECTOR, row["first_seen"], host, "host"),
                detector=DETECTOR,
                severity=severity,
                host=host,
                peer=address_text(row["busiest"]),
                service="",
                first_seen=row["first_seen"],
                last_seen=row["last_seen"],
                flows=row["flows"] + row["accepted"],
                score=round(hour.score, 4),
                p_value=float(f"{hour.p_value:.6g}"),
                reasons=hour.reasons,
                attack=("T1071",),
                **what_they_show([shown[flow] for flow in row["flow_ids"] if flow in shown]),
            )
        )
    return incidents

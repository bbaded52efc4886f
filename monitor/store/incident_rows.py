"""Rows of the logs `incidents`, `verdicts` and `suppressions` as Arrow tables; their columns are in `tables`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from monitor.store.tables import INCIDENT_COLUMNS, SUPPRESSION_COLUMNS, VERDICT_COLUMNS

_ARROW: dict[str, pa.DataType] = {
    "String": pa.string(),
    "LowCardinality(String)": pa.string(),
    "DateTime64(6, 'UTC')": pa.timestamp("us", tz="UTC"),
    "UInt16": pa.uint16(),
    "UInt64": pa.uint64(),
    "Float64": pa.float64(),
    "Nullable(Float64)": pa.float64(),
    "Array(String)": pa.list_(pa.string()),
    "Array(UInt16)": pa.list_(pa.uint16()),
}
_LOGS = {
    "incidents": INCIDENT_COLUMNS,
    "incidents_incoming": INCIDENT_COLUMNS,
    "verdicts": VERDICT_COLUMNS,
    "suppressions": SUPPRESSION_COLUMNS,
}
_NEEDED = ("incident_id", "detector", "severity", "host", "first_seen", "last_seen", "recorded")


def incident_event(incident: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """All columns of `incidents`: `fields`, else the incident's, else empty. Raises KeyError without what is needed."""
    given = {**incident, **fields}
    return {
        name: given[name] if name in given or name in _NEEDED else _empty(kind) for name, kind, _ in INCIDENT_COLUMNS
    }


def _empty(kind: str) -> Any:
    if kind.startswith("Nullable"):
        return None
    return [] if kind.startswith("Array") else "" if "String" in kind else 0


def log_table(log: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """One row an event, with the columns of the log. Raises KeyError when a row lacks one."""
    return pa.table({name: pa.array([row[name] for row in rows], _ARROW[kind]) for name, kind, _ in _LOGS[log]})

"""Rows of the logs, such as `incidents` and `verdicts`, as Arrow tables; their columns are in `records`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from monitor.store.records import INCIDENT_COLUMNS, RECORDS

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
_LOGS = {table.name: table.columns for table in RECORDS}
_NEEDED = ("incident_id", "detector", "severity", "host", "first_seen", "last_seen", "recorded")


def incident_event(incident: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """All columns of `incidents`: `fields`, else the incident's, else empty. Raises KeyError without what is needed."""
    given = {**incident, **fields}
    return {
        column.name: given[column.name] if column.name in given or column.name in _NEEDED else _empty(column.definition)
        for column in INCIDENT_COLUMNS
    }


def _empty(kind: str) -> Any:
    if kind.startswith("Nullable"):
        return None
    return [] if kind.startswith("Array") else "" if "String" in kind else 0


def log_table(log: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """One row an event, with the columns of the log. Raises KeyError when a row lacks one."""
    return pa.table(
        {column.name: pa.array([row[column.name] for row in rows], _ARROW[column.definition]) for column in _LOGS[log]}
    )

"""Arrow rows of the `incidents` table; the columns are in `tables`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from monitor.store.tables import INCIDENT_COLUMNS

_ARROW: dict[str, pa.DataType] = {
    "String": pa.string(),
    "LowCardinality(String)": pa.string(),
    "DateTime64(6, 'UTC')": pa.timestamp("us", tz="UTC"),
    "UInt64": pa.uint64(),
    "Float64": pa.float64(),
    "Nullable(Float64)": pa.float64(),
    "Array(String)": pa.list_(pa.string()),
}


def incident_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """One row an event, with the columns of `incidents`. Raises KeyError when a row lacks one."""
    return pa.table({name: pa.array([row[name] for row in rows], _ARROW[kind]) for name, kind, _ in INCIDENT_COLUMNS})

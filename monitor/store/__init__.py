"""The memory: flows, incidents and runs in ClickHouse, embedded (chDB) or on a server, through clickhouse-connect.

What is suspicious about them is found in `detect`. Names are imported when first used: PyArrow and chDB load late.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monitor.store.chain import verify_chains
    from monitor.store.counts import Counts
    from monitor.store.disk import DiskUse, column_sizes, disk_use, table_sizes
    from monitor.store.errors import StoreAwayError, StoreBusyError, StoreError, StoreRefusedError, StoreRowsError
    from monitor.store.location import default_spool, embedded_folder
    from monitor.store.pseudonym import Pseudonyms
    from monitor.store.runs import default_run_id
    from monitor.store.store import Store, open_store
    from monitor.store.stored_flows import flow_batches, flow_count
    from monitor.store.writer import Writer

_MODULES = {
    "Counts": "counts",
    "DiskUse": "disk",
    "Pseudonyms": "pseudonym",
    "Store": "store",
    "StoreAwayError": "errors",
    "StoreBusyError": "errors",
    "StoreError": "errors",
    "StoreRefusedError": "errors",
    "StoreRowsError": "errors",
    "Writer": "writer",
    "column_sizes": "disk",
    "default_run_id": "runs",
    "default_spool": "location",
    "disk_use": "disk",
    "embedded_folder": "location",
    "flow_batches": "stored_flows",
    "flow_count": "stored_flows",
    "open_store": "store",
    "table_sizes": "disk",
    "verify_chains": "chain",
}

__all__ = [
    "Counts",
    "DiskUse",
    "Pseudonyms",
    "Store",
    "StoreAwayError",
    "StoreBusyError",
    "StoreError",
    "StoreRefusedError",
    "StoreRowsError",
    "Writer",
    "column_sizes",
    "default_run_id",
    "default_spool",
    "disk_use",
    "embedded_folder",
    "flow_batches",
    "flow_count",
    "open_store",
    "table_sizes",
    "verify_chains",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)

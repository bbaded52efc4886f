"""Opens clickhouse-connect's clients, embedded or over HTTP, bounded in memory and threads.

What is asked of them is in `store`; the URL is read by `location`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from monitor.store.errors import StoreBusyError, StoreRefusedError, translated
from monitor.store.location import Embedded, Server

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


_ENGINE: Final = Path(__file__).with_name("embedded.xml")
"""Bounds of an embedded store's engine."""

UNKNOWN_DATABASE = 81
"""ClickHouse error code."""

QUERY_MEMORY = 4 << 30
"""Bytes that one query may use at most; a quarter of the machine's memory where that is less."""


def query_settings() -> dict[str, Any]:
    """Settings of every query: bounded memory, grouping and sorting that spill to disk before it is used up."""
    memory = min(QUERY_MEMORY, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4)
    return {
        "max_memory_usage": memory,
        "max_bytes_before_external_group_by": memory // 2,
        "max_bytes_before_external_sort": memory // 2,
        "distributed_product_mode": "global",  # on a cluster a sub-query is asked once, and means all shards
        "asterisk_include_alias_columns": 1,  # `*` has the columns that are computed, too
        "distributed_foreground_insert": 1,  # an insert is done when the shards have it
    }


def connect(place: Embedded | Server, *, create: bool, threads: int = 0) -> Client:
    """A client on `place`; with `create` the database is made when it is missing.

    An embedded one answers with so many threads (0: as there are processors).

    Raises StoreError: StoreAwayError when nothing answers, StoreRefusedError on a wrong password or missing right.
    """
    if isinstance(place, Embedded):
        return _embedded(place, threads or min(os.cpu_count() or 1, 8))
    return _server(place, create=create)


def _embedded(place: Embedded, threads: int) -> Client:
    import clickhouse_connect
    from clickhouse_connect.driver.exceptions import ProgrammingError

    settings = {**query_settings(), "max_threads": threads}
    try:
        return clickhouse_connect.get_client(
            interface="chdb",
            path=str(place.path),
            settings=settings,
            chdb_options={"config-file": str(_ENGINE)},
        )
    except ProgrammingError as error:
        if "already initialized" in str(error):
            raise StoreBusyError(
                f"store {place}: this process has another embedded store open; close that first"
            ) from error
        raise StoreRefusedError(
            f"store {place}: chDB cannot open it; the folder is not a store or was damaged: "
            "move it away, or choose another with --store chdb:///folder"
        ) from error


def _server(place: Server, *, create: bool) -> Client:
    """Rights to create are asked for only when the database is missing: a writer may do without them."""
    import clickhouse_connect
    from clickhouse_connect.driver.exceptions import DatabaseError

    common: dict[str, Any] = {
        "host": place.host,
        "port": place.port,
        "username": place.user,
        "password": place.password,
        "secure": place.secure,
        **({"ca_cert": str(place.ca_file)} if place.secure and place.ca_file else {}),
        "autogenerate_session_id": False,  # a session would forbid two queries at once
        "connect_timeout": 10,
        "send_receive_timeout": 300,
        "query_retries": 0,
        "settings": query_settings(),
    }
    with translated(str(place)):
        try:
            return clickhouse_connect.get_client(**common, database=place.database)
        except DatabaseError as error:
            if not create or error.code != UNKNOWN_DATABASE:
                raise
        first = clickhouse_connect.get_client(**common, database="default")
        first.command(f"CREATE DATABASE IF NOT EXISTS {place.database}")
        first.close()
        return clickhouse_connect.get_client(**common, database=place.database)

"""Opens clickhouse-connect's clients, embedded or over HTTP, bounded in memory and threads.

What is asked of them is in `store`; the URL is read by `location`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from monitor.store.errors import StoreRefusedError, translated
from monitor.store.location import Embedded, Server

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


QUERY_MEMORY = 4 << 30
"""Bytes that one query may use at most; a quarter of the machine's memory where that is less."""


def query_settings() -> dict[str, Any]:
    """Settings of every query: bounded memory, grouping and sorting that spill to disk before it is used up."""
    memory = min(QUERY_MEMORY, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4)
    return {
        "max_memory_usage": memory,
        "max_bytes_before_external_group_by": memory // 2,
        "max_bytes_before_external_sort": memory // 2,
    }


def connect(place: Embedded | Server, *, create: bool) -> Client:
    """A client on `place`; with `create` the database is made when it is missing.

    Raises StoreError: StoreAwayError when nothing answers, StoreRefusedError on a wrong password or missing right.
    """
    if isinstance(place, Embedded):
        return _embedded(place)
    return _server(place, create=create)


def _embedded(place: Embedded) -> Client:
    import clickhouse_connect
    from clickhouse_connect.driver.exceptions import ProgrammingError

    settings = {**query_settings(), "max_threads": min(os.cpu_count() or 1, 8)}
    try:
        with translated(str(place)):
            client: Client = clickhouse_connect.get_client(interface="chdb", path=str(place.path), settings=settings)
    except OSError as error:
        if isinstance(error.__cause__, ProgrammingError):
            raise StoreRefusedError(
                f"store {place}: chDB cannot open it; the folder is not a store or was damaged: "
                "move it away, or choose another with --store chdb:///folder"
            ) from error
        raise
    return client


def _server(place: Server, *, create: bool) -> Client:
    import clickhouse_connect

    common: dict[str, Any] = {
        "host": place.host,
        "port": place.port,
        "username": place.user,
        "password": place.password,
        "secure": place.secure,
        "autogenerate_session_id": False,  # a session would forbid two queries at once
        "connect_timeout": 10,
        "send_receive_timeout": 300,
        "query_retries": 0,
        "settings": query_settings(),
    }
    with translated(str(place)):
        if create:
            first: Client = clickhouse_connect.get_client(**common, database="default")
            first.command(f"CREATE DATABASE IF NOT EXISTS {place.database}")
            first.close()
        client: Client = clickhouse_connect.get_client(**common, database=place.database)
    return client

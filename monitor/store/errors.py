"""What can go wrong between us and ClickHouse, as a tree; the text says what to do. Retrying is the caller's matter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class StoreError(OSError):
    """The store did not do what it was asked to; nothing of the failed step is visible in it."""


class StoreAwayError(StoreError):
    """Not now: the store may answer later (refused, timed out, overloaded, no space left)."""


class StoreBusyError(StoreError):
    """Another process, or another part of this one, holds the embedded store."""


class StoreRefusedError(StoreError):
    """Never like this: wrong password, missing right, unknown database, foreign or newer schema."""


_REFUSALS = {
    16: "a column is missing: run `monitor db migrate`",
    60: "a table is missing: run `monitor db init`",
    81: "the database does not exist: run `monitor db init`",
    164: "the user may only read",
    192: "no such user",
    193: "wrong password; set MONITOR_STORE_PASSWORD or MONITOR_STORE_PASSWORD_FILE",
    194: "a password is needed; set MONITOR_STORE_PASSWORD or MONITOR_STORE_PASSWORD_FILE",
    497: "the user lacks a right",
    516: "wrong user or password; set MONITOR_STORE_PASSWORD or MONITOR_STORE_PASSWORD_FILE",
}
"""ClickHouse error codes (src/Common/ErrorCodes.cpp) that no retry will mend."""

_SHORTAGES = {
    159: "the query took too long",
    201: "the user's quota is used up",
    202: "too many queries at once",
    241: "the query needs more memory than it may use",
    243: "no space is left on the store's disk",
    252: "too many parts: inserts come faster than they can be merged",
    319: "whether the insert was done is not known",
}
"""ClickHouse error codes that say: later, or with less."""


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn the client's exceptions into ours; `where` names the store without its password."""
    from clickhouse_connect.driver.exceptions import Error

    try:
        yield
    except Error as error:
        raise explained(where, error) from error


def explained(where: str, error: Exception) -> StoreError:
    """Our exception for one of the client's: what, where, what to do. Stack traces of the server are left out."""
    text = _first_sentence(str(error))
    code = getattr(error, "code", None)
    if code in _REFUSALS:
        return StoreRefusedError(f"store {where}: {_REFUSALS[code]} ({text})")
    if "No space left on device" in str(error):
        return StoreAwayError(f"store {where}: no space is left on the store's disk ({text})")
    if code in _SHORTAGES:
        return StoreAwayError(f"store {where}: {_SHORTAGES[code]} ({text})")
    if code is None and "HTTPConnectionPool" in str(error):
        return StoreAwayError(f"store {where} does not answer: is ClickHouse running there? ({text})")
    return StoreError(f"store {where}: {text}")


def _first_sentence(text: str, limit: int = 300) -> str:
    """One line of a server's message, short enough for a terminal."""
    line = " ".join(text.split())
    for tail in (" (version ", " Stack trace", ": While ", " for url "):
        line = line.split(tail)[0]
    return line if len(line) <= limit else line[: limit - 1] + "…"

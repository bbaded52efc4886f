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


class StoreRowsError(StoreError):
    """Never with these rows: one of them has a value that the table does not take."""


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

_BAD_ROWS = {
    6: "a value cannot be read",
    33: "the rows end early",
    53: "a value has another type than its column",
    69: "a value is out of its column's range",
    70: "a value cannot be converted to its column's type",
    117: "a value is not valid",
    349: "a value is missing",
    407: "a number overflows",
    469: "a constraint of the table is violated",
}
"""ClickHouse error codes of an insert that another batch would not meet."""

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


_NO_ANSWER = (
    "HTTPConnectionPool", "HTTPSConnectionPool", "Connection aborted", "Connection reset", "RemoteDisconnected",
    "Read timed out", "HTTP 502", "HTTP 503", "HTTP 504", "status 502", "status 503", "status 504",
)  # fmt: skip
"""What the client says when no ClickHouse answered, or something between us and it did."""


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
    if code in _BAD_ROWS:
        return StoreRowsError(f"store {where}: {_BAD_ROWS[code]} ({text})")
    if "certificate verify failed" in str(error) or "CERTIFICATE_VERIFY_FAILED" in str(error):
        return StoreRefusedError(
            f"store {where}: its certificate cannot be trusted; is this the right server? ({text})"
        )
    if code is None and any(sign in str(error) for sign in _NO_ANSWER):
        return StoreAwayError(f"store {where} does not answer: is ClickHouse running there? ({text})")
    return StoreError(f"store {where}: {text}")


def _first_sentence(text: str, limit: int = 300) -> str:
    """One line of a server's message, short enough for a terminal."""
    line = " ".join(text.split())
    for tail in (" (version ", " Stack trace", ": While ", " for url "):
        line = line.split(tail)[0]
    return line if len(line) <= limit else line[: limit - 1] + "…"

"""Notes in the store's `audit` table who looked at what, judged, hid, carved, reported and revealed.

What an auditor reads of it is gathered by `auditing`.
"""

from __future__ import annotations

import getpass
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monitor.store import Store

log = logging.getLogger(__name__)


def note(store: Store, action: str, subject: str, detail: str = "") -> None:
    """Append to the audit log that this user did so. Raises StoreError."""
    row = {"at": datetime.now(UTC), "who": _who(), "action": action, "subject": subject, "detail": detail}
    store.append("audit", [row])


def queried(store: Store, what: str, detail: str = "") -> None:
    """Note that this user looked at what the store knows.

    Where that cannot be noted it is only logged: a role that may only read has its queries in the server's own log.
    """
    from monitor.store import StoreError

    try:
        note(store, "query", what, detail)
    except StoreError as error:
        log.warning("monitor: this look is not noted in `audit`: %r", str(error))


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"

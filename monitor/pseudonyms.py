"""Pseudonyms of addresses and incidents: what an outsourced SOC sees, and, noted in the audit log, the way back.

How they are made is in `store`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.errors import UsageError

if TYPE_CHECKING:
    from monitor.config import Settings
    from monitor.store import Pseudonyms, Store

_INCIDENT = re.compile(r"[0-9a-f]{16}")


def pseudonyms(settings: Settings, key_file: Path, addresses: Sequence[str], *, reveal: bool) -> list[str]:
    """The pseudonym of each address or incident id, or with `reveal` what each pseudonym stands for.

    Without addresses: the row of `monitor_keys.pseudonym`. Revealing is refused when it cannot be noted in `audit`.
    Raises UsageError, StoreError, OSError.
    """
    from monitor import access_log
    from monitor.places import existing_store
    from monitor.store import Pseudonyms

    try:
        known = Pseudonyms.of_file(key_file)
        if not addresses:
            return [str(known.halves)]
        if not reveal:
            return [(known.of_incident if _INCIDENT.fullmatch(one) else known.hide)(one) for one in addresses]
        told = {one: known.reveal(one) for one in addresses if not _INCIDENT.fullmatch(one)}
    except ValueError as error:
        raise UsageError(str(error)) from error
    with existing_store(settings) as store:
        access_log.note(store, "reveal", ", ".join(addresses))
        ids = {} if len(told) == len(set(addresses)) else _incidents(store, known)
    for one in addresses:
        if _INCIDENT.fullmatch(one) and one not in ids:
            raise UsageError(f"{one}: no incident of the store has this pseudonym under this key")
    return [{**told, **ids}[one] for one in addresses]


def _incidents(store: Store, known: Pseudonyms) -> dict[str, str]:
    """The ids of all incidents of the store by their pseudonyms."""
    ids = store.query("SELECT DISTINCT incident_id FROM incidents")["incident_id"].to_pylist()
    return {known.of_incident(one): one for one in ids}

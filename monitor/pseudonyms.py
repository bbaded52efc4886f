"""Pseudonyms of addresses for the command line: what an outsourced SOC sees, and, noted in the audit log, the way back.

How they are made is in `store`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.errors import UsageError

if TYPE_CHECKING:
    from monitor.config import Settings


def pseudonyms(settings: Settings, key_file: Path, addresses: Sequence[str], *, reveal: bool) -> list[str]:
    """The pseudonym of each address, or with `reveal` the address of each pseudonym.

    Without addresses: the row of `monitor_keys.pseudonym`. Revealing is refused when it cannot be noted in `audit`.
    Raises UsageError, StoreError, OSError.
    """
    from monitor import auditing
    from monitor.places import existing_store
    from monitor.store import Pseudonyms

    try:
        known = Pseudonyms.of_file(key_file)
        if not addresses:
            return [str(known.halves)]
        told = [(known.reveal if reveal else known.hide)(address) for address in addresses]
    except ValueError as error:
        raise UsageError(str(error)) from error
    if reveal:
        with existing_store(settings) as store:
            auditing.note(store, "reveal", ", ".join(addresses))
    return told

"""What a run saw in all, as the terminal shows it. Where the figures come from is up to the caller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Summary:
    """Services with most flows (`service`, `flows`, `bytes`); hosts with most bytes (`host`, `flows`, `sent`,
    `received`)."""

    services: Sequence[dict[str, Any]] = ()
    hosts: Sequence[dict[str, Any]] = ()

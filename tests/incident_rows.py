"""Builds incidents as the store and the list have them, from the few fields that a test cares about."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


def incident(incident_id: str = "00c0ffee00c0ffee", **fields: Any) -> dict[str, Any]:
    """A beacon's incident, with what every incident has and what is given."""
    return {
        "incident_id": incident_id,
        "detector": "beacon",
        "severity": "medium",
        "host": "10.0.0.5",
        "peer": "203.0.113.9",
        "first_seen": datetime(2026, 11, 2, 10, 0, tzinfo=UTC),
        "last_seen": datetime(2026, 11, 2, 11, 30, tzinfo=UTC),
        "flows": 90,
        "score": 0.9,
        "p_value": None,
        "reasons": ["called every 60 s ± 2 %"],
        "attack": ["T1071"],
        "community_ids": [],
        "names": ["a.update.example"],
        "ports": [443],
        **fields,
    }

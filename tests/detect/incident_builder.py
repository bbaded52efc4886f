"""Incidents of which a test names only what it is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from monitor.detect import Incident
from monitor.detect.incident import incident_id

DAY = datetime(2026, 3, 2, tzinfo=UTC)
HOST, PEER, OUTSIDE = "10.0.0.5", "203.0.113.9", "198.51.100.7"


def at(minutes: float) -> datetime:
    """So many minutes into the day of the tests."""
    return DAY + timedelta(minutes=minutes)


def incident(detector: str = "beacon", start: float = 0.0, end: float | None = None, **fields: Any) -> Incident:
    """Evidence from minute `start` to `end` of the day."""
    first, last = at(start), at(start + 1 if end is None else end)
    given = {
        "host": HOST, "peer": PEER, "service": "", "severity": "medium", "flows": 10, "score": 0.8, "p_value": None,
        "reasons": (f"{detector} at {start:g}",), "attack": ("T1071",), "community_ids": (), **fields,
    }  # fmt: skip
    name = incident_id(detector, first, given["host"], given["peer"])
    return Incident(**{"incident_id": name, "detector": detector, "first_seen": first, "last_seen": last, **given})

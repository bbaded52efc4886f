"""An incident with something telling in each field, and the log as it is stored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from monitor.store import Store


def incident(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "incident_id": f"{number:016x}",
        "detector": "beacon",
        "severity": "medium",
        "host": "10.0.0.5",
        "peer": "203.0.113.9",
        "first_seen": datetime(2026, 1, 1, 0, number, 0, 123_456, tzinfo=UTC),
        "last_seen": datetime(2026, 1, 1, 1, tzinfo=UTC),
        "flows": 2**63 + number,
        "score": 0.1 + number / 7,
        "p_value": None if number % 2 else 1.23456e-300,
        "reasons": ["called every 60 s ± 2 %", 'it said "x\\y"\n', "日本"],
        "attack": ["T1071"],
        "community_ids": ["1:abc="],
        "ports": [443, 65535],
        **fields,
    }


def log(store: Store) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = store.query(
        "SELECT * FROM incidents ORDER BY run_id, writer, ordinal, recorded"
    ).to_pylist()
    return events

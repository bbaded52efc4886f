"""`monitor_incident_active`: one series an open incident, at most a stated number, gone when the incident closes.

The only metric that carries addresses; the alert budget bounds it, and the cap does when the budget does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from threading import Lock
from typing import Any

from prometheus_client import Gauge
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

from monitor.metrics import SEVERITIES
from monitor.report import printable

LABELS = ("incident_id", "detector", "severity", "host", "peer", "reason", "attack")
LONGEST = 200
"""Characters of a label; a name from the wire may be longer than a chat message."""


class ActiveIncidents(Collector):
    """Open incidents as series of value 1; the most severe, then the newest, when there are more than `cap`."""

    def __init__(self, registry: CollectorRegistry, not_shown: Gauge, *, cap: int) -> None:
        self._open: dict[str, tuple[tuple[int, float], tuple[str, ...]]] = {}
        self._cap = cap
        self._not_shown = not_shown
        self._lock = Lock()
        registry.register(self)

    def open(self, incident: Mapping[str, Any]) -> None:
        """Show or renew an incident, given with the fields of `--format json`."""
        reasons, attack = incident.get("reasons") or [""], incident.get("attack") or []
        values = {**incident, "reason": reasons[0], "attack": " ".join(attack)}
        labels = tuple(printable(str(values.get(name) or ""))[:LONGEST] for name in LABELS)
        rank = (-SEVERITIES.index(incident["severity"]), -_seconds(incident.get("last_seen")))
        with self._lock:
            self._open[str(incident["incident_id"])] = (rank, labels)
            self._count()

    def close(self, incident_id: str) -> None:
        """Remove an incident's series; an unknown one is none to remove."""
        with self._lock:
            self._open.pop(incident_id, None)
            self._count()

    def _count(self) -> None:
        self._not_shown.set(max(0, len(self._open) - self._cap))

    def collect(self) -> Iterator[Metric]:
        """The series that the cap lets through."""
        family = GaugeMetricFamily("monitor_incident_active", "Open incidents.", labels=LABELS)
        with self._lock:
            shown = sorted(self._open.values())[: self._cap]
        for _, labels in shown:
            family.add_metric(labels, 1)
        yield family


def _seconds(time: Any) -> float:
    """Seconds since 1970 of a datetime, of a number, or of ISO text; 0 without one."""
    from datetime import datetime

    if isinstance(time, str):
        time = datetime.fromisoformat(time)
    return float(time.timestamp() if isinstance(time, datetime) else time or 0)

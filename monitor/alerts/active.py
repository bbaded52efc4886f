"""`monitor_incident_active`: one series an open incident, at most a stated number, gone when the incident closes.

The only metric that carries addresses, and all that a chat message needs. The alert budget bounds it, and the cap does
when the budget does not.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from monitor.metrics import SEVERITIES
from monitor.report import printable, reason_ja

if TYPE_CHECKING:
    from monitor.metrics import Metrics

LABELS = (
    "incident_id",
    "detector",
    "severity",
    "title",
    "title_ja",
    "host",
    "peer",
    "service",
    "reason",
    "reason_ja",
    "attack",
    "since",
)
LONGEST = 300
"""Characters of a label; a name from the wire may be longer than a chat message."""
BETWEEN = "; "
BETWEEN_JA = "／"


class ActiveIncidents(Collector):
    """Open incidents as series of value 1; the most severe, then the newest, when there are more than `cap`."""

    def __init__(self, metrics: Metrics, *, cap: int, titles: Mapping[str, tuple[str, str]]) -> None:
        """`titles`: English and Japanese title of each detector; one that is not there goes by its name."""
        self._open: dict[str, tuple[tuple[int, float], str, tuple[str, ...]]] = {}
        self._cap = cap
        self._titles = titles
        self._metrics = metrics
        self._lock = Lock()
        metrics.registry.register(self)

    def open(self, incident: Mapping[str, Any]) -> None:
        """Show or renew an incident, given with the fields of `--format json`."""
        severity = str(incident["severity"])
        values = {**incident, **self._words(incident)}
        labels = tuple(_cut(printable(str(values.get(name) or ""))) for name in LABELS)
        last = _moment(incident.get("last_seen"))
        rank = (-SEVERITIES.index(severity), -(last.timestamp() if last else 0.0))
        with self._lock:
            self._open[str(incident["incident_id"])] = (rank, severity, labels)
            self._count()

    def _words(self, incident: Mapping[str, Any]) -> dict[str, str]:
        """Labels that are not fields of an incident as they are."""
        detector = str(incident["detector"])
        title, title_ja = self._titles.get(detector, (detector, detector))
        since = _moment(incident.get("first_seen"))
        reasons = [str(reason) for reason in incident.get("reasons") or ()]
        return {
            "title": title,
            "title_ja": title_ja,
            "reason": _joined(reasons),
            "reason_ja": _joined([reason_ja(reason) for reason in reasons], BETWEEN_JA),
            "attack": " ".join(incident.get("attack") or ()),
            "since": f"{since.astimezone():%Y-%m-%d %H:%M:%S %Z}" if since else "",
        }

    def __contains__(self, incident_id: object) -> bool:
        with self._lock:
            return str(incident_id) in self._open

    def close(self, incident_id: str) -> None:
        """Remove an incident's series; an unknown one is none to remove."""
        with self._lock:
            self._open.pop(incident_id, None)
            self._count()

    def _count(self) -> None:
        tally = Tally(severity for _, severity, _ in self._open.values())
        for severity in SEVERITIES:
            self._metrics.incidents_open.labels(severity).set(tally[severity])
        self._metrics.incidents_not_shown.set(max(0, len(self._open) - self._cap))

    def collect(self) -> Iterator[Metric]:
        """The series that the cap lets through."""
        family = GaugeMetricFamily(
            "monitor_incident_active", "Open incidents, one series each, the most severe first.", labels=LABELS
        )
        with self._lock:
            shown = sorted(self._open.values())[: self._cap]
        for _, _, labels in shown:
            family.add_metric(labels, 1)
        yield family


def _joined(reasons: Sequence[str], between: str = BETWEEN) -> str:
    """As many reasons as fit a label, the strongest first; at least the first one."""
    text = reasons[0] if reasons else ""
    for reason in reasons[1:]:
        if len(printable(text)) + len(between) + len(printable(reason)) > LONGEST:
            break
        text += between + reason
    return text


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _moment(time: Any) -> datetime | None:
    """A datetime, seconds since 1970, or ISO text as a datetime; None without one."""
    if isinstance(time, str):
        return datetime.fromisoformat(time)
    if isinstance(time, datetime) or not time:
        return time or None
    return datetime.fromtimestamp(float(time), UTC)

"""Every Prometheus metric that the product exports, declared in one place; labels are bounded and exist from the start.

Stages count for themselves; the pipeline adds their counts here in bulk. Serving them is up to `monitor.alerts`.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Gauge, Info, ProcessCollector
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from monitor import __version__

SEVERITIES = ("low", "medium", "high", "critical")
STORE_OUTCOMES = ("written", "spooled", "dropped")
SCORE_BOUNDS = tuple(round(0.30 + 0.05 * step, 2) for step in range(13))
"""Upper bounds of the score histogram: an isolation forest's scores lie between 0.3 (usual) and 0.9."""
OTHER = "other"
"""Label value of whatever is not in the known set."""


class Metrics:
    """The metrics of one run, in a registry of their own."""

    def __init__(
        self,
        *,
        services: Sequence[str] = (),
        detectors: Sequence[str] = (),
        ignored: Iterable[str] = (),
        dropped: Iterable[str] = (),
    ) -> None:
        """Label values known beforehand: services, detectors, reasons to ignore or drop a packet."""
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.build = Info("monitor_build", "Version of the monitor.", registry=registry)
        self.build.info({"version": __version__, "python": platform.python_version()})
        self.model = Info("monitor_model", "Model that scores the flows.", registry=registry)

        self.packets = Counter("monitor_packets", "Packets read.", registry=registry)
        self.packets_decoded = Counter("monitor_packets_decoded", "Packets that joined a flow.", registry=registry)
        self.packets_ignored = Counter(
            "monitor_packets_ignored", "Packets read that no flow takes, by reason.", ["reason"], registry=registry
        )
        self.packets_dropped = Counter(
            "monitor_packets_dropped",
            "Packets that should have joined a flow, by reason.",
            ["reason"],
            registry=registry,
        )
        self.bytes = Counter("monitor_packet_bytes", "Bytes of the packets read, as on the wire.", registry=registry)
        self.last_packet = Gauge(
            "monitor_last_packet_timestamp_seconds", "Event time of the latest packet.", registry=registry
        )
        self.damage = Counter(
            "monitor_capture_damage", "Places at which a capture could not be read on.", registry=registry
        )
        self.flows = Counter("monitor_flows", "Flow records made, by service.", ["service"], registry=registry)
        self.flows_evicted = Counter(
            "monitor_flows_evicted", "Flows that a full flow table ended before their time.", registry=registry
        )
        self.flows_active = Gauge("monitor_flows_active", "Flows in the flow table.", registry=registry)
        self.scores = ScoreHistogram((*services, OTHER))
        registry.register(self.scores)
        self.incidents = Counter(
            "monitor_incidents",
            "Incidents opened, by detector and severity.",
            ["detector", "severity"],
            registry=registry,
        )
        self.incidents_not_shown = Gauge(
            "monitor_incidents_not_shown",
            "Active incidents beyond the cap of monitor_incident_active.",
            registry=registry,
        )
        self.store_rows = Counter(
            "monitor_store_rows",
            "Rows handed to the store, by table and outcome.",
            ["table", "outcome"],
            registry=registry,
        )
        self.store_seconds = Counter("monitor_store_insert_seconds", "Time spent on inserts.", registry=registry)
        self._known_labels(services, detectors, ignored, dropped)

    def _known_labels(
        self, services: Sequence[str], detectors: Sequence[str], ignored: Iterable[str], dropped: Iterable[str]
    ) -> None:
        for service in (*services, OTHER):
            self.flows.labels(service)
        for detector in detectors:
            for severity in SEVERITIES:
                self.incidents.labels(detector, severity)
        for table in ("flows", "incidents"):
            for outcome in STORE_OUTCOMES:
                self.store_rows.labels(table, outcome)
        for reason in ignored:
            self.packets_ignored.labels(reason)
        for reason in dropped:
            self.packets_dropped.labels(reason)


class ScoreHistogram(Collector):
    """`monitor_score`: histogram of flow scores by service, filled a batch at a time."""

    def __init__(self, services: Sequence[str]) -> None:
        self._services = tuple(services)
        self._counts = np.zeros((len(services), len(SCORE_BOUNDS) + 1), np.int64)
        self._sums = np.zeros(len(services))
        self._lock = Lock()

    def observe(self, service: NDArray[np.intp], score: NDArray[np.float32]) -> None:
        """Add scores (n), each of the service with that place in the list of services (n)."""
        width = len(SCORE_BOUNDS) + 1
        place = service * width + np.searchsorted(np.asarray(SCORE_BOUNDS, np.float32), score)
        counts = np.bincount(place, minlength=self._counts.size).reshape(self._counts.shape)
        sums = np.bincount(service, score, minlength=len(self._sums))
        with self._lock:
            self._counts += counts
            self._sums += sums

    def collect(self) -> Iterator[Metric]:
        """One histogram a service, all there from the start."""
        family = HistogramMetricFamily("monitor_score", "Anomaly scores of flows, by service.", labels=["service"])
        with self._lock:
            totals, sums = np.cumsum(self._counts, axis=1), self._sums.copy()
        bounds = [*map(str, SCORE_BOUNDS), "+Inf"]
        for service, total, value in zip(self._services, totals, sums, strict=True):
            buckets = list(zip(bounds, map(float, total), strict=True))
            family.add_metric([service], buckets, float(value))
        yield family


class Advance:
    """Turns running totals of the stages into increments of counters."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, str], float] = {}

    def to(self, counter: Counter, total: float) -> None:
        """Bring a counter without labels to `total`."""
        self._advance(counter, "", total)

    def by_reason(self, counter: Counter, totals: Mapping[str, int]) -> None:
        """Bring a counter labelled by reason to `totals`."""
        for reason, total in totals.items():
            self._advance(counter, reason, total)

    def _advance(self, counter: Counter, label: str, total: float) -> None:
        key = (id(counter), label)
        step = total - self._seen.get(key, 0)
        if step > 0:
            (counter.labels(label) if label else counter).inc(step)
            self._seen[key] = total

"""Every Prometheus metric that the product exports, declared in one place; labels are bounded and exist from the start.

Stages count for themselves; the pipeline adds their counts here in bulk. Serving them is up to `monitor.alerts`.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from threading import Lock
from typing import Any, TypeVar

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
P_BOUNDS = (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)
"""Upper bounds of the histogram of p-values: alarms are at the far left, usual traffic is even."""
BUFFERS = ("ring", "flow_table", "queue", "payload", "spool", "evidence")
"""What holds a bounded amount; the label of monitor_fill_ratio."""
LOST_FLOWS = ("worker_died", "queue_full", "too_late", "killed", "store")
"""Reasons of monitor_flows_lost."""
VERDICTS = ("true", "false", "benign")
OTHER = "other"
"""Label value of whatever is not in the known set."""

Labelled = TypeVar("Labelled", Counter, Gauge)


class Metrics:
    """The metrics of one run, in a registry of their own.

    A gauge whose value is not known yet is NaN: no rule compares with it, no panel draws it.
    """

    def __init__(
        self,
        *,
        services: Sequence[str] = (),
        detectors: Sequence[str] = (),
        ignored: Iterable[str] = (),
        dropped: Iterable[str] = (),
        features: Iterable[str] = (),
    ) -> None:
        """Label values known beforehand: services, detectors, reasons to ignore or drop a packet, model's features."""
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._counter = partial(Counter, registry=registry)
        self._gauge = partial(Gauge, registry=registry)
        self.build = Info("monitor_build", "Version of the monitor.", registry=registry)
        self.build.info({"version": __version__, "python": platform.python_version()})
        self._traffic(ignored, dropped)
        self._sensor()
        self._flows(services)
        self._model(services, features)
        self._incidents(detectors)
        self._store()

    def _traffic(self, ignored: Iterable[str], dropped: Iterable[str]) -> None:
        """Packets read and what became of them."""
        counter, gauge = self._counter, self._gauge
        self.packets = counter("monitor_packets", "Packets read, and those that the kernel dropped.")
        self.packets_decoded = counter("monitor_packets_decoded", "Packets that joined a flow.")
        self.packets_ignored = _by(
            counter("monitor_packets_ignored", "Packets read that no flow takes, by reason.", ["reason"]), ignored
        )
        self.packets_dropped = _by(
            counter("monitor_packets_dropped", "Packets that should have joined a flow, by reason.", ["reason"]),
            dropped,
        )
        self.bytes = counter("monitor_packet_bytes", "Bytes of the packets read, as on the wire.")
        self.last_packet = gauge("monitor_last_packet_timestamp_seconds", "Event time of the latest packet.")
        self.damage = counter("monitor_capture_damage", "Places at which a capture could not be read on.")

    def _sensor(self) -> None:
        """How well the sensor hears, and how full what it holds is."""
        counter, gauge = self._counter, self._gauge
        self.live = gauge("monitor_live", "1: reads a network interface; 0: replays captures.")
        self.started = gauge("monitor_start_timestamp_seconds", "When the sensor or the replay began (wall clock).")
        self.kernel_drops = counter("monitor_kernel_drops", "Packets that the kernel dropped for want of ring space.")
        self.fill = gauge("monitor_fill_ratio", "How full each bounded buffer is, 0 to 1.", ["buffer"])
        _by(self.fill, BUFFERS)
        self.payload_bytes = counter("monitor_tcp_payload_bytes", "TCP payload by sequence number, seen or missed.")
        self.missed_bytes = counter(
            "monitor_tcp_missed_bytes", "TCP payload that was sent but never reached the sensor (loss before it)."
        )
        self.connections = counter("monitor_tcp_connections", "TCP flows that carried payload or an acknowledgement.")
        self.one_sided = counter(
            "monitor_tcp_one_sided", "Of monitor_tcp_connections those of which one direction was never seen."
        )
        self.traffic_norm = _unknown(
            gauge("monitor_traffic_norm_ratio", "Packet rate over what is usual for this hour of the week.")
        )
        self.oversized = counter(
            "monitor_oversized_frames", "Frames above the MTU: the card merges packets (GRO, LRO)."
        )
        self.clock_steps = counter("monitor_clock_steps", "Times that the packet clock jumped.")
        self.evidence_lost = counter("monitor_evidence_lost", "Packets that did not get into the evidence ring.")
        self.worker_restarts = counter("monitor_worker_restarts", "Capture workers that died and were started again.")

    def _flows(self, services: Sequence[str]) -> None:
        counter, gauge = self._counter, self._gauge
        self.flows = _by(counter("monitor_flows", "Flow records made, by service.", ["service"]), (*services, OTHER))
        self.flows_evicted = counter("monitor_flows_evicted", "Flows that a full flow table ended before their time.")
        self.flows_lost = _by(
            counter("monitor_flows_lost", "Flow records that did not reach the store, by reason.", ["reason"]),
            LOST_FLOWS,
        )
        self.flows_unnamed = counter(
            "monitor_flows_unnamed", "Flows whose names were not read to their end, for want of memory."
        )
        self.flows_active = gauge("monitor_flows_active", "Flows in the flow table.")

    def _model(self, services: Sequence[str], features: Iterable[str]) -> None:
        """What scores, how its scores spread, how far the traffic has moved from what it learned."""
        gauge = self._gauge
        self.model = Info("monitor_model", "Model that scores the flows.", registry=self.registry)
        self.model_trained = _unknown(
            gauge("monitor_model_trained_timestamp_seconds", "End of the traffic that the model was trained on.")
        )
        self.drift = _unknown(
            gauge(
                "monitor_model_drift",
                "Population stability index of late p-values against uniform: 0 as in calibration.",
            )
        )
        self.low_p = _unknown(
            gauge("monitor_model_low_p_ratio", "Share of late scored flows with p at most 0.01: 0.01 by calibration.")
        )
        self.feature_drift = gauge(
            "monitor_model_feature_drift",
            "Population stability index of a feature of late flows against calibration, mean over services.",
            ["feature"],
        )
        for feature in features:
            _unknown(self.feature_drift.labels(feature))
        self.scores = BatchHistogram(
            "monitor_score", "Anomaly scores of flows, by service.", (*services, OTHER), SCORE_BOUNDS
        )
        self.p_values = BatchHistogram(
            "monitor_p_value",
            "p-values of scored flows, by service; usual traffic is uniform.",
            (*services, OTHER),
            P_BOUNDS,
        )
        self.registry.register(self.scores)
        self.registry.register(self.p_values)
        self.budget = _unknown(gauge("monitor_alert_budget", "Incidents a day that the operators can handle."))

    def _incidents(self, detectors: Sequence[str]) -> None:
        counter, gauge = self._counter, self._gauge
        self.incidents = counter(
            "monitor_incidents", "Incidents opened, by detector and severity.", ["detector", "severity"]
        )
        for detector in detectors:
            _by(self.incidents, SEVERITIES, detector)
        self.incidents_open = _by(
            gauge("monitor_incidents_open", "Open incidents, by severity.", ["severity"]), SEVERITIES
        )
        self.incidents_not_shown = gauge(
            "monitor_incidents_not_shown", "Active incidents beyond the cap of monitor_incident_active."
        )
        self.suppressed = _by(
            counter("monitor_incidents_suppressed", "Incidents that a suppression hid, by detector.", ["detector"]),
            detectors,
        )
        self.waiting = _by(
            counter(
                "monitor_incidents_waiting", "Incidents that the alert budget holds back, by detector.", ["detector"]
            ),
            detectors,
        )
        self.verdicts = gauge("monitor_verdicts", "Incidents with a verdict, by detector.", ["detector", "verdict"])
        for detector in detectors:
            _by(self.verdicts, VERDICTS, detector)
        self.last_hunt = _unknown(
            gauge("monitor_last_hunt_timestamp_seconds", "When the hunts last ended (wall clock).")
        )
        self.hunt_seconds = counter("monitor_hunt_seconds", "Time spent on hunts.")

    def _store(self) -> None:
        """What became of the rows, and how long the disk will last."""
        counter, gauge = self._counter, self._gauge
        self.store_rows = counter(
            "monitor_store_rows", "Rows handed to the store, by table and outcome.", ["table", "outcome"]
        )
        for table in ("flows", "incidents"):
            _by(self.store_rows, STORE_OUTCOMES, table)
        self.store_seconds = counter("monitor_store_insert_seconds", "Time spent on inserts.")
        self.store_up = _unknown(gauge("monitor_store_up", "1: the store took the latest insert; 0: it did not."))
        self.store_lag = _unknown(
            gauge("monitor_store_lag_seconds", "Age of the oldest flow record that is not in the store yet.")
        )
        self.store_bytes = _unknown(gauge("monitor_store_bytes", "Bytes on disk of the store's tables."))
        self.store_days_left = _unknown(
            gauge("monitor_store_days_left", "Days until the store's disk budget is used up, at the rate of late.")
        )
        self.spool_bytes = gauge("monitor_spool_bytes", "Bytes that wait in the spool for the store.")


def _by(metric: Labelled, values: Iterable[str], *before: str) -> Labelled:
    """The metric, with a series for each value of its last label from the start."""
    for value in values:
        metric.labels(*before, value)
    return metric


def _unknown(gauge: Gauge) -> Gauge:
    gauge.set(math.nan)
    return gauge


class BatchHistogram(Collector):
    """A histogram by service, filled a batch at a time; every service is there from the start."""

    def __init__(self, name: str, meaning: str, services: Sequence[str], bounds: Sequence[float]) -> None:
        self._name, self._meaning = name, meaning
        self._services = tuple(services)
        self._bounds = tuple(bounds)
        self._counts = np.zeros((len(services), len(bounds) + 1), np.int64)
        self._sums = np.zeros(len(services))
        self._lock = Lock()

    def observe(self, service: NDArray[np.intp], values: NDArray[np.floating[Any]]) -> None:
        """Add values (n), each of the service with that place in the list of services (n)."""
        width = len(self._bounds) + 1
        place = service * width + np.searchsorted(np.asarray(self._bounds, values.dtype), values)
        counts = np.bincount(place, minlength=self._counts.size).reshape(self._counts.shape)
        sums = np.bincount(service, values, minlength=len(self._sums))
        with self._lock:
            self._counts += counts
            self._sums += sums

    def collect(self) -> Iterator[Metric]:
        """One histogram a service."""
        family = HistogramMetricFamily(self._name, self._meaning, labels=["service"])
        with self._lock:
            totals, sums = np.cumsum(self._counts, axis=1), self._sums.copy()
        bounds = [*map(str, self._bounds), "+Inf"]
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

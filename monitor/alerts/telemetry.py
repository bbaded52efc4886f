"""Brings the counts of the stages into the metrics, a batch at a time, and shows open incidents.

What the metrics are is declared in `monitor.metrics`; how they are served is in `exporter.py`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from monitor.alerts.active import ActiveIncidents
from monitor.alerts.exporter import Exporter
from monitor.metrics import OTHER, Advance, Metrics

if TYPE_CHECKING:
    import pyarrow as pa

    from monitor.config import MetricsSettings
    from monitor.reading import Account


class Telemetry:
    """The metrics of one run, served for as long as the context lasts."""

    def __init__(
        self,
        settings: MetricsSettings,
        *,
        services: Sequence[str] = (),
        detectors: Sequence[str] = (),
        ignored: Iterable[str] = (),
        dropped: Iterable[str] = (),
    ) -> None:
        """Known label values as in `Metrics`. Raises OSError when the port cannot be had."""
        self.metrics = Metrics(services=services, detectors=detectors, ignored=ignored, dropped=dropped)
        self._services = {service: place for place, service in enumerate((*services, OTHER))}
        self._advance = Advance()
        self._hold = settings.hold
        self._active = ActiveIncidents(
            self.metrics.registry, self.metrics.incidents_not_shown, cap=settings.active_incidents
        )
        self.exporter = Exporter(self.metrics.registry, address=settings.address, port=settings.port)

    def __enter__(self) -> Telemetry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.exporter.close()

    def hold(self) -> None:
        """Go on serving for as long as the settings say."""
        time.sleep(self._hold)

    def model(self, version: str, card: Mapping[str, Any]) -> None:
        """Say which model scores."""
        facts = {"version": version, "feature_version": str(card.get("feature_version", ""))}
        self.metrics.model.info(facts)

    def account(self, account: Account) -> None:
        """Bring the packet counters up to a run's account."""
        advance, metrics = self._advance, self.metrics
        advance.to(metrics.packets, account.packets)
        advance.to(metrics.packets_decoded, account.decoded)
        advance.to(metrics.bytes, account.bytes)
        advance.to(metrics.flows_evicted, account.evicted)
        metrics.flows_active.set(account.active)
        advance.to(metrics.damage, len(account.damage))
        advance.by_reason(metrics.packets_ignored, account.ignored)
        advance.by_reason(metrics.packets_dropped, account.dropped)

    def flows(self, batch: pa.RecordBatch, *, written: int, seconds: float) -> None:
        """Add a batch of scored flow records, `written` rows of which the store took, in so many seconds."""
        import pyarrow.compute as pc

        if batch.num_rows == 0:
            return
        places = self._places(batch.column("service"))
        counts = np.bincount(places, minlength=len(self._services))
        for service, count in zip(self._services, counts, strict=True):
            if count:
                self.metrics.flows.labels(service).inc(int(count))
        scores = batch.column("score").to_numpy()
        scored = scores > 0
        if scored.any():
            self.metrics.scores.observe(places[scored], scores[scored])
        self.metrics.store_rows.labels("flows", "written").inc(written)
        self.metrics.store_seconds.inc(seconds)
        self.metrics.last_packet.set(pc.max(batch.column("end").cast("int64")).as_py() / 1e6)

    def _places(self, service: Any) -> NDArray[np.intp]:
        """Place of each flow's service in the list of known ones."""
        other = self._services[OTHER]
        known = [self._services.get(word, other) for word in service.dictionary.to_pylist()]
        places: NDArray[np.intp] = np.array(known, np.intp)[service.indices.to_numpy()]
        return places

    def incidents(self, incidents: Sequence[Mapping[str, Any]], *, written: int) -> None:
        """Count and show opened incidents, `written` rows of which the store took."""
        for incident in incidents:
            self.metrics.incidents.labels(incident["detector"], incident["severity"]).inc()
            self._active.open(incident)
        self.metrics.store_rows.labels("incidents", "written").inc(written)

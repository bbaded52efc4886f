"""Brings the counts of the stages into the metrics, a batch at a time, and shows open incidents.

What the metrics are is declared in `monitor.metrics`; how they are served is in `exporter.py`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from monitor.alerts.active import ActiveIncidents
from monitor.alerts.drift import Drift
from monitor.alerts.exporter import Exporter
from monitor.metrics import OTHER, Advance, Metrics

if TYPE_CHECKING:
    import pyarrow as pa

    from monitor.config import MetricsSettings
    from monitor.model import FeatureDrift, Model
    from monitor.reading import Account
    from monitor.store import Counts, DiskUse


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
        titles: Mapping[str, tuple[str, str]] | None = None,
        alert_budget: float = math.nan,
        max_flows: int = 0,
    ) -> None:
        """Known label values as in `Metrics`, titles (English, Japanese) of the detectors, limits of the settings.

        Raises OSError when the port cannot be had.
        """
        from monitor.model import FEATURE_NAMES

        self.metrics = Metrics(
            services=services, detectors=detectors, ignored=ignored, dropped=dropped, features=FEATURE_NAMES
        )
        self._services = {service: place for place, service in enumerate((*services, OTHER))}
        self.advance = Advance()
        """Brings counters up to totals of the stages."""
        self._hold = settings.hold
        self._max_flows = max_flows
        self._active = ActiveIncidents(self.metrics, cap=settings.active_incidents, titles=titles or {})
        self._drift = Drift()
        self._feature_drift: FeatureDrift | None = None
        self.metrics.started.set_to_current_time()
        self.metrics.budget.set(alert_budget)
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

    def model(self, model: Model) -> None:
        """Say which model scores from now on; what had drifted from the one before is forgotten."""
        from monitor.model import FeatureDrift

        card = model.card
        facts = {"version": model.version, "feature_version": str(card.get("feature_version", ""))}
        self.metrics.model.info(facts)
        last = (card.get("training_window") or {}).get("last")
        if last:
            self.metrics.model_trained.set(datetime.fromisoformat(last).timestamp())
        self._drift, self._feature_drift = Drift(), FeatureDrift(model)

    def account(self, account: Account) -> None:
        """Bring the packet counters up to a run's account."""
        advance, metrics = self.advance, self.metrics
        advance.to(metrics.packets, account.packets)
        advance.to(metrics.packets_decoded, account.decoded)
        advance.to(metrics.bytes, account.bytes)
        advance.to(metrics.flows_evicted, account.evicted)
        advance.to(metrics.flows_unnamed, account.unnamed)
        metrics.flows_active.set(account.active)
        if self._max_flows:
            metrics.fill.labels("flow_table").set(account.active / self._max_flows)
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
            p_values = batch.column("p_value").to_numpy()[scored]
            self.metrics.p_values.observe(places[scored], p_values)
            self._drift.observe(p_values)
            self.metrics.drift.set(self._drift.index())
            self.metrics.low_p.set(self._drift.low())
            if self._feature_drift is not None:
                self._feature_drift.observe(batch)
                for feature, index in self._feature_drift.indices().items():
                    self.metrics.feature_drift.labels(feature).set(index)
        self._loss(batch)
        self.metrics.store_rows.labels("flows", "written").inc(written)
        self.metrics.store_seconds.inc(seconds)
        if written:
            self.metrics.store_up.set(1)
        self.metrics.last_packet.set(pc.max(batch.column("end").cast("int64")).as_py() / 1e6)

    def delivery(self, counts: Counts, *, up: bool, spool_limit: int) -> None:
        """Bring the counters to what a writer says became of its rows; `up`: the store took the latest insert."""
        metrics, advance = self.metrics, self.advance
        lost = counts.dropped + counts.set_aside
        for outcome, total in (("written", counts.written), ("spooled", counts.delayed), ("dropped", lost)):
            series = metrics.store_rows.labels("flows", outcome)
            advance.to(series, total)
        advance.to(metrics.store_seconds, counts.insert_seconds)
        metrics.store_up.set(up)
        metrics.store_lag.set(max(0.0, time.time() - counts.oldest) if counts.oldest else 0.0)
        metrics.spool_bytes.set(counts.spool_bytes)
        metrics.fill.labels("spool").set(counts.spool_bytes / spool_limit)

    def disk(self, use: DiskUse) -> None:
        """Say what the store takes, and for how many days its budget lasts."""
        self.metrics.store_bytes.set(use.own + use.logs)
        self.metrics.store_days_left.set(use.days_left)

    def _loss(self, batch: pa.RecordBatch) -> None:
        """What the flows tell about packets that never reached the sensor."""
        from monitor.flows import Mirror

        told = Mirror().add(batch)
        self.metrics.missed_bytes.inc(told.missed)
        self.metrics.payload_bytes.inc(told.payload)
        self.metrics.connections.inc(told.connections)
        self.metrics.one_sided.inc(told.one_sided)

    def _places(self, service: Any) -> NDArray[np.intp]:
        """Place of each flow's service in the list of known ones."""
        other = self._services[OTHER]
        known = [self._services.get(word, other) for word in service.dictionary.to_pylist()]
        places: NDArray[np.intp] = np.array(known, np.intp)[service.indices.to_numpy()]
        return places

    def incidents(self, events: Sequence[Mapping[str, Any]], *, written: int) -> None:
        """Count and show what became of incidents, `written` rows of which the store took.

        An event has the fields of an incident, and may name its `event` and `state`: opened and open unless they say
        otherwise. Only open incidents are shown.
        """
        for event in events:
            kind, state = event.get("event", "opened"), event.get("state", "open")
            if kind == "closed" or state != "open":
                self.close(str(event["incident_id"]))
            else:
                if event["incident_id"] not in self._active:
                    self.metrics.incidents.labels(event["detector"], event["severity"]).inc()
                self._active.open(event)
            if kind == "opened" and state in ("suppressed", "waiting"):
                hidden = self.metrics.suppressed if state == "suppressed" else self.metrics.waiting
                hidden.labels(event["detector"]).inc()
        self.metrics.store_rows.labels("incidents", "written").inc(written)

    def hunted(self, seconds: float) -> None:
        """A round of hunts ended now, after so many seconds."""
        self.metrics.last_hunt.set_to_current_time()
        self.metrics.hunt_seconds.inc(seconds)

    def verdicts(self, counts: Mapping[tuple[str, str], int]) -> None:
        """Bring the gauge of verdicts to these counts by (detector, verdict)."""
        for (detector, verdict), count in counts.items():
            self.metrics.verdicts.labels(detector, verdict).set(count)

    def close(self, incident_id: str) -> None:
        """An incident went quiet: its series ends, and with it its alert."""
        self._active.close(incident_id)

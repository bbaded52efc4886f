"""Names of the metrics that the product exports, as Prometheus sees them, and those that an expression reads."""

from __future__ import annotations

import re
from functools import cache

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from monitor.alerts.active import ActiveIncidents
from monitor.metrics import Metrics

_NAME = re.compile(r"(?<![\w:.{\"])(?:[a-z_]+:)?monitor_[a-z0-9_]+(?::[a-z0-9_]+)?")


@cache
def exported() -> frozenset[str]:
    """Series names, suffixes such as `_total` and `_bucket` included."""
    metrics = Metrics(services=["tls"], detectors=["beacon"], ignored=["arp"], dropped=["duplicate"])
    active = ActiveIncidents(metrics, cap=1, titles={})
    active.open({"incident_id": "1", "detector": "beacon", "severity": "low"})
    families = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    return frozenset(sample.name for family in families for sample in family.samples)


def read_by(expression: str) -> set[str]:
    """Our metrics and recorded series in a PromQL expression."""
    return set(_NAME.findall(re.sub(r'"[^"]*"', '""', expression)))

"""Names of the metrics that the product exports or our rules record, and those that an expression reads."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from monitor.alerts.active import ActiveIncidents
from monitor.metrics import Metrics

RULES = Path(__file__).parents[1] / "deploy/prometheus/rules"
_NAME = re.compile(r"(?<![\w:.{\"])(?:[a-z_]+:)?monitor_[a-z0-9_]+(?::[a-z0-9_]+)?")


@cache
def exported() -> frozenset[str]:
    """Series names, suffixes such as `_total` and `_bucket` included."""
    metrics = Metrics(
        services=["tls"], detectors=["beacon"], ignored=["arp"], dropped=["duplicate"], features=["duration"]
    )
    active = ActiveIncidents(metrics, cap=1, titles={})
    active.open({"incident_id": "1", "detector": "beacon", "severity": "low"})
    families = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    return frozenset(sample.name for family in families for sample in family.samples)


def read_by(expression: str) -> set[str]:
    """Our metrics and recorded series in a PromQL expression."""
    return set(_NAME.findall(re.sub(r'"[^"]*"', '""', expression)))


def rules(kind: str) -> dict[str, dict[str, Any]]:
    """Our rules of the kind `alert` or `record`, by name."""
    groups = [group for file in sorted(RULES.glob("*.yml")) for group in yaml.safe_load(file.read_text())["groups"]]
    return {rule[kind]: rule for group in groups for rule in group["rules"] if kind in rule}

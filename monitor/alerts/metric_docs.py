"""docs/metrics.md: every metric of `monitor.metrics` with its type, labels and meaning, written by `make docs`.

python -m monitor.alerts.metric_docs > docs/metrics.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from monitor.alerts.active import LABELS, ActiveIncidents
from monitor.metrics import Metrics

_HEAD = """# Metrics

Written by `make docs` from `monitor/metrics.py`; do not edit. `/metrics` is served by `monitor live` and, with
`--metrics-port`, by `monitor replay`. Every series is there from the start with all its known label values. A gauge
that is not known yet is NaN: no rule fires on it, no panel draws it. Prometheus adds the label `sensor`
(deploy/prometheus/targets). Rules: `deploy/prometheus/rules`; dashboards: `dashboards/`; what each alert means:
[runbooks/](runbooks/).

| metric | type | labels | meaning |
|---|---|---|---|
"""
_FEW = 8
"""So many values of a label are listed; more are only counted."""
_OWN = ("le",)
"""Labels that belong to a histogram, not to us."""


def markdown() -> str:
    """The whole document."""
    metrics = Metrics(
        services=("tls", "dns"),
        detectors=("beacon",),
        ignored=("arp",),
        dropped=("duplicate",),
        features=("duration",),
    )
    active = ActiveIncidents(metrics, cap=1, titles={})
    active.open({"incident_id": "1", "detector": "beacon", "severity": "low"})
    families = [family for family in metrics.registry.collect() if family.name.startswith("monitor_")]
    return _HEAD + "".join(sorted(map(_row, families)))


def _row(family: Metric) -> str:
    suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
    kind = "gauge" if family.type == "info" else family.type
    labels = "<br>".join(_labels(family)) or "–"
    meaning = family.documentation.replace("|", "\\|")
    return f"| `{family.name}{suffix}` | {kind} | {labels} | {meaning} |\n"


def _labels(family: Metric) -> Iterator[str]:
    """Each label, with its values where they are a short list that does not depend on the site."""
    names = LABELS if family.name == "monitor_incident_active" else _names(family)
    for name in names:
        values = list(dict.fromkeys(sample.labels[name] for sample in family.samples if name in sample.labels))
        listed = 1 < len(values) <= _FEW and name not in ("service", "detector")
        yield f"`{name}`" + (f": {', '.join(values)}" if listed else "")


def _names(family: Metric) -> list[str]:
    found = [name for sample in family.samples for name in sample.labels if name not in _OWN]
    return list(dict.fromkeys(found))


if __name__ == "__main__":
    sys.stdout.write(markdown())

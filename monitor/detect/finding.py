"""Runs the hunts and the grouping of anomalous flows over the store, and gives incidents in a stable order.

What a hunt looks for is in its SQL; the scores come from `model`. Nothing here depends on the order of inserts, the
size of batches or the number of threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from monitor.detect.evidence import Shown, flows_shown, what_they_show
from monitor.detect.hunt import ANOMALY, Hunt, check_columns, load_hunt, load_hunts
from monitor.detect.incident import SEVERITIES, Incident, address_text, by_urgency, incident_id
from monitor.detect.span import EARLIEST, LATEST, microseconds
from monitor.detect.wording import sentence
from monitor.store import Store

OTHER = "other"
"""Service class of the flows whose service has none of its own."""


def find_incidents(
    store: Store,
    run_id: str,
    *,
    p_cut: float = 0.0,
    p_cuts: Mapping[str, float] | None = None,
    window: float = 900.0,
    since: datetime | None = None,
    until: datetime | None = None,
    hunts: Sequence[Hunt] | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> list[Incident]:
    """Incidents among the flows of a run (`''`: live rows) that start from `since` until before `until`.

    Flows with at most this p-value are anomalous: that of their service in `p_cuts`, else of `other` there, else
    `p_cut` (0: none are). Those of one host and service join an incident until nothing more comes for `window` seconds
    of event time. `hunts` None: all. `parameters` take the place of the
    floors of that name in whichever hunt has one. The most severe come first.

    Raises StoreError, and HuntError when a hunt does not keep to its columns.
    """
    bounds = {"run": run_id, "since": microseconds(since or EARLIEST), "until": microseconds(until or LATEST)}
    chosen = load_hunts() if hunts is None else hunts
    found = [(hunt, row) for hunt in chosen for row in _rows(store, hunt, bounds, parameters or {})]
    cuts = {OTHER: p_cut, **(p_cuts or {})}
    if max(cuts.values()) > 0:
        anomaly = load_hunt(ANOMALY)
        settings = {"p_cut": cuts[OTHER], "services": [*cuts], "cuts": [*cuts.values()], "gap": round(window * 1e6)}
        found += [(anomaly, row) for row in _rows(store, anomaly, bounds, settings)]
    shown = flows_shown(store, run_id, sorted({flow for _, row in found for flow in row["flow_ids"]}))
    return sorted((_incident(hunt, row, shown) for hunt, row in found), key=by_urgency)


def _rows(store: Store, hunt: Hunt, bounds: Mapping[str, Any], given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What one hunt returns; its thresholds are those given, else its floors."""
    thresholds = {entry.name: given.get(entry.name, entry.default) for entry in hunt.parameters}
    table = store.query(hunt.sql, {**thresholds, **bounds})
    check_columns(hunt, table.column_names)
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _incident(hunt: Hunt, row: dict[str, Any], shown: Mapping[int, Shown]) -> Incident:
    """A row of a hunt as an incident; the reasons are the row's own, then the hunt's."""
    row |= {"host": address_text(row["host"]), "peer": address_text(row["peer"])}
    said = [sentence(reason.template, row) for reason in hunt.reasons if not reason.condition or row[reason.condition]]
    p_value = row.get("p_value")
    severity = row.get("severity") or hunt.severity
    if severity not in SEVERITIES:
        raise ValueError(f"hunt {hunt.id}: severity {severity!r} is none of {', '.join(SEVERITIES)}")
    return Incident(
        incident_id=incident_id(hunt.id, row["first_seen"], *(row[name] for name in hunt.identity)),
        detector=hunt.id,
        severity=severity,
        host=row["host"],
        peer=row["peer"],
        service=row["service"],
        first_seen=row["first_seen"],
        last_seen=row["last_seen"],
        flows=row["flows"],
        score=round(row["score"], 4),
        p_value=None if p_value is None else float(f"{p_value:.6g}"),
        reasons=(*(row.get("reasons") or ()), *said),
        attack=hunt.attack,
        **what_they_show([shown[flow] for flow in row["flow_ids"] if flow in shown]),
    )

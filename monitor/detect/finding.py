"""Runs the hunts and the grouping of anomalous flows over the store, and gives incidents in a stable order.

What a hunt looks for is in its SQL; the scores come from `model`. Nothing here depends on the order of inserts, the
size of batches or the number of threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from monitor.addresses import address_text
from monitor.detect.evidence import Shown, flows_shown, what_they_show
from monitor.detect.hunt import ANOMALY, Hunt, check_columns, load_hunt, load_hunts
from monitor.detect.incident import SEVERITIES, Incident, by_urgency, incident_id
from monitor.detect.span import EARLIEST, LATEST
from monitor.detect.wording import sentence
from monitor.event_time import microseconds
from monitor.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

OTHER = "other"
"""Service class of the flows whose service has none of its own."""


@dataclass(frozen=True, slots=True)
class Search:
    """Hunts over the flows of a run, ready to be asked of its store, be it along with other questions."""

    run_id: str
    hunts: Sequence[Hunt]
    questions: Sequence[tuple[str, Mapping[str, Any]]]
    """SQL and parameters of each hunt."""

    def incidents(self, store: Store, tables: Sequence[pa.Table]) -> list[Incident]:
        """What the answers to the questions say, the most severe first.

        Raises StoreError, and HuntError when a hunt does not keep to its columns.
        """
        found = [(hunt, row) for hunt, table in zip(self.hunts, tables, strict=True) for row in _rows(hunt, table)]
        shown = flows_shown(store, self.run_id, sorted({flow for _, row in found for flow in row["flow_ids"]}))
        return sorted((_incident(hunt, row, shown) for hunt, row in found), key=by_urgency)


def search(
    run_id: str,
    *,
    p_cut: float = 0.0,
    p_cuts: Mapping[str, float] | None = None,
    window: float = 900.0,
    since: datetime | None = None,
    until: datetime | None = None,
    hunts: Sequence[Hunt] | None = None,
    parameters: Mapping[str, Any] | None = None,
    further: bool = False,
) -> Search:
    """Search the flows of a run (`''`: live rows) that start from `since` until before `until`.

    Flows with at most this p-value are anomalous: that of their service in `p_cuts`, else of `other` there, else
    `p_cut` (0: none are). Those of one host and service join an incident until nothing more comes for `window` seconds
    of event time. `hunts` None: all. `parameters` take the place of the floors of that name in whichever hunt has one.
    `further`: hunts that can look back further than `since` are asked a second time, over that.
    """
    last = microseconds(until or LATEST)
    bounds = {"run": run_id, "since": microseconds(since or EARLIEST), "until": last}
    chosen = load_hunts() if hunts is None else hunts
    asked = [(hunt, _filled(hunt, bounds, parameters or {})) for hunt in chosen]
    if further:
        for hunt in chosen:
            if hunt.further is not None:
                early = {**bounds, "since": last - hunt.further.window * 1_000_000}
                asked.append((hunt, _filled(hunt, early, {**(parameters or {}), **hunt.further.parameters})))
    cuts = {OTHER: p_cut, **(p_cuts or {})}
    if max(cuts.values()) > 0:
        anomaly = load_hunt(ANOMALY)
        settings = {"p_cut": cuts[OTHER], "services": [*cuts], "cuts": [*cuts.values()], "gap": round(window * 1e6)}
        asked.append((anomaly, _filled(anomaly, bounds, settings)))
    return Search(run_id, [hunt for hunt, _ in asked], [(hunt.sql, filled) for hunt, filled in asked])


def find_incidents(store: Store, run_id: str, **asked: Any) -> list[Incident]:
    """What a `search` by itself finds, the most severe first; `asked` and errors are as there and in `Search`."""
    looked = search(run_id, **asked)
    return looked.incidents(store, store.query_all(looked.questions))


def _filled(hunt: Hunt, bounds: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters of a hunt; its thresholds are those given, else its floors."""
    return {**{entry.name: given.get(entry.name, entry.default) for entry in hunt.parameters}, **bounds}


def _rows(hunt: Hunt, table: pa.Table) -> list[dict[str, Any]]:
    """What a hunt returned, row by row."""
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

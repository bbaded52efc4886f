"""Tries a model on an ordinary day with canaries laid into it: the evaluation table of its card.

Whether the figures are good enough to use it is decided in `monitor.promoting`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from monitor.evaluation.canaries import Canary, canaries
from monitor.evaluation.figures import auroc
from monitor.evaluation.matching import involves, match
from monitor.evaluation.scenario import home_hosts, observed_hours, span
from monitor.model import LOW_P
from monitor.rehearsing import Rehearsal

if TYPE_CHECKING:
    import pyarrow as pa

    from monitor.config import Settings
    from monitor.detect import Incident
    from monitor.model import Model


def try_on_day(day: pa.Table, settings: Settings, models: Sequence[Model], *, one_in: int = 1) -> list[dict[str, Any]]:
    """For each model its evaluation on an ordinary day: `day` (what was false) and `canaries` (what was found).

    `one_in`: the day holds one in so many of the network's hosts; false incidents are told for all of them. The flows
    need all columns of the schema. Raises StoreError.
    """
    from monitor.store import open_store

    laid = canaries(day)
    with open_store("none") as store:
        rehearsal = Rehearsal(store, settings)
        return [_tried(day, laid, rehearsal, model, one_in) for model in models]


def _tried(day: pa.Table, laid: Sequence[Canary], rehearsal: Rehearsal, model: Model, one_in: int) -> dict[str, Any]:
    """Judged once, the canaries among the rest: what no canary has to do with is false."""
    import pyarrow as pa

    whole = pa.concat_tables([day, *(canary.flows for canary in laid)]).unify_dictionaries()
    judged = rehearsal.judged(whole, model)
    ordinary, begin, rows = judged.p_values[: day.num_rows], day.num_rows, []
    for canary in laid:
        end = begin + canary.flows.num_rows
        rows.append(_row(canary, judged.incidents, judged.p_values[begin:end], ordinary))
        begin = end
    others = [one for one in judged.incidents if not any(involves(one, canary.truth) for canary in laid)]
    return {"day": _day(day, others, ordinary, one_in), "canaries": rows}


def _row(
    canary: Canary, incidents: Sequence[Incident], strange: NDArray[np.float64], ordinary: NDArray[np.float64]
) -> dict[str, Any]:
    """`found`: an incident names the host in time; `strange`: share of its flows with p at most `LOW_P`; `auroc`:
    chance that a flow of it is stranger to the model than one of the day."""
    (told,) = match([canary.truth], incidents)
    detectors = sorted({str(one["detector"]) for one in told.incidents})
    return {
        "canary": canary.truth.behaviour,
        "flows": canary.flows.num_rows,
        "found": told.found,
        "named": told.named,
        "detectors": " ".join(detectors),
        "strange": round(float((strange <= LOW_P).mean()), 4),
        "auroc": round(auroc(1.0 - strange, 1.0 - ordinary), 4),
    }


def _day(day: pa.Table, incidents: Sequence[Incident], p_values: NDArray[np.float64], one_in: int) -> dict[str, Any]:
    first, last = (datetime.fromtimestamp(at / 1e6, UTC).isoformat(timespec="seconds") for at in span(day))
    false = [one for one in incidents if one["detector"] != "zone_breach"]
    return {
        "first": first,
        "last": last,
        "flows": day.num_rows,
        "one_in": one_in,
        "hosts": len(home_hosts(day)) * one_in,
        "hours": round(observed_hours(day), 2),
        "incidents": len(false) * one_in,
        "anomalies": sum(one["detector"] == "anomaly" for one in false) * one_in,
        "strange": round(float((p_values <= LOW_P).mean()), 5),
    }

"""The alert budget: from incidents a day that people can handle to the p-value at which a flow alarms.

Grouping alarmed flows into incidents is up to the detect stage.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

QUIET = 900_000_000
"""µs without a new flow after which the network was not being observed: the window that makes one incident."""

LOW_P = 0.01
"""p-value at or below which a flow is strange, in figures of how a model stands; by calibration one in a hundred is."""

_DAY = 86_400e6


def p_cut(budget: float, flows_per_day: float) -> float:
    """p-value at or below which a flow alarms, so that usual traffic makes at most `budget` incidents a day on average.

    p-values of usual flows are uniform, so a share `cut` of them falls at or below it. Alarms of one host and service
    within 15 minutes become one incident, so incidents <= alarmed flows, and cut = budget / flows_per_day keeps the
    expected number of false incidents at or below the budget. How far below depends on how alarms cluster, which the
    card reports (`flows_per_incident`) and the cut does not count on. At most 1. Raises ValueError unless both numbers
    are above 0.
    """
    if not budget > 0 or not flows_per_day > 0:
        raise ValueError(f"the alert budget ({budget}) and the flows a day ({flows_per_day}) must be above 0")
    return min(1.0, budget / flows_per_day)


def p_cuts(budget: float, flows_per_day: Mapping[str, float]) -> dict[str, float]:
    """The cut of each service class, when each has an equal share of the budget.

    With r_c flows a day in class c, K classes and cut_c = budget / (K r_c), false alarms a day are

        sum over c of r_c * cut_c = K * budget / K = budget,

    whatever the rates. One cut for all classes would keep the sum too, but then look-ups, which are most flows, spend
    nearly all of it. A class without flows counts as having one a day. Raises ValueError unless the budget is above 0.
    """
    share = budget / max(len(flows_per_day), 1)
    return {name: p_cut(share, max(rate, 1.0)) for name, rate in flows_per_day.items()}


def observed_days(starts: NDArray[np.int64], sessions: NDArray[np.int32]) -> float:
    """Days for which the network was watched, by the start times (µs) of all flows and the session of each.

    Sessions count one after another, as if one network had been watched in each. Silence of more than 15 minutes is
    not counted: a capture put together from pieces months apart was not watched for months.
    """
    order = np.lexsort((starts, sessions))
    gaps = np.diff(starts[order])[np.diff(sessions[order]) == 0]
    return float(gaps[gaps <= QUIET].sum()) / _DAY


def flows_per_incident(alarms: NDArray[np.bool_], starts: NDArray[np.int64], groups: NDArray[np.int64]) -> float:
    """Alarmed flows that one incident holds on average; `groups` (n,) numbers session, host and service together."""
    if not alarms.any():
        return 1.0
    when, who = starts[alarms], groups[alarms]
    order = np.lexsort((when, who))
    fresh = (np.diff(who[order]) != 0) | (np.diff(when[order]) > QUIET)
    return float(alarms.sum() / (1 + fresh.sum()))

"""Figures of an evaluation: recall, false incidents a day and 1,000 hosts, how well flows are told apart; as rows.

Every figure stands beside the number of cases that it is made of.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.evaluation.campaign import Evidence, Quiet
from monitor.evaluation.matching import Match, right_peer

ALL = "all"


def recall_rows(matches: Sequence[Match], *, laid: Sequence[Match] = (), by: str = "kind") -> list[dict[str, Any]]:
    """Recall by class (`by` = `kind`) or by behaviour, the sum last.

    `found`: right host at the right time, the capture alone. `named`: one of the incidents also says what it is.
    `laid`: share found when laid into a day, over `laid_cases`.
    """
    groups = list(dict.fromkeys(getattr(one.truth, by) for one in matches))
    rows = [_recall(name, _of(matches, by, name), _of(laid, by, name)) for name in sorted(groups)]
    rows += [_recall(ALL, matches, laid)] if matches else []
    return rows if laid else [{name: row[name] for name in row if not name.startswith("laid_")} for row in rows]


def false_rows(quiet: Sequence[Quiet]) -> list[dict[str, Any]]:
    """False incidents by kind of capture: how many, over how many captures, hosts and hours, and the rate.

    The rate is false incidents / host-hours x 24 h x 1,000 hosts; host-hours are hosts x hours observed x weight,
    summed over captures, and incidents weigh as their capture does. `at_most`: upper end of the 95 % interval of that
    rate (Garwood 1936, exact for Poisson counts): with few host-hours it stays high whatever was found.
    """
    kinds = list(dict.fromkeys(one.kind for one in quiet))
    rows = [_rate(kind, [one for one in quiet if one.kind == kind]) for kind in kinds]
    return [*rows, _rate(ALL, quiet)] if len(kinds) > 1 else rows


def detector_rows(quiet: Sequence[Quiet]) -> list[dict[str, Any]]:
    """False incidents by detector."""
    counts = Counter(str(one["detector"]) for capture in quiet for one in capture.incidents)
    captures = Counter(name for capture in quiet for name in {str(one["detector"]) for one in capture.incidents})
    return [
        {"detector": name, "false_incidents": count, "captures": captures[name]}
        for name, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    ]


def flow_rows(evidence: Evidence) -> list[dict[str, Any]]:
    """How well the model's p-values tell flows of each class of attack from ordinary ones."""
    if "" not in evidence.strangeness:
        return []
    ordinary = np.concatenate(evidence.strangeness[""])
    rows = []
    for name, parts in sorted(evidence.strangeness.items()):
        strange = np.concatenate(parts)
        if name and len(strange) and len(ordinary):
            rows.append(
                {
                    "class": name,
                    "attack_flows": len(strange),
                    "ordinary_flows": len(ordinary),
                    "auroc": round(auroc(strange, ordinary), 4),
                    "auprc": round(auprc(strange, ordinary), 4),
                }
            )
    return rows


def auroc(strange: NDArray[np.float64], ordinary: NDArray[np.float64]) -> float:
    """Chance that an attack's flow is stranger than an ordinary one, equal ones counting half (Mann-Whitney)."""
    ordered = np.sort(ordinary)
    below = np.searchsorted(ordered, strange, "left") + np.searchsorted(ordered, strange, "right")
    return float(below.mean() / (2 * len(ordinary)))


def auprc(strange: NDArray[np.float64], ordinary: NDArray[np.float64]) -> float:
    """Average precision: precision summed over the steps of recall, equal values taken in one step."""
    values = np.concatenate([strange, ordinary])
    truth = np.concatenate([np.ones(len(strange)), np.zeros(len(ordinary))])
    order = np.argsort(-values, kind="stable")
    values, truth = values[order], truth[order]
    last = np.flatnonzero(np.append(np.diff(values) != 0, True))
    hits = np.cumsum(truth)[last]
    precision, recall = hits / (last + 1), hits / len(strange)
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def poisson_most(count: float) -> float:
    """Upper end of the exact two-sided 95 % interval of a Poisson mean, by bisection of its distribution."""
    low, high = count, 3 * count + 10
    for _ in range(60):
        middle = (low + high) / 2
        if _poisson_cdf(math.floor(count), middle) > 0.025:
            low = middle
        else:
            high = middle
    return high


def _poisson_cdf(count: int, mean: float) -> float:
    logs = [k * math.log(mean) - mean - math.lgamma(k + 1) for k in range(count + 1)] if mean > 0 else [0.0]
    return min(1.0, sum(math.exp(value) for value in logs))


def _of(matches: Iterable[Match], by: str, name: str) -> list[Match]:
    return [one for one in matches if getattr(one.truth, by) == name]


def _recall(name: str, alone: Sequence[Match], laid: Sequence[Match]) -> dict[str, Any]:
    found = sum(one.found for one in alone)
    peers = [one for one in alone if one.found and one.truth.peers]
    detectors = Counter(detector for one in alone for detector in {str(entry["detector"]) for entry in one.incidents})
    row: dict[str, Any] = {
        "class": name,
        "cases": len(alone),
        "found": found,
        "recall": _share(found, len(alone)),
        "named": sum(one.named for one in alone),
        "right_peer": _share(
            sum(any(right_peer(entry, one.truth) for entry in one.incidents) for one in peers), len(peers)
        ),
    }
    row |= {"laid_cases": len(laid), "laid_recall": _share(sum(one.found for one in laid), len(laid))}
    return row | {"detectors": " ".join(f"{entry}:{count}" for entry, count in detectors.most_common(5))}


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _rate(kind: str, quiet: Sequence[Quiet]) -> dict[str, Any]:
    count = sum(len(one.incidents) for one in quiet)
    weighed = sum(len(one.incidents) * one.weight for one in quiet)
    host_hours = sum(one.host_hours for one in quiet)
    scale = 24_000 / host_hours
    return {
        "kind": kind,
        "captures": len(quiet),
        "hosts": sum(one.hosts for one in quiet),
        "hours": round(sum(one.hours for one in quiet), 2),
        "host_hours": round(host_hours, 2),
        "false_incidents": count,
        "with_false": sum(bool(one.incidents) for one in quiet),
        "per_24h_1000_hosts": round(weighed * scale, 2),
        "at_most": round(poisson_most(weighed) * scale, 2),
    }


def missed_rows(matches: Sequence[Match]) -> list[dict[str, Any]]:
    """Attacks that no incident tells of."""
    return [
        {
            "class": one.truth.kind,
            "attack": one.truth.name,
            "behaviour": one.truth.behaviour,
            "host": ", ".join(sorted(one.truth.hosts)[:3]),
        }
        for one in matches
        if not one.found
    ]


def false_list(quiet: Sequence[Quiet]) -> list[Mapping[str, Any]]:
    """Every false incident, one row each."""
    return [
        {
            "capture": capture.name,
            "detector": one["detector"],
            "severity": one["severity"],
            "host": one["host"],
            "peer": one["peer"],
            "reason": (one["reasons"] or ("",))[0],
        }
        for capture in quiet
        for one in capture.incidents
    ]

"""Trains a model from flow records: a forest a service class, calibrated on later flows, measured on held-back ones.

Which flows are for what is up to `split`; growing trees to `isolation`; what the card's figures mean, to `validation`.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.model import artefact, budget, validation
from monitor.model.calibration import calibrate
from monitor.model.drift import reference
from monitor.model.extraction import scaled
from monitor.model.features import FEATURE_NAMES, FEATURE_VERSION
from monitor.model.forest import Forest
from monitor.model.gathering import Gathered, gather
from monitor.model.host_model import HostModel
from monitor.model.host_training import WindowSession, fit_hosts
from monitor.model.isolation import grow
from monitor.model.scoring import DEFAULT_BUDGET, Model, pack
from monitor.model.service_model import COMMON, ServiceModel
from monitor.model.sources import Source
from monitor.model.split import BLOCK, Role

_LIBRARIES = ("numpy", "numba", "scikit-learn", "pyarrow")


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """How to train; the defaults made models/default."""

    trees: int = 48
    """More change neither scores nor alarms by much, and each costs time with every flow."""
    samples: int = 2048
    """Flows that each tree sees, at most. Liu et al. found 256 enough; on real attacks 2,048 find half as many more."""
    seed: int = 1
    least_training: int = 256
    """A service class with fewer training flows has no forest of its own."""
    least_calibration: int = 200
    """Nor one with fewer calibration flows: half a per cent is the smallest p-value they can tell."""
    host_cap: int = 1000
    """Flows of one service that one host may contribute in one session."""
    training_share: float = 0.34
    """Share of each session, its beginning, that trains; half of the rest calibrates, half is held back."""
    folds: int = 5
    """With so many sessions, flows calibrate by forests that learnt nothing of their own session: see `_fit`."""
    reference_hosts: int = 0
    """Hosts of the network whose flows a day the card tells; 0: the network that was watched, as it is."""


def train(
    sources: Iterable[Source],
    settings: TrainSettings | None = None,
    *,
    alert_budget: float = DEFAULT_BUDGET,
    windows: Callable[[], Sequence[WindowSession]] | None = None,
) -> Model:
    """Train on the flows of the sources, each a session that is split by time on its own.

    The same flows and settings give the same model, byte for byte, whatever the order of the sources and the size of
    their batches. `windows` gives the windows of the sources' hosts once all have been read. Raises ValueError when
    there are too few flows.
    """
    chosen = settings or TrainSettings()
    flows = gather(sources, host_cap=chosen.host_cap, training_share=chosen.training_share)
    rows = scaled(flows.values)
    classes = _service_classes(flows, chosen)
    fitted = [_fit(name, flows, rows, members, chosen) for name, members in classes]
    models, scores = tuple(model for model, _ in fitted), np.full(len(flows.starts), np.nan, np.float32)
    for (_, members), (_, theirs) in zip(classes, fitted, strict=True):
        scores[members] = theirs[members]
    hosts = _fit_hosts(windows() if windows is not None else (), flows, chosen)
    arrays = pack(models, hosts[0] if hosts else None)
    card = _card(flows, scores, classes, models, chosen, hashlib.sha256(arrays).hexdigest())
    if hosts is None:
        return Model(models, card, alert_budget)
    return Model(models, card | {"host_windows": hosts[1]}, alert_budget, hosts[0])


def _fit_hosts(
    sessions: Sequence[WindowSession], flows: Gathered, settings: TrainSettings
) -> tuple[HostModel, dict[str, Any]] | None:
    """The forests over windows, their rate that of the reference network or of the watched one."""
    watched = max(budget.observed_days(flows.all_starts, flows.all_sessions), 1 / 86_400)
    reference = settings.reference_hosts
    return fit_hosts(
        sessions,
        trees=settings.trees,
        seed=settings.seed,
        folds=settings.folds,
        days=flows.host_days if reference else watched,
        hosts=reference or 1,
    )


Classes = Sequence[tuple[str, NDArray[np.bool_]]]
"""Name of each service class and which flows (n,) belong to it; the common one last."""


def _service_classes(flows: Gathered, settings: TrainSettings) -> Classes:
    """Services with enough flows for a forest of their own, and all other flows."""
    out: list[tuple[str, NDArray[np.bool_]]] = []
    rest = np.ones(len(flows.starts), np.bool_)
    for at, name in enumerate(flows.names):
        members = flows.services == at
        roles = np.bincount(flows.role[members], minlength=len(Role))
        if roles[Role.TRAINING] >= settings.least_training and roles[Role.CALIBRATION] >= settings.least_calibration:
            out.append((name, members))
            rest &= ~members
    return [*out, (COMMON, rest)]


def _fit(
    name: str, flows: Gathered, rows: NDArray[np.float32], members: NDArray[np.bool_], settings: TrainSettings
) -> tuple[ServiceModel, NDArray[np.float32]]:
    """Forest, calibration and usual values of one class, and the scores (n,) of the flows that did not train it.

    A common class of too few flows learns from all flows. With many sessions the forest is grown from all, but each
    session's later flows are scored by one that was grown without it (the jackknife+ of Barber, Candès, Ramdas,
    Tibshirani, Annals of Statistics 2021, by folds): p-values then hold for a network that was never seen, not just for
    later hours of the ones that were.
    """
    training, calibration = members & (flows.role == Role.TRAINING), members & (flows.role == Role.CALIBRATION)
    if name == COMMON and (training.sum() < settings.least_training or calibration.sum() < settings.least_calibration):
        training, calibration = flows.role == Role.TRAINING, flows.role == Role.CALIBRATION
    if training.sum() < 2 or calibration.sum() < 1:
        raise ValueError(
            f"too few flows to train on: {training.sum()} to learn from and {calibration.sum()} to calibrate with; "
            "give more or longer captures"
        )
    forest, _ = grow(rows[training], trees=settings.trees, samples=settings.samples, seed=settings.seed)
    scores = _later_scores(flows, rows, training, forest, settings)
    usual = flows.values[calibration]
    low, high = np.quantile(usual, [0.05, 0.95], axis=0).astype(np.float32)
    middle = np.median(rows[calibration], axis=0).astype(np.float32)
    spread = reference(rows[calibration])
    model = ServiceModel(name, forest, calibrate(scores[calibration]), middle, low, high, reference=spread)
    return model, scores


def _later_scores(
    flows: Gathered, rows: NDArray[np.float32], training: NDArray[np.bool_], forest: Forest, settings: TrainSettings
) -> NDArray[np.float32]:
    """Score of each flow (n,) that trains nothing; those that train have NaN."""
    later = flows.role != Role.TRAINING
    scores = np.full(len(rows), np.nan, np.float32)
    if len(flows.session_names) < settings.folds or settings.folds < 2:
        scores[later] = forest.scores_at(rows, np.flatnonzero(later))
        return scores
    digests = [hashlib.blake2b(name.encode(), digest_size=8).digest() for name in flows.session_names]
    fold = (np.argsort(np.argsort(digests)) % settings.folds)[flows.sessions]
    for one in range(settings.folds):
        learnt, told = training & (fold != one), later & (fold == one)
        if learnt.sum() >= 2:
            forest, _ = grow(rows[learnt], trees=settings.trees, samples=settings.samples, seed=settings.seed)
        scores[told] = forest.scores_at(rows, np.flatnonzero(told))
    return scores


def _flows_per_day(flows: Gathered, services: Iterable[str], settings: TrainSettings, days: float) -> float:
    """Flows of the services that the reference network makes a day, or the watched one made."""
    if settings.reference_hosts:
        return sum(flows.weighed[name] for name in services) / flows.host_days * settings.reference_hosts
    return sum(flows.totals[name] for name in services) / days


def _card(
    flows: Gathered,
    scores: NDArray[np.float32],
    classes: Classes,
    models: Sequence[ServiceModel],
    settings: TrainSettings,
    digest: str,
) -> dict[str, Any]:
    """Everything that a reader of the model should know, in JSON's types."""
    days = max(budget.observed_days(flows.all_starts, flows.all_sessions), 1 / 86_400)
    total = sum(flows.totals.values())
    last = int(flows.starts[flows.role == Role.TRAINING].max())
    return {
        "format": artefact.FORMAT,
        "model_version": f"{datetime.fromtimestamp(last / 1e6, UTC):%Y%m%d}-{digest[:8]}",
        "feature_version": FEATURE_VERSION,
        "features": list(FEATURE_NAMES),
        "classes": [model.name for model in models],
        "flows_per_day": round(_flows_per_day(flows, flows.names, settings, days), 1),
        "host_days": round(flows.host_days, 6),
        "observed_days": round(days, 6),
        "flows": total,
        "flows_after_cap": len(flows.starts),
        "sessions": len(flows.session_names),
        "training_window": _window(flows, Role.TRAINING),
        "calibration_window": _window(flows, Role.CALIBRATION),
        "split": (
            f"each session by time: first {settings.training_share:.0%} train, the rest is dealt out in blocks of "
            f"{BLOCK} flows to calibration and hold-back"
        ),
        "data_sha256": flows.digest(),
        "settings": asdict(settings),
        "services": {
            name: validation.service_figures(flows, members, model)
            | {"flows_per_day": round(_flows_per_day(flows, _names(flows, members), settings, days), 1)}
            for (name, members), model in zip(classes, models, strict=True)
        },
        "metrics": validation.figures(flows, scores, classes, models),
        "libraries": {"python": platform.python_version()}
        | {name: importlib.metadata.version(name) for name in _LIBRARIES},
    }


def _names(flows: Gathered, members: NDArray[np.bool_]) -> list[str]:
    return [flows.names[at] for at in np.unique(flows.services[members])]


def _window(flows: Gathered, role: Role) -> dict[str, str]:
    """First and last start of the flows of that role, ISO 8601."""
    starts = flows.starts[flows.role == role]
    ends = (int(starts.min()), int(starts.max())) if len(starts) else (0, 0)
    return {
        name: datetime.fromtimestamp(end / 1e6, UTC).isoformat(timespec="microseconds")
        for name, end in zip(("first", "last"), ends, strict=True)
    }

"""Puts a trained model in use, or the one before it: copies, the `current` pointer and a history of every change.

How a folder is read for the model in use is up to `registry`.
"""

from __future__ import annotations

import getpass
import json
import os
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from monitor.model import artefact
from monitor.model.artefact import CARD, ModelError
from monitor.model.registry import CURRENT, resolve

HISTORY = "history.jsonl"
"""One JSON object a change, only ever added to."""
KS_LIMIT = 0.1
"""Held-back p-values may lie this far from uniform (Kolmogorov-Smirnov), or as far as those of the model in use."""


def current_version(folder: Path) -> str:
    """Version in use in a folder of models; empty when none was promoted. Raises ModelError for a damaged pointer."""
    return resolve(folder).name if (folder / CURRENT).is_file() else ""


def held_model(candidate: str, folder: Path) -> Path:
    """Where a model lies: the version of that name in `folder`, else the folder of that path. Raises ModelError."""
    held = folder / candidate
    return held if Path(candidate).name == candidate and (held / CARD).is_file() else resolve(candidate)


def promote(
    candidate: str, folder: Path, *, reason: str = "", force: bool = False, figures: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Make a model (its folder, or a version that `folder` holds) the one in use; gives the line of the history.

    Checks the artefact's hash and feature version and, unless `force`, its card's calibration; runs no traffic.
    `figures` of such a run go into the history. Raises ModelError when it does not pass or is not there, OSError when
    the folder cannot be written.
    """
    source = held_model(candidate, folder)
    card, _ = artefact.read(source)
    version = str(card["model_version"])
    if Path(version).name != version or version in ("", ".", ".."):
        raise ModelError(f"{source / CARD}: model_version {version!r} cannot name a folder; train a new model")
    try:
        before = current_version(folder)
    except ModelError:
        if not force:
            raise
        before = ""
    if before == version:
        raise ModelError(f"{folder}: {version} is the model in use already")
    if not force:
        _check_calibration(source, card, folder / before if before else None)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / version
    if target.resolve() != source.resolve():
        _copy(source, target)
    return _switch(folder, "promote", before, version, reason, {"ks_distance": _distance(card), **(figures or {})})


def record_evaluation(folder: Path, evaluation: Mapping[str, Any]) -> None:
    """Put an evaluation table into the card of the model in `folder`; its arrays stay as they are.

    What the card's table has and `evaluation` has not, stays. Raises ModelError, OSError.
    """
    card, _ = artefact.read(folder)
    artefact.rewrite_card(folder, {**card, "evaluation": {**(card.get("evaluation") or {}), **evaluation}})


def roll_back(folder: Path, *, reason: str = "") -> dict[str, Any]:
    """Return to the model that was in use before the present one; gives the line of the history.

    Raises ModelError when there is none before, it is damaged, or the history is.
    """
    now, earlier = current_version(folder), ""
    for change in history(folder):
        if change["action"] == "promote" and change["to"] == now:
            earlier = change["from"]
    if not earlier:
        raise ModelError(f"{folder}: no model was in use before {now or 'this one'}; promote one")
    card, _ = artefact.read(folder / earlier)
    return _switch(folder, "rollback", now, earlier, reason, {"ks_distance": _distance(card)})


def history(folder: Path) -> list[dict[str, Any]]:
    """All changes, oldest first. Raises ModelError for a damaged line."""
    file = folder / HISTORY
    lines = file.read_text("utf-8").splitlines() if file.is_file() else []
    changes = []
    for number, line in enumerate(lines, 1):
        try:
            change = json.loads(line)
            names = [change[key] for key in ("action", "from", "to")]
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{file}:{number}: damaged; restore it, or promote a version by name") from error
        if any(not isinstance(name, str) or (name and Path(name).name != name) for name in names):
            raise ModelError(f"{file}:{number}: damaged; restore it, or promote a version by name")
        changes.append(change)
    return changes


def _check_calibration(source: Path, card: dict[str, Any], present: Path | None) -> None:
    limit, found = KS_LIMIT, _distance(card)
    if present is not None:
        limit = max(limit, _distance(artefact.read(present)[0]) or 0.0)
    if found is None or found > limit:
        raise ModelError(f"{source}: ks_distance is {found}, at most {limit} passes; train on more traffic, or --force")


def _distance(card: dict[str, Any]) -> float | None:
    metrics = card.get("metrics")
    found = metrics.get("ks_distance") if isinstance(metrics, dict) else None
    return float(found) if isinstance(found, (int, float)) else None


def _copy(source: Path, target: Path) -> None:
    """Aside, then renamed: a version's folder is whole or absent. One that is there already must be the same."""
    if target.exists():
        if artefact.read(target)[0]["arrays"] != artefact.read(source)[0]["arrays"]:
            raise ModelError(f"{target}: another model of the same version is here; remove it first")
        return
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        shutil.copytree(source, aside)
        aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _switch(folder: Path, action: str, old: str, new: str, reason: str, figures: Mapping[str, Any]) -> dict[str, Any]:
    change = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "action": action,
        "who": getpass.getuser(),
        "from": old,
        "to": new,
        "reason": reason,
        **figures,
    }
    with (folder / HISTORY).open("a", encoding="utf-8") as out:
        out.write(json.dumps(change, ensure_ascii=False) + "\n")
    artefact.replace(folder / CURRENT, f"{new}\n".encode())
    return change

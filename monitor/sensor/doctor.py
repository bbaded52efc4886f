"""`monitor doctor`: what is wrong with this sensor and how to mend it, before it listens or while it does.

The machine is looked at in `checks`; here are store, model and kernels, and the order.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from monitor.sensor import checks
from monitor.sensor.checks import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from monitor.config import Settings

OLD: Final = timedelta(days=90)
"""Age of a model's training data from which on it should be trained anew."""


def examine(settings: Settings) -> Iterator[Finding]:
    """Every check in turn; none raises for what it is there to find."""
    live = settings.live
    yield checks.privileges()
    if not live.interfaces:
        yield Finding("interface", "warning", "none is named", "give -i NAME, or live.interfaces in the settings")
    for name in live.interfaces:
        yield from checks.interface(name)
    yield checks.cores(live.workers)
    yield checks.clock()
    yield from _store(settings)
    yield _model(settings)
    yield _kernels()


def _store(settings: Settings) -> Iterator[Finding]:
    """Whether the store takes rows, and how much room is left for it and the spool."""
    from monitor.places import existing_store
    from monitor.sensor.heard import heard
    from monitor.store import StoreBusyError, StoreError, default_spool, embedded_folder

    try:
        folder = embedded_folder(settings.store.url)
    except ValueError as error:
        yield Finding("store", "failed", str(error), "correct store.url")
        return
    if folder is not None:
        yield checks.disk("store", folder)
    yield checks.disk("spool", settings.store.spool or default_spool())
    try:
        with existing_store(settings) as store:
            schema = store.schema
            if schema.ready:
                yield Finding("store", "ok", f"{store}, schema {schema.version}")
                yield from heard(store, settings.sensor)
            else:
                yield Finding("store", "warning", f"{store}: schema {schema.version}", "run `monitor db migrate`")
    except StoreBusyError as error:
        yield Finding("store", "ok", str(error).split(";")[0])  # by the sensor itself, as it should be
    except StoreError as error:
        first = folder is not None and not folder.exists()
        yield Finding("store", "ok" if first else "failed", "none yet; a first start makes it" if first else str(error))


def _model(settings: Settings) -> Finding:
    """Whether the model loads, and how old it is."""
    from monitor.model import ModelError
    from monitor.places import scoring_model

    try:
        model = scoring_model(settings)
    except ModelError as error:
        return Finding("model", "failed", str(error), "train one: `monitor train`")
    if model is None:
        return Finding("model", "warning", "none: flows are not scored", "set model.path")
    last = (model.card.get("training_window") or {}).get("last")
    if settings.model.path == "default":
        remedy = "train one on your own traffic when a week is stored: `monitor train`"
        return Finding("model", "warning", f"{model.version}, the packaged one", remedy)
    age = datetime.now(UTC) - datetime.fromisoformat(last) if last else timedelta(0)
    if age > OLD:
        return Finding("model", "warning", f"{model.version}, {age.days} days old", "train a new one: `monitor train`")
    return Finding("model", "ok", model.version)


def _kernels() -> Finding:
    """Whether compiled kernels can be kept: without that every start compiles for a minute."""
    import os

    from monitor.machine_code import kernels_folder

    folder = kernels_folder()
    place = folder
    while not place.exists():
        place = place.parent
    if os.access(place, os.W_OK):
        return Finding("kernels", "ok", f"kept in {folder}")
    return Finding("kernels", "warning", f"{place} cannot be written", "name a folder by MONITOR_CACHE_DIR")

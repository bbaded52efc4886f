"""Opens what the settings name: the store, the model, the port of the metrics; says so when that cannot be had.

What is done with them is up to `pipeline` and `recall`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.errors import InputError, UsageError

if TYPE_CHECKING:
    from monitor.alerts import Telemetry
    from monitor.config import Settings
    from monitor.model import Model
    from monitor.store import Store, Writer

NONE = "none"
"""Instead of a model's folder: flows are not scored."""
WIRE_DROPS = ("ring_full", "worker_died")
"""Reasons for dropped packets beside those of the decoder: only the wire knows them."""
ANOMALY = "anomaly"
"""Name of the detector beside the hunts: flows that the model finds strange."""


def ready_store(settings: Settings, *, threads: int = 0) -> Store:
    """The store of the settings, its tables made or renewed. Raises UsageError for a bad URL, StoreError.

    `threads` as for `open_store`.
    """
    return _open_store(settings, create=True, threads=threads)


def existing_store(settings: Settings) -> Store:
    """The store of the settings as it is. Raises UsageError for a bad URL, StoreError."""
    return _open_store(settings, create=False)


def spare_originals(captures: Sequence[str], output: str | Path | None) -> None:
    """Refuse a file to write that is one of the captures, or in a folder of them: the original is the evidence.

    Raises UsageError.
    """
    if output is None or str(output) == "-" or not Path(output).exists():
        return
    target = Path(output).resolve()
    for place in (Path(name).resolve() for name in captures):
        if target == place or (place.is_dir() and place in target.parents and _is_capture(target)):
            raise UsageError(f"{output}: would overwrite a capture that is read; write to another file")


def _is_capture(file: Path) -> bool:
    """Whether a search of its folder would take it: an older report or table there may be written anew."""
    from monitor.capture import CaptureError, first_packet_time

    try:
        first_packet_time(file)
    except ValueError as error:  # a damaged capture is one
        return not isinstance(error, CaptureError)
    return True


def evidence_folder(settings: Settings) -> Path:
    """Where packets are kept."""
    from monitor.store import default_spool

    return settings.evidence.folder or (settings.store.spool or default_spool()).with_name("evidence")


def live_writer(settings: Settings, store: Store | None = None) -> Writer:
    """What delivers live rows to `store`, else to the store of the settings as soon as it can be opened.

    An embedded store serves one opener: pass the one that is open. Raises StoreBusyError when another sensor has the
    spool, OSError when it cannot be used.
    """
    from monitor.store import Writer, default_spool

    given = settings.store
    return Writer(
        store if store is not None else lambda: ready_store(settings),
        given.spool or default_spool(),
        limit=given.spool_bytes,
        batch_rows=given.batch_rows,
        batch_seconds=given.batch_seconds,
    )


def _open_store(settings: Settings, *, create: bool, threads: int = 0) -> Store:
    from monitor.store import open_store

    try:
        return open_store(
            settings.store.url,
            create=create,
            password_file=settings.store.password_file,
            ca_file=settings.store.ca_file,
            batch_rows=settings.store.batch_rows,
            cluster=settings.store.cluster,
            threads=threads,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def models_in(folder: Path | None) -> list[dict[str, Any]]:
    """The models right below the folder (None: the packaged ones), each with its name, version and size.

    Raises InputError when the folder is none.
    """
    from monitor.model import ModelError, current_version, load

    root = folder or Path(__file__).resolve().parent.parent / "models"
    if not root.is_dir():
        raise InputError(f"{root}: not a folder of models")
    try:
        current = current_version(root)
    except ModelError as error:
        raise InputError(str(error)) from error
    rows = []
    for place in sorted(path for path in root.iterdir() if path.is_dir()):
        try:
            card = load(place).card
        except ModelError as error:
            rows.append({"name": place.name, "version": "", "flows": 0, "classes": "", "state": str(error)})
            continue
        classes = " ".join(card["classes"])
        rows.append(
            {
                "name": place.name,
                "version": card["model_version"],
                "flows": card.get("flows", 0),
                "classes": classes,
                "state": "in use" if place.name == current else "ready",
            }
        )
    return rows


def scoring_model(settings: Settings) -> Model | None:
    """The model of the settings; None when they say `none`. Raises ModelError."""
    if settings.model.path == NONE:
        return None
    from monitor.model import load

    return load(settings.model.path, alert_budget=settings.alert_budget)


@contextmanager
def serve_metrics(settings: Settings, *, wanted: bool) -> Iterator[Telemetry | None]:
    """The run's metrics, served within the context when a port is set or `wanted`. Raises OSError: no such port."""
    if not wanted and settings.metrics.port == 0:
        yield None
        return
    from monitor.alerts import Telemetry
    from monitor.detect import detector_titles
    from monitor.flows import DROPPED_REASONS, IGNORED_REASONS, SERVICE_NAMES

    titles = detector_titles()
    with Telemetry(
        settings.metrics,
        services=SERVICE_NAMES,
        detectors=list(titles),
        ignored=IGNORED_REASONS,
        dropped=(*DROPPED_REASONS, *WIRE_DROPS),
        titles=titles,
        alert_budget=settings.alert_budget,
        max_flows=settings.flows.max_flows,
    ) as telemetry:
        yield telemetry

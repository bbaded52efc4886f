"""Wires the stages: captures -> flow records -> files, or -> scores -> store -> incidents; it alone knows them all.

Reading and decoding, the flow table, and what takes the records (scoring and storing, or writing) each have a thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.background import Background
from monitor.reading import Account, Reading

if TYPE_CHECKING:
    import pyarrow as pa

    from monitor.alerts import Telemetry
    from monitor.config import Settings
    from monitor.model import Model
    from monitor.report import Progress, Summary
    from monitor.store import Store

AHEAD = 8
"""Batches of flow records that may wait for their consumer."""
NONE = "none"
"""Instead of a model's folder: flows are not scored."""


def write_flows(captures: Sequence[str], settings: Settings, *, output: str, format: str | None) -> Account:
    """Write the captures' flow records to `output` (`-`: stdout) in `format`, else that of its extension.

    Raises CaptureError, ValueError (unknown format), OSError (the file cannot be written; nothing is left of it).
    """
    from monitor.report import Progress

    def write(batches: Iterator[pa.RecordBatch]) -> None:
        from monitor.report import FlowFile, flow_format

        with FlowFile(output, flow_format(output, format)) as file:
            for batch in batches:
                file.write(batch)

    with Progress("flows") as progress:
        reading = Reading(captures, settings, progress)
        with Background(write, ahead=AHEAD, name="write") as writer:
            for batch in reading.records():
                writer.put(batch)
    return reading.account()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a replay found."""

    account: Account
    incidents: list[dict[str, Any]]
    """Fields of `--format json`."""
    summary: Summary
    run_id: str
    store: str
    """Where it is kept; `none` when it is not."""


def replay(
    captures: Sequence[str], settings: Settings, *, run_id: str | None = None, telemetry: Telemetry | None = None
) -> Outcome:
    """Score the captures' flows, store them as one run, and find incidents.

    Raises CaptureError, ModelError, StoreError, OSError; an earlier replay of the same name then stays as it was.
    """
    from monitor.report import Progress
    from monitor.store import default_run_id

    with Progress("replay") as progress:
        reading = Reading(captures, settings, progress)
        name = run_id or default_run_id(() if reading.live else reading.reader.files)
        keeper = _Keeper(settings, name, captures, progress, telemetry)
        with Background(keeper.keep, ahead=AHEAD, name="score and store") as background:
            for batch in reading.records():
                background.put(batch)
                if telemetry is not None:
                    telemetry.account(reading.account())
    account = reading.account()
    if telemetry is not None:
        telemetry.account(account)
    return Outcome(account, background.result, keeper.summary, name, keeper.store)


class _Keeper:
    """Scores, stores and judges the records of a run; all in one thread, beside those that make the records."""

    def __init__(
        self, settings: Settings, run_id: str, captures: Sequence[str], progress: Progress, telemetry: Telemetry | None
    ) -> None:
        from monitor.report import Summary

        self.summary = Summary()
        self.store = NONE
        self._settings = settings
        self._run_id = run_id
        self._sources = [Path(capture).name for capture in captures]
        self._progress = progress
        self._telemetry = telemetry

    def keep(self, batches: Iterator[pa.RecordBatch]) -> list[dict[str, Any]]:
        """Take the records as they come; at their end give the incidents, the earliest first."""
        from monitor.store import open_store

        settings = self._settings
        model = _model(settings)
        with open_store(settings.store.url, password_file=settings.store.password_file) as store:
            self.store = str(store)
            store.begin_run(
                self._run_id,
                sources=self._sources,
                sensor=settings.sensor,
                model_version=model.version if model else "",
            )
            for batch in batches:
                self._one(batch, model, store)
            self._progress.stage("hunting")
            store.publish_flows()
            incidents = _incidents(store, settings, self._run_id, model)
            store.insert_incidents(incidents)
        if self._telemetry is not None:
            self._telemetry.incidents(incidents)
        return incidents

    def _one(self, batch: pa.RecordBatch, model: Model | None, store: Store) -> None:
        scored = model.score(batch) if model else batch
        self.summary.add(scored)
        rows = store.insert_flows(scored)
        if self._telemetry is not None:
            self._telemetry.flows(scored, written=rows)


def _model(settings: Settings) -> Model | None:
    if settings.model.path == NONE:
        return None
    from monitor.model import load

    return load(settings.model.path, alert_budget=settings.alert_budget)


def _incidents(store: Store, settings: Settings, run_id: str, model: Model | None) -> list[dict[str, Any]]:
    from monitor.detect import find_incidents

    p_cut = model.p_cut(settings.alert_budget) if model else 0.0
    return find_incidents(store, run_id=run_id, p_cut=p_cut)

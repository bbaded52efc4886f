"""Wires the stages: captures -> flow records -> files, or -> scores -> store -> incidents; it alone knows them all.

Reading and decoding, the flow table, and what takes the records (scoring and storing, or writing) each have a thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from monitor import recall
from monitor.background import Background
from monitor.errors import UsageError
from monitor.judging import Watch
from monitor.lean import load_pyarrow
from monitor.measures import measures
from monitor.places import ready_store, scoring_model
from monitor.reading import Account, Reading, Span
from monitor.reporting import completed, gather

if TYPE_CHECKING:
    import pyarrow as pa

    from monitor.alerts import Telemetry
    from monitor.config import Settings
    from monitor.detect import Incident
    from monitor.model import Model
    from monitor.report import Facts, Progress, Summary
    from monitor.store import Store

AHEAD = 8
"""Batches of flow records that may wait for their consumer."""


def write_flows(captures: Sequence[str], settings: Settings, *, output: str, format: str | None) -> Account:
    """Write the captures' flow records to `output` (`-`: stdout) in `format`, else that of its extension.

    Raises CaptureError, UsageError (no format), OSError (the file cannot be written; nothing is left of it).
    """
    from monitor.report import Progress, flow_format

    try:
        chosen = flow_format(output, format)
    except ValueError as error:
        raise UsageError(str(error)) from error

    def write(batches: Iterator[pa.RecordBatch]) -> None:
        load_pyarrow()
        from monitor.report import FlowFile

        with FlowFile(output, chosen) as file:
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
    incidents: list[Incident]
    """The most severe first, those that wait for the alert budget among them."""
    suppressed: list[Incident]
    """Those that a suppression hides."""
    summary: Summary | None
    """None when it was not asked for."""
    run_id: str
    store: str
    """Where it is kept; `none` when it is not."""
    facts: Facts | None = None
    """What a report of it says; None when it was not asked for."""


def replay(
    captures: Sequence[str],
    settings: Settings,
    *,
    run_id: str | None = None,
    summarise: bool = False,
    telemetry: Telemetry | None = None,
    report: bool = False,
    span: Span | None = None,
) -> Outcome:
    """Score the captures' flows, store them as one run, find incidents, and sum up if asked to.

    At a pace of event time (`span.speed`) flows are stored and judged again and again meanwhile, as those of a sensor.
    Interrupted, it ends with what was read until then, and the run's state is `partial`.

    Raises CaptureError, ModelError, StoreError, OSError; an earlier replay of the same name then stays as it was.
    """
    from monitor.report import Progress
    from monitor.store import default_run_id

    with Progress("replay") as progress:
        reading = Reading(captures, settings, progress, span=span)
        name = run_id or default_run_id(() if reading.live else reading.reader.files)
        keeper = Keeper(settings, name, captures, progress, summarise, telemetry, report)
        keeper.paced, keeper.account = bool(span and span.speed), reading.account
        with Background(keeper.keep, ahead=AHEAD, name="score and store") as background:
            for batch in reading.records():
                background.put(batch)
                if telemetry is not None:
                    telemetry.account(reading.account())
            progress.stage("scoring and storing")
    account = reading.account()
    if telemetry is not None:
        telemetry.account(account)
    facts = keeper.facts and completed(keeper.facts, account, () if reading.live else reading.reader.files)
    return Outcome(account, background.result, keeper.suppressed, keeper.summary, name, keeper.store, facts)


class Keeper:
    """Scores, stores and judges the records of a run; all in one thread, beside those that make the records."""

    def __init__(
        self,
        settings: Settings,
        run_id: str,
        captures: Sequence[str],
        progress: Progress,
        summarise: bool,
        telemetry: Telemetry | None,
        report: bool,
    ) -> None:
        self.summary: Summary | None = None
        self.facts: Facts | None = None
        self._report = report
        self.store = ""
        self.suppressed: list[Incident] = []
        self.paced = False
        self.account: Callable[[], Account] = Account
        """What became of the packets so far."""
        self._settings = settings
        self._summarise = summarise
        self._run_id = run_id
        self._sources = [Path(capture).name for capture in captures]
        self._progress = progress
        self._telemetry = telemetry

    def keep(self, batches: Iterator[pa.RecordBatch]) -> list[Incident]:
        """Take the records as they come; at their end give the incidents, the most severe first."""
        settings = self._settings
        model = scoring_model(settings)
        if model is not None and self._telemetry is not None:
            self._telemetry.model(model)
        with ready_store(settings) as store:
            self.store = str(store)
            self._begin(store, model)
            watch = Watch(store, settings, self._run_id, model, self._telemetry)
            for batch in batches:
                self._one(batch, model, store)
                if self.paced:
                    watch.look()
            self._progress.stage("looking for incidents")
            docket = watch.end()
            account = self.account()
            if account.interrupted:
                store.mark_run("partial")
            store.measure(watch.ended or datetime.now(UTC), settings.sensor, measures(account))
            if self._telemetry is not None:
                self._telemetry.verdicts(recall.verdicts(store))
            if self._summarise:
                self.summary = recall.summary(store, self._run_id)
            self.suppressed = [incident for incident in docket.incidents if incident.state == "suppressed"]
            incidents = [incident for incident in docket.incidents if incident.state != "suppressed"]
            if self._report:
                self._progress.stage("writing the report")
                self.facts = gather(store, settings, self._run_id, incidents, model=model.card if model else None)
        return incidents

    def _begin(self, store: Store, model: Model | None) -> None:
        version = model.version if model else ""
        try:
            store.begin_run(self._run_id, sources=self._sources, sensor=self._settings.sensor, model_version=version)
        except ValueError as error:
            raise UsageError(str(error)) from error

    def _one(self, batch: pa.RecordBatch, model: Model | None, store: Store) -> None:
        scored = model.score(batch) if model else batch
        started = time.monotonic()
        rows = store.insert_flows(scored)
        if self._telemetry is not None:
            self._telemetry.flows(scored, written=rows, seconds=time.monotonic() - started)

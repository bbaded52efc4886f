"""Wires captures, flow files and the store to training, for `monitor train`; the pipeline's sister.

Each capture and each flow file is a session of its own: it is split by time for itself (see `monitor.model`). Which
flows of the store may be learnt from is up to `past_flows`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.errors import InputError
from monitor.host_windows import HostWindows
from monitor.ordinary_days import LastDay, stored_day
from monitor.reading import Account, Reading

if TYPE_CHECKING:
    import pyarrow as pa

    from monitor.config import Settings
    from monitor.model import Model, Source, TrainSettings
    from monitor.past_flows import Past
    from monitor.report import Progress


def learn(
    paths: Sequence[str],
    settings: Settings,
    *,
    output: str,
    training: TrainSettings | None = None,
    weights: Mapping[str, float] | None = None,
    tried: bool = True,
) -> tuple[Model, Account]:
    """Train a model on captures, flow files and folders of either, and write it to the folder `output`.

    `weights`, by file name: below 1 for traffic that no people make (`model.Source`). `tried`: on the last day of the
    captures, with canaries laid into it; the card tells how it fared.

    Raises CaptureError, InputError (a damaged flow file, too few flows), OSError; nothing is written then.
    """
    from monitor.capture import CaptureError
    from monitor.model import Source, train
    from monitor.report import Progress

    account, last = Account(), LastDay()
    try:
        with Progress("training") as progress:
            sources = (
                Source(source.session, source.batches, (weights or {}).get(Path(source.session).name, 1.0))
                for source in _sources(paths, settings, progress, account, last)
            )
            with HostWindows() as windows:
                model = train(
                    map(windows.watched, sources),
                    training,
                    alert_budget=settings.alert_budget,
                    windows=windows.sessions,
                )
    except CaptureError:
        raise
    except ValueError as error:
        raise InputError(str(error)) from error
    model = _evaluated(model, last.table() if tried else None, settings)
    model.save(output)
    return model, account


def learn_past(past: Past, settings: Settings, *, output: str) -> Model:
    """Train a model on flows of the settings' store, and write it to the folder `output`.

    The card says which flows were left out, and why.

    Raises InputError (no flows, too few), UsageError, StoreError, OSError; nothing is written then.
    """
    from monitor.model import TrainSettings, train
    from monitor.past_flows import PastFlows
    from monitor.places import existing_store
    from monitor.report import Progress

    with Progress("training") as progress, existing_store(settings) as store:
        flows = PastFlows(store, settings, past, progress)
        try:
            model = train(flows.sources(), alert_budget=settings.alert_budget, windows=flows.windows)
        except ValueError as error:
            raise InputError(str(error)) from error
        most, card = TrainSettings().host_cap, model.card
        over = {"why": f"over {most} a host and service", "detector": "", "incidents": 0}
        left_out = [*flows.left_out(), {**over, "flows": card["flows"] - card["flows_after_cap"]}]
        model = replace(model, card={**card, "store": past.told(), "left_out": left_out})
        day, one_in = stored_day(store, settings, run_id=past.runs[-1], until=past.until)
    model = _evaluated(model, day, settings, one_in)
    model.save(output)
    return model


def _evaluated(model: Model, day: pa.Table | None, settings: Settings, one_in: int = 1) -> Model:
    """The model, its card with the evaluation on that day, where there is one."""
    if day is None:
        return model
    from monitor.evaluation import try_on_day

    (evaluation,) = try_on_day(day, settings, [model], one_in=one_in)
    return replace(model, card={**model.card, "evaluation": evaluation})


def _sources(
    paths: Sequence[str], settings: Settings, progress: Progress, account: Account, last: LastDay
) -> Iterator[Source]:
    """A source a flow file and a capture, flow files first; `account` sums up what became of the captures."""
    from monitor.capture import CaptureError, open_captures
    from monitor.model import Source, flow_file

    flow_files = [file for path in paths for file in _flow_files(Path(path))]
    for session, file in _named(flow_files):
        yield Source(session, flow_file(file).batches)
    wanted = [path for path in paths if Path(path) not in flow_files]
    if not wanted and flow_files:
        return
    try:
        found = open_captures(wanted)
    except CaptureError:
        if flow_files and all(os.path.isdir(path) for path in wanted):
            return
        raise
    account.damage += found.damage
    account.notes += found.notes
    for session, file in _named([Path(name) for name in found.files]):
        reading = Reading([str(file)], settings, progress)
        yield Source(session, _seen(reading.records(), last))
        _add(account, reading.account())
        if account.interrupted:
            return


def _seen(batches: Iterator[pa.RecordBatch], last: LastDay) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        last.see(batch)
        yield batch


def _flow_files(path: Path) -> list[Path]:
    """The path itself, or what lies below it, as far as it holds flow records."""
    from monitor.model import flow_format

    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file() and flow_format(file) is not None)
    return [path] if path.is_file() and flow_format(path) is not None else []


def _named(files: Sequence[Path]) -> list[tuple[str, Path]]:
    """Each file with a name that tells it from the others and does not say where the folder of all lies."""
    if not files:
        return []
    common = Path(os.path.commonpath([file.absolute().parent for file in files]))
    return [(file.absolute().relative_to(common).as_posix(), file) for file in files]


def _add(total: Account, part: Account) -> None:
    total.packets += part.packets
    total.bytes += part.bytes
    total.decoded += part.decoded
    total.flows += part.flows
    total.evicted += part.evicted
    total.seconds += part.seconds
    total.damage += part.damage
    total.interrupted |= part.interrupted
    for sums, counts in ((total.ignored, part.ignored), (total.dropped, part.dropped)):
        for reason, count in counts.items():
            sums[reason] = sums.get(reason, 0) + count

"""Wires the logs of other sensors into the same way as captures: flow records -> scores -> store -> incidents."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.errors import InputError

if TYPE_CHECKING:
    from monitor.config import Settings
    from monitor.detect import Incident
    from monitor.report import Summary


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import brought."""

    flows: int
    skipped: int
    """Connections without an address, a time or a protocol that a flow can have."""
    damage: tuple[str, ...]
    incidents: list[Incident]
    summary: Summary | None
    run_id: str
    store: str


def import_zeek(place: Path, settings: Settings, *, run_id: str | None = None, summarise: bool = False) -> Imported:
    """Bring the Zeek logs in a folder into the store as one run, replacing what it had of that run; hunt in it.

    Raises InputError (no logs there), ModelError, StoreError, OSError.
    """
    from monitor.flows import Zones
    from monitor.pipeline import Keeper
    from monitor.report import Progress
    from monitor.store import default_run_id
    from monitor.zeek import LogError, ZeekFlows, logs_in

    try:
        logs = logs_in(place)
    except LogError as error:
        raise InputError(str(error)) from error
    zones = Zones(settings.zones, settings.home_networks)
    read = ZeekFlows(logs, zones, sensor=settings.sensor, keep_query=settings.flows.keep_query)
    name = run_id or default_run_id([log.path for log in logs])
    with Progress("import") as progress:
        keeper = Keeper(settings, name, [str(log.path) for log in logs], progress, summarise, None, False)
        incidents = keeper.keep(read.batches())
    return Imported(read.flows, read.skipped, tuple(read.damage), incidents, keeper.summary, name, keeper.store)

"""Commands about the packets behind a flow or an incident: carve, inspect. They parse, call and print, as in cli."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.options import Captures, Config, Form, Format, Since, Store, Until

if TYPE_CHECKING:
    from monitor.wanted import Wanted

DONE, DAMAGED = 0, 3
COMPLETE = "complete"
"""What the evidence ring says when it lost nothing of that time."""

FlowId = Annotated[list[str] | None, typer.Option("--flow", metavar="COMMUNITY_ID", help="Packets of this flow.")]
IncidentId = Annotated[
    str | None, typer.Option("--incident", metavar="ID", help="Packets of this incident of the store.")
]


def carve(
    output: Annotated[str, typer.Option("-o", "--output", help="pcapng file to write; - is stdout.")],
    captures: Annotated[
        list[str] | None,
        typer.Argument(metavar="CAPTURE", help="Captures, folders, - for stdin; none: the sensor's evidence ring."),
    ] = None,
    flow: FlowId = None,
    host: Annotated[
        list[str] | None, typer.Option("--host", metavar="ADDR", help="Packets of this address or network.")
    ] = None,
    peer: Annotated[
        str | None, typer.Option("--peer", metavar="ADDR", help="Of the host's packets those with this one.")
    ] = None,
    incident: IncidentId = None,
    since: Since = None,
    until: Until = None,
    filter: Annotated[str, typer.Option("--filter", help="Packet filter in tcpdump's words.")] = "",
    hash_inputs: Annotated[
        bool | None,
        typer.Option("--hash-inputs/--no-hash-inputs", help="SHA-256 of the captures, too; default: with --incident."),
    ] = None,
    store: Store = None,
    format: Format = Form.table,
    config: Config = None,
) -> None:
    """Cut packets out of captures or the evidence ring: of a flow, a host, an incident, a time, a filter."""
    from dataclasses import asdict

    from monitor.carving import carve, kept
    from monitor.report import print_facts, printable

    wanted = _wanted(flow, host, peer, incident, since, until, filter, store, config, output)
    status = ""
    if not captures:
        from monitor.config import load_settings

        captures, status = kept(load_settings(config), wanted)
    hashed = bool(incident) if hash_inputs is None else hash_inputs
    carved = carve(captures, wanted, output, status=status, hash_inputs=hashed)
    for line in (*carved.notes, *map(str, carved.damage)):
        print(f"monitor: {printable(line)}", file=sys.stderr)
    facts = {
        name: value
        for name, value in asdict(carved).items()
        if name not in ("damage", "notes", *(() if status else ("status",)))
    }
    if format is Form.table:
        facts["inputs"] = [f"{name}  {original}" for name, original in carved.inputs.items()]
    if output == "-":
        print(f"monitor: {carved.packets:,} of {carved.searched:,} packets", file=sys.stderr)
    else:
        print_facts(facts, format)
    raise typer.Exit(DAMAGED if carved.damage or status not in ("", COMPLETE) else DONE)


def inspect(
    captures: Captures,
    flow: FlowId = None,
    incident: IncidentId = None,
    keys: Annotated[Path | None, typer.Option("--keys", help="TLS key log file, to decrypt with.")] = None,
    packets: Annotated[int, typer.Option("--packets", min=1, help="Packets to dissect at most.")] = 200,
    tree: Annotated[bool, typer.Option("--tree", help="Show each packet's protocol tree.")] = False,
    store: Store = None,
    format: Format = Form.table,
    config: Config = None,
) -> None:
    """Look into a flow or an incident, packet by packet, with Wireshark's dissectors."""
    from monitor.config import load_settings
    from monitor.errors import UsageError
    from monitor.inspecting import inspect
    from monitor.report import printable, show_dissection

    if not (flow or incident):
        raise UsageError("say what to look into: --flow or --incident")
    wanted = _wanted(flow, None, None, incident, None, None, "", store, config, "inspect")
    found = inspect(captures, wanted, load_settings(config), keys=keys, most=packets)
    damage = show_dissection(found, format, tree=tree)
    for line in damage:
        print(f"monitor: {printable(line)}", file=sys.stderr)
    raise typer.Exit(DAMAGED if damage else DONE)


def _wanted(
    flow: list[str] | None,
    host: list[str] | None,
    peer: str | None,
    incident: str | None,
    since: datetime | None,
    until: datetime | None,
    expression: str,
    store: str | None,
    config: Config,
    output: str = "",
) -> Wanted:
    """The choice that the options make. Raises UsageError when they choose nothing or contradict each other."""
    from dataclasses import replace

    from monitor.errors import UsageError
    from monitor.wanted import Wanted, incident_packets

    if peer and not host:
        raise UsageError("--peer wants a --host: packets between the two")
    if incident and (flow or host):
        raise UsageError("--incident names its own flows and hosts; leave out --flow and --host")
    if not (flow or host or incident or since or until or expression):
        raise UsageError("say what to carve: --flow, --host, --incident, --since, --until or --filter")
    if not incident:
        ends = tuple((one, peer or "") for one in host or ())
        return Wanted(tuple(flow or ()), ends, since, until, expression)
    from monitor import access_log, recall
    from monitor.config import load_settings
    from monitor.places import existing_store

    with existing_store(load_settings(config, {"store.url": store})) as opened:
        chosen = incident_packets(recall.incident(opened, incident))
        access_log.note(opened, "carve", chosen.incident, output)
    return replace(chosen, since=since or chosen.since, until=until or chosen.until, expression=expression)

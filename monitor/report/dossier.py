"""One incident on the terminal, all that is known of it: story, reasons, flows, life, verdicts, and what to do next.

What is known is gathered in `monitor.handling`; lists of incidents are drawn in `incident_list`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import IO, Any

from rich.table import Table
from rich.text import Text

from monitor.report.incident_list import ARROW, ends, severity_text, short_name, span, title, titles
from monitor.report.terminal import byte_count, show, text

Row = Mapping[str, Any]


def draw_dossier(dossier: Row, file: IO[str] | None = None, *, store: str = "") -> None:
    """The page of an incident; `store` goes into the commands when it is not the default."""
    show(file, _head(dossier), _facts(dossier))
    story = dossier["story_incidents"]
    if len(story) > 1:
        _section(file, "Story", (_step(row, row["incident_id"] == dossier["incident_id"]) for row in story))
    _section(file, "Reasons", (text(reason) for reason in dossier["reasons"]), mark="•")
    shown = dossier["shown_flows"]
    many = f"Flows ({len(shown)} of {dossier['flows']:,})" if len(shown) < dossier["flows"] else "Flows"
    _section(file, many, (line for flow in shown for line in _flow(flow)))
    _section(file, "Life", map(_event, dossier["life"]))
    _section(file, "Verdicts", map(_verdict, dossier["verdicts"]))
    _section(file, "Not an attack", map(text, _harmless(dossier["detector"])), mark="•")
    _section(file, "Next", _next(dossier, store))


def _head(dossier: Row) -> Text:
    english, japanese = titles().get(dossier["detector"], (dossier["detector"], ""))
    other = english if title(dossier["detector"]) == japanese else japanese
    line = severity_text(dossier["severity"]).append("  ").append_text(text(title(dossier["detector"]), "bold"))
    return line.append_text(text(f"  {other}", "dim"))


def _facts(dossier: Row) -> Table:
    facts = {
        "what": ends({**dossier, "names": ()}),
        "when": text(f"{span(dossier['first_seen'], dossier['last_seen'])} UTC"),
        "state": text(
            dossier["state"] + (f", by suppression {dossier['suppression']}" if dossier["suppression"] else "")
        ),
        "stage": text(dossier["stage"]),
        "service": text(dossier["service"]),
        "names": text(", ".join(dossier["names"])),
        "ports": text(", ".join(map(str, dossier["ports"]))),
        "JA4": text(", ".join(dossier["ja4"])),
        "score": text(
            f"{dossier['score']:.4g}" + (f", p {dossier['p_value']:.1e}" if dossier["p_value"] is not None else "")
        ),
        "ATT&CK": text(" ".join(dossier["attack"])),
        "incident": text(dossier["incident_id"]),
        "run": text(" ".join([dossier["run_id"], *(f"({name})" for name in dossier["sources"])])),
    }
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        if value.plain:
            table.add_row(name, value)
    return table


def _section(file: IO[str] | None, name: str, lines: Iterable[Text], mark: str = "") -> None:
    """A heading and its lines, indented; nothing at all without lines."""
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for line in lines:
        table.add_row(f" {mark}", line)
    if table.row_count:
        show(file, "", text(name, "bold"), table)


def _step(row: Row, here: bool) -> Text:
    when = f"{row['first_seen']:%m-%d %H:%M:%S}" if isinstance(row["first_seen"], datetime) else row["first_seen"]
    gap = " " * (10 - len(row["severity"]))
    line = Text.assemble(text(f"{when}  ", "dim"), severity_text(row["severity"]), gap, text(row["stage"]), "  ")
    what = text(f"{row['detector']}{ARROW}{row['peer']}", "bold" if here else "")
    return line.append_text(what).append_text(text(f"  {row['incident_id'][:8]}", "dim"))


def _flow(flow: Row) -> list[Text]:
    both = ARROW.join((_end(flow["src_ip"], flow["src_port"]), _end(flow["dst_ip"], flow["dst_port"])))
    name = f" {short_name(flow['name'])}" if flow["name"] else ""
    when = f"{flow['start']:%H:%M:%S}.{flow['start'].microsecond // 1000:03}  "
    moved = (
        f"sent {byte_count(flow['src_bytes'])}, received {byte_count(flow['dst_bytes'])} in {_time(flow['duration'])}"
    )
    rest = " · ".join(filter(None, (moved, flow["state"], flow["community_id"])))
    return [
        Text.assemble(text(when, "dim"), text(both), "  ", text(f"{flow['service']}{name}")),
        text(f"  {rest}", "dim"),
    ]


def _time(seconds: float) -> str:
    for size, unit in ((3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.0f} µs"


def _end(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _event(event: Row) -> Text:
    said = "" if event["state"] == event["event"] else f", {event['state']}"
    line = text(f"{event['recorded']:%Y-%m-%d %H:%M:%S}  ", "dim").append_text(text(f"{event['event']}{said}, "))
    line.append_text(severity_text(event["severity"]))
    return line.append_text(text(f", {event['flows']:,} flow{'s' * (event['flows'] != 1)}, by {event['writer']}"))


def _verdict(given: Row) -> Text:
    note = f": {given['note']}" if given["note"] else ""
    line = text(f"{given['recorded']:%Y-%m-%d %H:%M:%S}  ", "dim").append_text(text(given["verdict"], "bold"))
    return line.append_text(text(f" by {given['owner']}{note}"))


def _harmless(detector: str) -> Sequence[str]:
    from monitor.detect import known_detectors

    hunt = known_detectors().get(detector)
    return hunt.false_positives if hunt else ()


def _next(dossier: Row, store: str) -> list[Text]:
    """Commands for a shell, every word quoted, and the runbook."""
    from monitor.detect import known_detectors

    name, where = dossier["incident_id"], ["--store", store] if store else []
    capture = "CAPTURE"
    scope = ["--detector", dossier["detector"], "--host", dossier["host"]]
    scope += ["--peer", dossier["peer"]] if dossier["peer"] else []
    commands = [
        ["monitor", "inspect", capture, "--incident", name],
        ["monitor", "carve", capture, "--incident", name, "-o", f"{name}.pcapng"],
        ["monitor", "incidents", "list", "--host", dossier["host"]],
        ["monitor", "incidents", "verdict", name, "VERDICT", "--note", "WHY"],
        ["monitor", "incidents", "suppress", *scope, "--expires", "30d", "--reason", "WHY", "--dry-run"],
    ]
    lines = [text(shlex.join([*command, *where])) for command in commands]
    hunt = known_detectors().get(dossier["detector"])
    return [*lines, *([text(f"runbook: {hunt.runbook}")] if hunt else [])]

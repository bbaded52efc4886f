"""The commands of the sensor: `live` on the wire, `doctor` for its health; each parses, calls and prints."""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.options import Config, Form, Format, Model, Store

if TYPE_CHECKING:
    from monitor.config import Settings
    from monitor.detect import Event


def live(
    interfaces: Annotated[
        list[str] | None, typer.Option("-i", "--interface", metavar="IFACE", help="Interface to listen to; repeatable.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, max=64, help="Processes that share the packets.")
    ] = None,
    filter: Annotated[
        str | None, typer.Option("--filter", metavar="EXPRESSION", help="Packets to take, as in pcap-filter(7).")
    ] = None,
    promiscuous: Annotated[
        bool | None, typer.Option("--promiscuous/--no-promiscuous", help="Take frames for others too; default: yes.")
    ] = None,
    store: Store = None,
    model: Model = None,
    config: Config = None,
    format: Format = Form.table,
    metrics_port: Annotated[
        int | None, typer.Option("--metrics-port", min=0, max=65535, help="Serve Prometheus metrics here; 0: any port.")
    ] = None,
) -> None:
    """Listen on interfaces until SIGTERM: score, store, hunt; print incidents as they open. SIGHUP: reload settings."""
    from monitor.config import load_settings
    from monitor.report import balance_line, fates_line, health_lines, print_incidents
    from monitor.sensor import run

    options: dict[str, Any] = {
        "live.interfaces": tuple(interfaces) if interfaces else None,
        "live.workers": workers,
        "live.filter": filter,
        "live.promiscuous": promiscuous,
        "store.url": store,
        "model.path": model,
        "metrics.port": metrics_port,
    }

    def settings() -> Settings:
        return load_settings(config, options)

    def told(event: Event) -> None:
        incident = event.incident
        if event.kind == "opened" and incident.state == "open" and format is Form.json:
            print_incidents([incident], format)
            sys.stdout.flush()
        elif incident.state in ("open", "closed"):
            what = f"{incident.severity} {incident.detector} {incident.host} {incident.peer}"
            _say(f"incident {event.kind}: {incident.incident_id} {what}")

    account = run(settings(), reload=settings, say=_say, told=told, serve=metrics_port is not None)
    _say(balance_line(account))
    if account.fates is not None:
        _say(fates_line(account, account.fates))
    for line in health_lines(account):
        _say(line)


def doctor(
    interfaces: Annotated[
        list[str] | None, typer.Option("-i", "--interface", metavar="IFACE", help="Interface to look at; repeatable.")
    ] = None,
    store: Store = None,
    model: Model = None,
    config: Config = None,
    format: Format = Form.table,
) -> None:
    """Say what is wrong with this sensor and how to mend it. Exit status 1: something that it cannot work with."""
    from monitor.config import load_settings
    from monitor.report import print_rows
    from monitor.sensor import examine

    options: dict[str, Any] = {
        "live.interfaces": tuple(interfaces) if interfaces else None,
        "store.url": store,
        "model.path": model,
    }
    findings = list(examine(load_settings(config, options)))
    print_rows("Checks", [asdict(finding) for finding in findings], format)
    raise typer.Exit(1 if any(finding.state == "failed" for finding in findings) else 0)


def _say(line: str) -> None:
    """A line of the log, with the wall clock."""
    from monitor.report import printable

    with contextlib.suppress(OSError):  # a log on a full disk must not end the sensor
        print(f"monitor: {time.strftime('%Y-%m-%dT%H:%M:%S%z')} {printable(line)}", file=sys.stderr, flush=True)

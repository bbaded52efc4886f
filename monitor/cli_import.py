"""Commands that take in what other sensors logged. Each parses, calls and prints, as in cli."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monitor.options import Config, Form, Format, Store

import_app = typer.Typer(help="Take in the logs of other sensors.", no_args_is_help=True)


@import_app.callback()
def _root() -> None:
    """Take in the logs of other sensors."""


@import_app.command()
def zeek(
    place: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of Zeek's logs, or one conn.log.")],
    store: Store = None,
    model: Annotated[
        str, typer.Option("--model", help="Folder of a model that was trained on such flows; none scores nothing.")
    ] = "none",
    config: Config = None,
    run_id: Annotated[
        str | None, typer.Option("--run-id", help="Name of the run; default: a hash of the files.")
    ] = None,
    format: Format = Form.table,
) -> None:
    """Read conn, dns, ssl, http and quic logs of Zeek (TSV or JSON, plain or gzip), store them as a run, and hunt."""
    from monitor.config import load_settings
    from monitor.importing import import_zeek
    from monitor.report import draw_summary, print_incidents, printable

    settings = load_settings(config, {"store.url": store, "model.path": model})
    found = import_zeek(place, settings, run_id=run_id, summarise=format is Form.table)
    print_incidents(found.incidents, format, budget=f"{settings.alert_budget:g}")
    if found.summary is not None:
        draw_summary(found.summary, {}, {})
    for damage in found.damage:
        typer.echo(printable(f"monitor: {damage}"), err=True)
    kept = f"run {found.run_id}, store {found.store}"
    typer.echo(printable(f"monitor: {found.flows:,} flows, {found.skipped:,} lines skipped; {kept}"), err=True)
    raise typer.Exit(3 if found.damage or found.skipped else 0)

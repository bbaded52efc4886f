"""The `monitor` command: one function a command, which parses, calls and prints. What is done is in `monitor.pipeline`.

Those that have commands of their own are in `cli_groups` and `cli_incidents`. Exit status: 0 done, 1
failed, 2 wrong usage or configuration, 3 done but the input was damaged, 130 interrupted.
Imports are inside the functions: `monitor --help` must not wait for what it does not need.
"""

from __future__ import annotations

import gc
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from monitor import __version__
from monitor.cli_groups import config_app, db_app
from monitor.cli_import import import_app
from monitor.cli_incidents import incidents_app
from monitor.cli_model import evaluate, model_app, train
from monitor.cli_packets import carve, inspect
from monitor.cli_report import report
from monitor.cli_sensor import doctor, live
from monitor.closing import FAILED, INTERRUPTED, MISUSED, close, say
from monitor.options import (
    TIMES,
    Captures,
    Config,
    FlowForm,
    Form,
    Format,
    Lang,
    Language,
    Model,
    RunId,
    Since,
    Speed,
    Store,
    Until,
)

_FEW_COLLECTIONS = 50_000
"""Objects after which Python looks for cycles among the new ones: at its own 700 that takes a fifth of our start."""

app = typer.Typer(
    name="monitor",
    help="Monitor of unauthorised communications on a municipality's Internet segment.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"monitor {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Monitor of unauthorised communications on a municipality's Internet segment."""


@app.command()
def replay(
    captures: Captures,
    store: Store = None,
    model: Model = None,
    config: Config = None,
    run_id: Annotated[
        str | None, typer.Option("--run-id", help="Name of the run; default: a hash of the files.")
    ] = None,
    format: Format = Form.table,
    metrics_port: Annotated[
        int | None, typer.Option("--metrics-port", min=0, max=65535, help="Serve Prometheus metrics here; 0: any port.")
    ] = None,
    metrics_hold: Annotated[
        float | None, typer.Option("--metrics-hold", min=0, help="Seconds to go on serving them after the end.")
    ] = None,
    report: Annotated[Path | None, typer.Option("--report", help="HTML report to write.")] = None,
    lang: Language = Lang.en,
    speed: Annotated[Speed, typer.Option("--speed", help="Pace of event time; max: as fast as it goes.")] = Speed.max,
    since: Since = None,
    until: Until = None,
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", formats=TIMES, help="As if it were this time (UTC): nothing later counts."),
    ] = None,
    compare: Annotated[
        str | None, typer.Option("--compare", metavar="MODEL", help="Show what another model would add or lose.")
    ] = None,
) -> None:
    """Score captures, store them, hunt; print the incidents."""
    from monitor.comparing import compare_models
    from monitor.config import load_settings
    from monitor.errors import UsageError
    from monitor.pipeline import replay
    from monitor.places import serve_metrics, spare_originals
    from monitor.reading import Span
    from monitor.report import (
        draw_summary,
        print_comparison,
        print_incidents,
        printable,
        traffic_report,
        write_page,
    )

    if as_of is not None and until is not None and until > as_of:
        raise UsageError("--until is later than --as-of")
    spare_originals(captures, report)
    span = Span(since, until or as_of, speed.factor)
    options = {"store.url": store, "model.path": model, "metrics.port": metrics_port, "metrics.hold": metrics_hold}
    settings = load_settings(config, options)
    with serve_metrics(settings, wanted=metrics_port is not None) as telemetry:
        if telemetry is not None:
            say(f"metrics: http://{telemetry.exporter.address}:{telemetry.exporter.port}/metrics")
        outcome = replay(
            captures,
            settings,
            run_id=run_id,
            summarise=format is Form.table,
            telemetry=telemetry,
            report=report is not None,
            span=span,
        )
        print_incidents(outcome.incidents, format, budget=f"{settings.alert_budget:g}")
        if compare is not None:
            changes = compare_models(captures, settings, compare, outcome.incidents, span=span)
            print_comparison(changes, compare, format)
        if outcome.summary is not None:
            draw_summary(outcome.summary, outcome.account.ignored, outcome.account.dropped)
        if outcome.suppressed:
            say(f"{len(outcome.suppressed)} more suppressed: monitor incidents list --state suppressed")
        status = close(outcome.account, kept=f"run {outcome.run_id}, store {outcome.store}")
        if report is not None and outcome.facts is not None:
            write_page(report, traffic_report(outcome.facts, language=lang.value))
            say(printable(f"report {report}"))
        if telemetry is not None:
            sys.stdout.flush()
            telemetry.hold()
    raise typer.Exit(status)


@app.command()
def flows(
    captures: Captures,
    format: Annotated[
        FlowForm | None, typer.Option("--format", help="Default: as the file's extension says; for stdout jsonl.")
    ] = None,
    output: Annotated[str, typer.Option("-o", "--output", help="File to write; - is stdout.")] = "-",
    config: Config = None,
) -> None:
    """Write the flow records of captures."""
    from monitor.config import load_settings
    from monitor.pipeline import write_flows
    from monitor.places import spare_originals

    spare_originals(captures, output)
    account = write_flows(captures, load_settings(config), output=output, format=format)
    raise typer.Exit(close(account))


@app.command()
def hunt(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Hunts to run; default: all.")] = None,
    store: Store = None,
    run_id: RunId = "",
    since: Since = None,
    until: Until = None,
    watch: Annotated[bool, typer.Option("--watch", help="Look again and again; print what is new.")] = False,
    every: Annotated[float, typer.Option("--every", min=0.1, help="Seconds between looks of --watch.")] = 60.0,
    format: Format = Form.table,
    config: Config = None,
) -> None:
    """Run hunts over the store; print what they find."""
    from monitor.config import load_settings
    from monitor.hunting import Hunter
    from monitor.report import print_incidents

    hunter = Hunter(load_settings(config, {"store.url": store}), names or (), run_id or "")
    if not watch:
        print_incidents(hunter.once(since, until), format)
        return
    try:
        for number, fresh in enumerate(hunter.watch(since, until, every=every)):
            if fresh or not number:
                print_incidents(fresh, format)
                sys.stdout.flush()
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


app.command()(train)
app.command()(evaluate)
app.command()(carve)
app.command()(inspect)
app.command(name="report")(report)
app.command()(live)
app.command()(doctor)

for group, name in (
    (model_app, "model"),
    (incidents_app, "incidents"),
    (import_app, "import"),
    (db_app, "db"),
    (config_app, "config"),
):
    app.add_typer(group, name=name)


def _misuse() -> tuple[type[Exception], ...]:
    """Errors of the command line and the settings; loaded only once an error is on its way."""
    from monitor.config import ConfigError
    from monitor.errors import UsageError

    return ConfigError, UsageError


def _failures() -> tuple[type[Exception], ...]:
    """Errors of the input and the surroundings; whatever else is raised is a mistake of ours and shows where."""
    from monitor.capture import CaptureError
    from monitor.detect import HuntError
    from monitor.errors import InputError
    from monitor.model import ModelError

    return CaptureError, ModelError, HuntError, InputError, OSError


def main() -> None:
    """Entry point: runs the command and turns errors that a user can mend into lines on stderr."""
    from monitor.report import printable

    gc.set_threshold(_FEW_COLLECTIONS)
    try:
        app()
    except SystemExit:
        raise  # before the clauses below, which load what they name
    except _misuse() as error:
        for line in str(error).splitlines():
            say(printable(line))
        sys.exit(MISUSED)
    except _failures() as error:
        say(printable(_one_line(error)))
        sys.exit(FAILED)


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    return str(error)

"""The commands from packets to incidents: replay, flows, hunt. They parse, call and print, as in cli."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from monitor.closing import INTERRUPTED, close, say
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

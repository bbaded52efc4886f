"""Commands about incidents: list, show, watch, suppress, verdict … Each parses, calls and prints, as in cli."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.options import Config, Form, Format, RunId, Severity, Since, State, Store, Until, Verdict

if TYPE_CHECKING:
    from monitor.config import Settings

DONE, FAILED, INTERRUPTED = 0, 1, 130

incidents_app = typer.Typer(
    help="Incidents in the store: list, show, judge, hide what is harmless.", no_args_is_help=True
)

IncidentId = Annotated[str, typer.Argument(metavar="ID", help="Incident id, or how it begins.")]
Detector = Annotated[str | None, typer.Option("--detector", help="Only those of this detector.")]
Owner = Annotated[str, typer.Option("--owner", help="Who answers for it; default: you.")]


def _settings(config: object, store: str | None) -> Settings:
    from monitor.config import load_settings

    return load_settings(config, {"store.url": store})  # type: ignore[arg-type]


@incidents_app.command("list")
def list_incidents(
    store: Store = None,
    run_id: RunId = None,
    severity: Annotated[Severity | None, typer.Option("--severity", help="Only those of this severity.")] = None,
    detector: Detector = None,
    host: Annotated[str | None, typer.Option("--host", help="Only those with this host or peer.")] = None,
    since: Since = None,
    until: Until = None,
    state: Annotated[
        list[State] | None, typer.Option("--state", help="Only in this state; may repeat. Default: all but suppressed.")
    ] = None,
    brief: Annotated[bool, typer.Option("--brief", help="A line an incident.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="At most so many.")] = 100,
    format: Format = Form.table,
    config: Config = None,
) -> None:
    """List the incidents in the store, the most severe first."""
    from monitor import access_log, recall
    from monitor.judging import suppressions
    from monitor.places import existing_store
    from monitor.report import print_incidents

    settings = _settings(config, store)
    chosen = {"run": run_id, "severity": severity, "detector": detector, "host": host, "since": since, "until": until}
    with existing_store(settings) as opened:
        access_log.queried(opened, "incidents", " ".join(f"{name}={value}" for name, value in chosen.items() if value))
        found = recall.incidents(
            opened,
            run_id=run_id,
            severity=severity,
            detector=detector,
            host=host,
            since=since,
            until=until,
            states=tuple(state) if state else recall.SHOWN,
            suppressions=suppressions(opened, settings),
            limit=limit,
        )
    print_incidents(found, format, brief=brief)


@incidents_app.command("show")
def show_incident(
    incident_id: IncidentId, store: Store = None, format: Format = Form.table, config: Config = None
) -> None:
    """Show one incident in full: its story, reasons and flows, and what to do next."""
    from monitor import access_log
    from monitor.handling import dossier
    from monitor.judging import suppressions
    from monitor.places import existing_store
    from monitor.report import print_dossier

    settings = _settings(config, store)
    with existing_store(settings) as opened:
        found = dossier(opened, incident_id, suppressions(opened, settings))
        access_log.queried(opened, "incident", incident_id)
    print_dossier(found, format, store=store or "")


@incidents_app.command("watch")
def watch_incidents(
    store: Store = None,
    run_id: RunId = "",
    every: Annotated[float, typer.Option("--every", min=0.1, help="Seconds between looks at the store.")] = 5.0,
    format: Format = Form.table,
    config: Config = None,
) -> None:
    """Follow what becomes of incidents, a line an event, until interrupted. A sensor's store must be a server."""
    import time

    from monitor import access_log
    from monitor.judging import News, suppressions
    from monitor.places import existing_store
    from monitor.report import print_news

    settings = _settings(config, store)
    try:
        with existing_store(settings) as opened:
            access_log.queried(opened, "incidents", "watch")
            news = News(opened, run_id or "")
            while True:
                print_news(news.since_last(suppressions(opened, settings)), format)
                sys.stdout.flush()
                time.sleep(every)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


@incidents_app.command()
def suppress(
    expires: Annotated[str, typer.Option("--expires", help="Until when: 30d, 12h, or 2026-12-31 (UTC).")],
    reason: Annotated[str, typer.Option("--reason", help="Why it may be hidden.")],
    detector: Annotated[str, typer.Option("--detector", help="Of this detector.")] = "",
    host: Annotated[str, typer.Option("--host", help="With this host, or one of this network.")] = "",
    peer: Annotated[str, typer.Option("--peer", help="With this peer, or one of this network.")] = "",
    name: Annotated[str, typer.Option("--name", help="All of whose names are this domain or below it.")] = "",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="All of whose flows go to this port.")] = 0,
    ja4: Annotated[str, typer.Option("--ja4", help="All of whose clients have this JA4.")] = "",
    owner: Owner = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would have hidden.")] = False,
    days: Annotated[float, typer.Option("--days", min=0.01, help="How far back a dry run looks.")] = 30.0,
    store: Store = None,
    format: Format = Form.table,
    config: Config = None,
) -> None:
    """Hide incidents that are known to be harmless, until a date. All that is given must hold."""
    from monitor import access_log, handling
    from monitor.places import existing_store
    from monitor.report import print_incidents

    wanted = handling.new_suppression(
        detector=detector, host=host, peer=peer, name=name, port=port, ja4=ja4,
        expires=handling.expiry(expires), reason=reason, owner=owner,
    )  # fmt: skip
    with existing_store(_settings(config, store)) as opened:
        if dry_run:
            hidden = handling.would_hide(opened, wanted, days=days)
            print_incidents(hidden, format, brief=True)
            _say(f"would have hidden {handling.counted(len(hidden), 'incident')} in {days:g} days; nothing is changed")
            return
        count = handling.suppress(opened, wanted)
        access_log.note(opened, "suppress", wanted.suppression_id, f"{handling.scope_text(wanted)}: {reason}")
    hides = f"hides {handling.counted(count, 'incident')} until {wanted.expires:%Y-%m-%d %H:%M} UTC"
    _say(f"suppression {wanted.suppression_id} ({handling.scope_text(wanted)}) {hides}")


@incidents_app.command("suppressions")
def list_suppressions(store: Store = None, format: Format = Form.table, config: Config = None) -> None:
    """List the suppressions: what they hide, until when, who answers for them."""
    from monitor import handling
    from monitor.judging import suppressions
    from monitor.places import existing_store
    from monitor.report import print_rows

    settings = _settings(config, store)
    with existing_store(settings) as opened:
        rows = handling.suppressions_listed(opened, suppressions(opened, settings))
    print_rows("Suppressions", rows, format, otherwise="No suppressions.")


@incidents_app.command()
def unsuppress(
    suppression_id: Annotated[str, typer.Argument(metavar="ID", help="Suppression id, or how it begins.")],
    store: Store = None,
    config: Config = None,
) -> None:
    """End a suppression early; what it hid is shown again."""
    from monitor import access_log, handling
    from monitor.places import existing_store

    with existing_store(_settings(config, store)) as opened:
        ended, shown = handling.end_suppression(opened, suppression_id)
        access_log.note(opened, "suppress", ended.suppression_id, f"ended: {handling.scope_text(ended)}")
    _say(f"suppression {ended.suppression_id} is ended; {handling.counted(shown, 'incident')} shown again")


@incidents_app.command()
def verdict(
    incident_id: IncidentId,
    verdict: Annotated[
        Verdict, typer.Argument(help="true: an attack; false: nothing; benign: what it says, but harmless.")
    ],
    note: Annotated[str, typer.Option("--note", help="Why.")] = "",
    owner: Owner = "",
    store: Store = None,
    config: Config = None,
) -> None:
    """Say what an incident turned out to be; the latest verdict counts."""
    from monitor import access_log, handling
    from monitor.places import existing_store

    with existing_store(_settings(config, store)) as opened:
        given = handling.give_verdict(opened, incident_id, verdict, note=note, owner=owner)
        access_log.note(opened, "verdict", given["incident_id"], f"{given['verdict']}: {note}")
    _say(f"incident {given['incident_id']} ({given['detector']}): {given['verdict']}, by {given['owner']}")


@incidents_app.command()
def stats(store: Store = None, format: Format = Form.table, config: Config = None) -> None:
    """Incidents, verdicts and the share of false ones, by detector."""
    from monitor import handling
    from monitor.judging import suppressions
    from monitor.places import existing_store
    from monitor.report import print_rows

    settings = _settings(config, store)
    with existing_store(settings) as opened:
        rows = handling.stats(opened, suppressions(opened, settings))
    print_rows("Incidents by detector", rows, format, otherwise="No incidents.", shares=("false_rate", "nuisance_rate"))


@incidents_app.command()
def verify(
    head: Annotated[str, typer.Option("--head", help="The log must still hold an event with this hash.")] = "",
    store: Store = None,
    format: Format = Form.table,
    config: Config = None,
) -> None:
    """Prove that nobody changed the incident log; exit status 1 when somebody did. Note the heads elsewhere."""
    from monitor import handling
    from monitor.places import existing_store
    from monitor.report import print_rows

    settings = _settings(config, store)
    with existing_store(settings) as opened:
        chains, flaws = handling.verify(opened, head, kept_days=settings.store.retention.incidents)
    print_rows("Chains of the incident log", chains, format, otherwise="The incident log is empty.")
    for flaw in flaws:
        _say(flaw)
    if not flaws:
        _say(f"{handling.counted(sum(chain['events'] for chain in chains), 'event')}: no event was changed")
    raise typer.Exit(FAILED if flaws else DONE)


def _say(line: str) -> None:
    from monitor.report import printable

    print(f"monitor: {printable(line)}", file=sys.stderr)

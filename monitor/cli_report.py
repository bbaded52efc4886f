"""The command that makes reports from the store: of a month for the auditor, of an incident for whoever asks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from monitor.options import Config, Lang, Language, Store


def report(
    output: Annotated[Path, typer.Option("-o", "--output", help="HTML file to write.")],
    month: Annotated[str, typer.Option("--month", help="Audit report of this month, such as 2026-11.")] = "",
    incident: Annotated[str, typer.Option("--incident", metavar="ID", help="Report of this incident.")] = "",
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Folder for the audit report's tables as CSV files.")
    ] = None,
    run_id: Annotated[str, typer.Option("--run-id", help="Of this replay; default: live traffic.")] = "",
    lang: Language = Lang.en,
    store: Store = None,
    config: Config = None,
) -> None:
    """Make a report from the store: of a month, or of an incident."""
    from monitor import access_log, auditing, recall
    from monitor.config import load_settings
    from monitor.errors import UsageError
    from monitor.places import existing_store
    from monitor.report import audit_report, audit_tables, printable, traffic_report, write_page
    from monitor.reporting import gather

    if bool(month) == bool(incident):
        raise UsageError("say which report: --month 2026-11, or --incident ID")
    if csv is not None and not month:
        raise UsageError("--csv goes with --month")
    settings = load_settings(config, {"store.url": store})
    with existing_store(settings) as opened:
        if month:
            found = auditing.audit(opened, month, run_id=run_id)
            for run in auditing.only_replays(opened, found):
                print(
                    printable(f"monitor: no live traffic in {month}; for that of a replay: --run-id {run}"),
                    file=sys.stderr,
                )
            write_page(output, audit_report(found, language=lang.value))
            for name, text in audit_tables(found, language=lang.value).items() if csv is not None else ():
                _write(csv or Path(), name, text, "utf-8-sig" if lang is Lang.ja else "utf-8")
        else:
            one = recall.incident(opened, incident)
            facts = gather(opened, settings, one["run_id"], [one])
            write_page(output, traffic_report(facts, language=lang.value))
        access_log.note(opened, "report", month or incident, str(output))
        if csv is not None:
            access_log.note(opened, "export", month, str(csv))
    print(printable(f"monitor: report {output}"), file=sys.stderr)


def _write(folder: Path, name: str, text: str, encoding: str) -> None:
    """Write a table; with a byte order mark (utf-8-sig) Excel takes Japanese for what it is."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding=encoding, newline="")

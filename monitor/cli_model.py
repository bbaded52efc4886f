"""The commands about models: train, evaluate, and `model` with its own; each parses, calls and prints, as in cli."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monitor.closing import close, say
from monitor.options import Config, Form, Format, Model, RunId, Since, Store, Until

model_app = typer.Typer(help="List, show and compare models, put one in use.", no_args_is_help=True)


def train(
    output: Annotated[str, typer.Option("-o", "--output", help="Folder for the model.")],
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="SOURCE", help="Captures, flow files, folders of either; none: the store."),
    ] = None,
    store: Store = None,
    run_ids: Annotated[
        list[str] | None, typer.Option("--run-id", help="Replays in the store to learn from; default: live traffic.")
    ] = None,
    since: Since = None,
    until: Until = None,
    format: Format = Form.table,
    config: Config = None,
) -> None:
    """Train a model on captures or flow files, or on flows of the store that belong to no open or true incident."""
    from monitor.config import load_settings
    from monitor.errors import UsageError
    from monitor.learning import learn, learn_past
    from monitor.past_flows import Past
    from monitor.report import print_card

    if not sources:
        past = Past(tuple(run_ids or ("",)), since, until)
        learnt = learn_past(past, load_settings(config, {"store.url": store}), output=output)
        print_card(learnt.card, format)
        say(f"model in {output}")
        return
    if store is not None or run_ids or since or until:
        raise UsageError("train on files or on the store: --store, --run-id, --since and --until go without a SOURCE")
    model, account = learn(sources, load_settings(config), output=output)
    print_card(model.card, format)
    raise typer.Exit(close(account, kept=f"model in {output}"))


def evaluate(
    labels: Annotated[Path, typer.Option("--labels", help="YAML file: captures and the attacks in them.")],
    model: Model = None,
    seeds: Annotated[int, typer.Option("--seeds", min=0, help="Made-up days that attacks are laid into.")] = 1,
    kept: Annotated[Path | None, typer.Option("--cache", help="Folder that keeps flow records for next time.")] = None,
    format: Format = Form.table,
    config: Config = None,
) -> None:
    """Measure detection on labelled captures: recall, false incidents, flows told apart."""
    from monitor.config import load_settings
    from monitor.evaluation import evaluate, tables
    from monitor.report import print_rows

    settings = load_settings(config, {"model.path": model})
    for title, rows in tables(evaluate(labels, settings, seeds=seeds, kept=kept)).items():
        print_rows(title, rows if format is Form.table else [{"table": title, **row} for row in rows], format)


@model_app.command("list")
def list_models(
    folder: Annotated[Path | None, typer.Argument(help="Folder of models; default: the packaged one.")] = None,
    format: Format = Form.table,
) -> None:
    """List the models in a folder."""
    from monitor.places import models_in
    from monitor.report import print_rows

    print_rows("Models", models_in(folder), format)


@model_app.command("show")
def show_model(
    path: Annotated[str, typer.Argument(help="Folder of the model.")] = "default", format: Format = Form.table
) -> None:
    """Show a model's card."""
    from monitor.model import load
    from monitor.report import print_card

    print_card(load(path).card, format)


@model_app.command("compare")
def compare_two_models(
    first: Annotated[str, typer.Argument(metavar="A", help="Folder of a model.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Folder of another one.")],
    captures: Annotated[list[str] | None, typer.Argument(metavar="[CAPTURE]...", help="Traffic for both.")] = None,
    store: Store = None,
    run_id: RunId = "",
    since: Since = None,
    until: Until = None,
    format: Format = Form.table,
    config: Config = None,
) -> None:
    """Say how two models differ; on captures or (--store) stored flows also what they think of the same traffic."""
    from monitor.comparing import compare_two
    from monitor.config import load_settings
    from monitor.past_flows import Past
    from monitor.report import print_comparison, print_rows

    settings = load_settings(config, {"store.url": store})
    past = Past((run_id or "",), since, until) if store is not None or run_id or since or until else None
    found = compare_two(first, second, settings, captures=captures or (), past=past)
    for title, rows in found.tables.items():
        print_rows(title, rows if format is Form.table else [{"table": title, **row} for row in rows], format)
    if found.changes is not None:
        print_comparison(found.changes, second, format)


@model_app.command("promote")
def promote_model(
    candidate: Annotated[str, typer.Argument(metavar="PATH|VERSION", help="Folder of a model, or a version held.")],
    folder: Annotated[Path, typer.Option("--into", help="Folder of models; model.path names it.")],
    day: Annotated[
        list[str] | None, typer.Option("--day", help="Captures of an ordinary day to lay the canaries into.")
    ] = None,
    store: Annotated[
        str | None, typer.Option("--store", help="Lay them into the last day of live flows of this store.")
    ] = None,
    until: Until = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the history.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Even if canaries, calibration or the pointer fail.")] = False,
    format: Format = Form.table,
    config: Config = None,
) -> None:
    """Put a model in use if it finds the canaries and keeps to the false rate, beside the model in use.

    Both are tried on the day; without one the evaluation tables of their cards are compared.
    """
    from monitor.config import load_settings
    from monitor.promoting import promote_tried
    from monitor.report import print_rows

    change = promote_tried(
        candidate,
        folder,
        load_settings(config, {"store.url": store}),
        day=day or (),
        from_store=store is not None,
        until=until,
        reason=reason,
        force=force,
    )
    print_rows("Promoted" if day or store is not None else "Promoted by the cards", [change], format)


@model_app.command("rollback")
def roll_back_model(
    folder: Annotated[Path, typer.Option("--into", help="Folder of models; model.path names it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the history.")] = "",
    format: Format = Form.table,
) -> None:
    """Return to the model that was in use before."""
    from monitor.model import roll_back
    from monitor.report import print_rows

    print_rows("Rolled back", [roll_back(folder, reason=reason)], format)

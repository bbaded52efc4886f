"""Commands that have commands of their own: db, config. Each parses, calls and prints, as in cli."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monitor.options import Config, ConfigForm, Form, Format, Store

db_app = typer.Typer(help="Make, renew and look at the store.", no_args_is_help=True)
config_app = typer.Typer(help="Check and show the settings.", no_args_is_help=True)


@db_app.command("init")
def init_store(store: Store = None, config: Config = None) -> None:
    """Make the store's database and tables; what is there stays."""
    from monitor.config import load_settings
    from monitor.places import ready_store

    settings = load_settings(config, {"store.url": store})
    with ready_store(settings) as opened:
        opened.retain(settings.store.retention.model_dump())
        typer.echo(f"{opened}: schema {opened.schema.version}, ready")


@db_app.command("migrate")
def migrate_store(store: Store = None, config: Config = None) -> None:
    """Bring the store's tables up to this program's schema."""
    from monitor.config import load_settings
    from monitor.places import existing_store

    settings = load_settings(config, {"store.url": store})
    with existing_store(settings) as opened:
        before, after = opened.schema.version, opened.migrate().version
        opened.retain(settings.store.retention.model_dump())
        typer.echo(f"{opened}: schema {after}, " + (f"was {before}" if before != after else "nothing to do"))


@db_app.command("status")
def store_status(
    store: Store = None,
    format: Format = Form.table,
    columns: Annotated[bool, typer.Option("--columns", help="Bytes a flow of each column, too.")] = False,
    config: Config = None,
) -> None:
    """Say what the store holds, what room it takes and whether its schema is current; exit status 1 when it is not."""
    from monitor import recall
    from monitor.config import load_settings
    from monitor.places import existing_store
    from monitor.report import print_facts, print_rows
    from monitor.store import column_sizes, table_sizes

    settings = load_settings(config, {"store.url": store})
    with existing_store(settings) as opened:
        ready = opened.schema.ready
        print_facts(recall.status(opened, disk_budget=settings.store.disk_budget), format)
        if ready and format is Form.table:
            print_rows("On disk", table_sizes(opened), format)
            if columns:
                print_rows("Columns of flows, once merged", column_sizes(opened), format)
            print_rows("Latest replays", recall.runs(opened), format)
    raise typer.Exit(0 if ready else 1)


@db_app.command("pseudonym")
def show_pseudonyms(
    addresses: Annotated[
        list[str] | None, typer.Argument(metavar="[ADDRESS]...", help="Addresses, or ids of incidents.")
    ] = None,
    key_file: Annotated[Path, typer.Option("--key-file", help="File with the key: 32 hex digits.")] = Path("soc.key"),
    reveal: Annotated[
        bool, typer.Option("--reveal", help="From pseudonym to what it stands for; noted in `audit`.")
    ] = False,
    store: Store = None,
    config: Config = None,
) -> None:
    """Give the pseudonyms that an outsourced SOC sees, or the other way; without any, the key's row."""
    from monitor.config import load_settings
    from monitor.pseudonyms import pseudonyms

    for line in pseudonyms(load_settings(config, {"store.url": store}), key_file, addresses or (), reveal=reveal):
        typer.echo(line)


@config_app.command()
def check(config: Config = None) -> None:
    """Say whether the settings are valid, and which file they are from."""
    from monitor.config import find_settings_file, load_settings

    load_settings(config)
    typer.echo(f"{config or find_settings_file() or 'no monitor.toml found: the defaults'}: valid")


@config_app.command()
def dump(
    config: Config = None,
    format: Annotated[ConfigForm, typer.Option("--format", help="As it is written, or JSON.")] = ConfigForm.toml,
) -> None:
    """Show all settings in force, each with its meaning."""
    from monitor.config import dump, load_settings

    typer.echo(dump(load_settings(config), format.value), nl=False)

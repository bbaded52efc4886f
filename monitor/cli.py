"""The `monitor` command: one function a command, which parses, calls and prints. What is done is in `monitor.pipeline`.

Exit status: 0 done, 1 failed, 2 wrong usage or configuration, 3 done but the input was damaged, 130 interrupted.
Imports are inside the functions: `monitor --help` must not wait for what it does not need.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from monitor import __version__

if TYPE_CHECKING:
    from monitor.pipeline import Account

DONE, FAILED, MISUSED, DAMAGED, INTERRUPTED = 0, 1, 2, 3, 130

app = typer.Typer(
    name="monitor",
    help="Monitor of unauthorised communications on a municipality's Internet segment.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
config_app = typer.Typer(help="Check and show the settings.", no_args_is_help=True)
app.add_typer(config_app, name="config")

Captures = Annotated[
    list[str], typer.Argument(metavar="CAPTURE...", help="Capture files, folders of them, - for stdin.")
]
Config = Annotated[Optional[Path], typer.Option("--config", help="Settings file; default: ./monitor.toml and so on.")]  # noqa: UP045


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"monitor {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Monitor of unauthorised communications on a municipality's Internet segment."""


@app.command()
def flows(
    captures: Captures,
    format: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--format", help="jsonl, csv, parquet or arrow; default: as the file's extension says."),
    ] = None,
    output: Annotated[str, typer.Option("-o", "--output", help="File to write; - is stdout.")] = "-",
    config: Config = None,
) -> None:
    """Write the flow records of captures."""
    from monitor.config import load_settings
    from monitor.pipeline import write_flows

    account = write_flows(captures, load_settings(config), output=output, format=format)
    raise typer.Exit(_close(account))


@config_app.command()
def check(config: Config = None) -> None:
    """Say whether the settings are valid, and which file they are from."""
    from monitor.config import find_settings_file, load_settings

    load_settings(config)
    typer.echo(f"{config or find_settings_file() or 'defaults (no monitor.toml found)'}: valid")


@config_app.command()
def dump(
    config: Config = None,
    format: Annotated[str, typer.Option("--format", help="toml or json.")] = "toml",
) -> None:
    """Show all settings in force, each with its meaning."""
    from monitor.config import dump, load_settings

    if format not in ("toml", "json"):
        raise typer.BadParameter(f"{format!r} is neither toml nor json")
    typer.echo(dump(load_settings(config), "json" if format == "json" else "toml"), nl=False)


def _close(account: Account) -> int:
    """Say on stderr how the packets balance and what was damaged; returns the exit status."""
    from monitor.report import balance_line, printable

    for note in account.notes:
        _say(note)
    for damage in account.damage:
        _say(printable(str(damage)))
    line = balance_line(
        packets=account.packets,
        decoded=account.decoded,
        ignored=account.ignored,
        dropped=account.dropped,
        bytes=account.bytes,
        flows=account.flows,
    )
    rate = account.packets / account.seconds / 1e6 if account.seconds else 0.0
    _say(f"{line}; {account.seconds:.2f} s, {rate:.2f} M packets/s")
    if account.interrupted:
        _say("interrupted: the results cover only the packets read until then")
        return INTERRUPTED
    return DAMAGED if account.damage else DONE


def _say(line: str) -> None:
    print(f"monitor: {line}", file=sys.stderr)


def _user_errors() -> tuple[type[Exception], ...]:
    """Errors that are the input's or the surroundings', not ours; loaded only once one is on its way."""
    from monitor.capture import CaptureError

    return (CaptureError,)


def _misuse() -> tuple[type[Exception], ...]:
    from monitor.config import ConfigError

    return (ConfigError,)


def main() -> None:
    """Entry point: runs the command and turns errors that a user can mend into one line on stderr."""
    try:
        app()
    except SystemExit:
        raise  # before the clauses below, which load what they name
    except _misuse() as error:
        for line in str(error).splitlines():
            _say(line)
        sys.exit(MISUSED)
    except _user_errors() as error:
        _say(str(error))
        sys.exit(FAILED)
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        _say(f"{where}{error.strerror or error}")
        sys.exit(FAILED)

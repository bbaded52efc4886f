"""The `monitor` command: which command is in which module, and what becomes of errors. What is done is in `pipeline`.

Each command is a function of a `cli_…` module, which parses, calls and prints. Exit status: 0 done, 1
failed, 2 wrong usage or configuration, 3 done but the input was damaged, 130 interrupted.
Only the command that is called is loaded, and imports are inside the functions: a start must not wait for what it does
not need.
"""

from __future__ import annotations

import atexit
import gc
import sys
from importlib import import_module
from typing import Annotated, Any

import typer

from monitor import __version__
from monitor.closing import FAILED, MISUSED, say
from monitor.command import Command, Group

_FEW_COLLECTIONS = 50_000
"""Objects after which Python looks for cycles among the new ones: at its own 700 that takes a fifth of our start."""

_COMMANDS = {
    "replay": "cli_traffic", "flows": "cli_traffic", "hunt": "cli_traffic", "train": "cli_model",
    "evaluate": "cli_model", "carve": "cli_packets", "inspect": "cli_packets", "report": "cli_report",
    "live": "cli_sensor", "doctor": "cli_sensor",
}  # fmt: skip
"""Module of each command, a function of its name; in the order of --help."""

_GROUPS = {
    "model": "cli_model", "incidents": "cli_incidents", "import": "cli_import", "db": "cli_groups",
    "config": "cli_groups",
}  # fmt: skip
"""Module of each command that has commands of its own, as `<name>_app`."""


def program(only: str = "") -> typer.Typer:
    """The program with all its commands, or with the one named."""
    made = typer.Typer(
        name="monitor",
        cls=Group,
        help="Monitor of unauthorised communications on a municipality's Internet segment.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    made.callback()(_root)
    for name, module in _COMMANDS.items():
        if only in ("", name):
            made.command(name, cls=Command)(getattr(import_module(f"monitor.{module}"), name))
    for name, module in _GROUPS.items():
        if only in ("", name):
            made.add_typer(getattr(import_module(f"monitor.{module}"), f"{name}_app"), name=name)
    return made


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return program()  # for those who look through all commands


def _asked() -> str:
    """The command that is called, where the first word tells it."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    return word if word in _COMMANDS or word in _GROUPS else ""


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"monitor {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Monitor of unauthorised communications on a municipality's Internet segment."""


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
    atexit.register(
        gc.freeze
    )  # the last collection, of what the process's end frees anyway, takes as long as the imports
    try:
        program(_asked())()
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

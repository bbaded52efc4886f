"""The class of the program's commands: takes options as they are that are text, or were not given.

Typer converts each through a validator of pydantic's, a tenth of a second to load, whether there is anything to convert
or not. It still does so for dates, numbers, paths and choices that are given.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from typer.core import TyperCommand, TyperGroup


class Command(TyperCommand):
    """A command whose options and arguments are only converted where that changes them."""

    def get_params(self, ctx: Any) -> Any:
        return _spared(super().get_params(ctx))


class Group(TyperGroup):
    """The same for a group of commands and its own options."""

    def get_params(self, ctx: Any) -> Any:
        return _spared(super().get_params(ctx))


def _spared(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if "process_value" not in vars(parameter):
            parameter.process_value = partial(_processed, parameter, parameter.process_value)
    return parameters


def _processed(parameter: Any, process: Callable[[Any, Any], Any], context: Any, value: Any) -> Any:
    """The value, as it is or as Typer makes it; what is missing is Typer's business."""
    several = parameter.multiple or parameter.nargs == -1
    if parameter.required and not value:
        return process(context, value)
    if value is None:
        value = () if several else None
    elif not _is_final(value, parameter.type_descriptor.annotation, several):
        return process(context, value)
    return value if parameter.callback is None else parameter.callback(context, parameter, value)


def _is_final(value: Any, wanted: Any, several: bool) -> bool:
    if several:
        return wanted == list[str] and all(type(item) is str for item in value)
    return isinstance(wanted, type) and type(value) is wanted

"""monitor.toml -> settings, overlaid by the environment and the command line, and settings -> monitor.toml.

An unknown key is an error that names its nearest neighbour. What there is to set is in `settings`.
"""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from monitor.settings import (
    CaptureSettings,
    Conduit,
    DetectSettings,
    EvidenceSettings,
    FlowSettings,
    LiveSettings,
    MetricsSettings,
    ModelSettings,
    Section,
    Settings,
    StoreSettings,
    SuppressionSettings,
)

__all__ = [
    "CaptureSettings",
    "ConfigError",
    "DetectSettings",
    "EvidenceSettings",
    "FlowSettings",
    "LiveSettings",
    "MetricsSettings",
    "ModelSettings",
    "Settings",
    "StoreSettings",
    "dump",
    "find_settings_file",
    "load_settings",
]

FILE_NAME = "monitor.toml"
_LISTED: dict[str, type[Section]] = {"conduits": Conduit, "suppressions": SuppressionSettings}
"""Settings that are a list of tables."""
IN_FILE_ONLY = ("zones", *_LISTED)
"""Settings that the environment cannot give."""
ENVIRONMENT_PREFIX = "MONITOR_"
"""`MONITOR_STORE__URL` stands for `url` of `[store]`, `MONITOR_SENSOR` for `sensor`; both win over the file."""


class ConfigError(ValueError):
    """What is wrong in the settings: one line a problem, each with the file and the key."""


def find_settings_file() -> Path | None:
    """The file read when none is named: $MONITOR_CONFIG, else ./monitor.toml, the user's, the machine's, else None."""
    named = os.environ.get(ENVIRONMENT_PREFIX + "CONFIG")
    if named:
        return Path(named)
    user = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    for candidate in (Path(FILE_NAME), Path(user) / "monitor" / FILE_NAME, Path("/etc/monitor") / FILE_NAME):
        if candidate.is_file():
            return candidate
    return None


def load_settings(path: str | Path | None = None, options: Mapping[str, Any] | None = None) -> Settings:
    """Settings of the file (of `find_settings_file()` when None), overlaid by the environment, then by `options`.

    `options` are values by key path (`store.url`); those that are None are left out.
    Raises ConfigError with a line a problem: the file, the key, what is wrong, the nearest valid key.
    """
    file = Path(path) if path is not None else find_settings_file()
    table = _read(file) if file is not None else {}
    origin = str(file) if file is not None else "settings"
    named_elsewhere = _overlay(table, os.environ)
    for key, value in (options or {}).items():
        if value is not None:
            _put(table, key.split("."), value)
            named_elsewhere[key] = f"option for {key}"
    try:
        return Settings.model_validate(table)
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_url=False, include_context=False):
            key = _key(problem["loc"])
            where = named_elsewhere.get(key, f"{origin}: {key}" if key else origin)
            lines.append(f"{where}: {_explain(problem['type'], problem['msg'], problem['loc'])}")
        raise ConfigError("\n".join(lines)) from None


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not valid TOML: {error}") from None


def _overlay(table: dict[str, Any], environment: Mapping[str, str]) -> dict[str, str]:
    """Put MONITOR_SECTION__KEY and MONITOR_KEY of the environment into `table`; returns key path -> variable name."""
    used: dict[str, str] = {}
    for path, listed in _leaves(Settings):
        variable = ENVIRONMENT_PREFIX + "__".join(path).upper()
        if variable not in environment:
            continue
        text = environment[variable]
        _put(table, path, [part.strip() for part in text.split(",") if part.strip()] if listed else text)
        used[".".join(path)] = f"environment: {variable}"
    return used


def _put(table: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Set the value at the key path, unless something other than a table is in its way (which validation reports)."""
    for name in path[:-1]:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            return
    table[path[-1]] = value


def _leaves(model: type[BaseModel]) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Key path of each single setting, and whether it is a list; tables of tables need a file."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from (((name, *rest), listed) for rest, listed in _leaves(field.annotation))
        elif name not in IN_FILE_ONLY:
            yield (name,), name in ("home_networks", "interfaces")


def _key(loc: tuple[int | str, ...]) -> str:
    """`flows.udp`, `conduits[0].from` of pydantic's location."""
    key = ""
    for part in loc:
        if isinstance(part, int):
            key += f"[{part}]"
        elif part != "[key]":
            key += f".{part}" if key else part
    return key


def _explain(kind: str, message: str, loc: tuple[int | str, ...]) -> str:
    """pydantic's complaint in words of the operator."""
    if kind == "extra_forbidden":
        valid = _names_beside(loc)
        near = difflib.get_close_matches(str(loc[-1]), valid, n=1, cutoff=0.5)
        return "unknown key" + (f"; did you mean {near[0]!r}?" if near else f"; valid here: {', '.join(valid)}")
    if kind == "string_pattern_mismatch":
        return "must be a name of letters, digits, '.', '_' and '-', at most 63 long, a letter or digit first"
    text = message.removeprefix("Value error, ")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _names_beside(loc: tuple[int | str, ...]) -> list[str]:
    """Valid keys of the table in which the last part of `loc` stands."""
    model: type[BaseModel] = Settings
    for part in loc[:-1]:
        if isinstance(part, str) and part in _LISTED:
            model = _LISTED[part]
        elif isinstance(part, str):
            annotation = model.model_fields[part].annotation
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                model = annotation
    return [field.alias or name for name, field in model.model_fields.items()]


def dump(settings: Settings, style: Literal["toml", "json"] = "toml") -> str:
    """All settings in force; as TOML each with its meaning, ready to be a monitor.toml."""
    if style == "json":
        return settings.model_dump_json(indent=2, by_alias=True) + "\n"
    lines: list[str] = []
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if not isinstance(value, Section) and name not in IN_FILE_ONLY:
            lines += [f"# {field.description}", f"{name} = {_toml(value)}"]
    for name in Settings.model_fields:
        section = getattr(settings, name)
        if isinstance(section, Section):
            lines += _section(name, section)
    lines += ["", f"# {Settings.model_fields['zones'].description}", "[zones]"]
    lines += [
        f"{_toml(zone) if '.' in zone else zone} = {_toml(networks)}" for zone, networks in settings.zones.items()
    ]
    for table in _LISTED:
        for entry in getattr(settings, table):
            lines += ["", f"[[{table}]]"]
            given = entry.model_dump(by_alias=True).items()
            lines += [f"{key} = {_toml(value)}" for key, value in given if value is not None]
    return "\n".join(lines) + "\n"


def _section(name: str, section: Section) -> list[str]:
    """Lines of a section, those of the sections in it last."""
    lines, within = ["", f"# {type(section).__doc__}", f"[{name}]"], []
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        if isinstance(value, Section):
            within += _section(f"{name}.{key}", value)
        else:
            lines += [f"# {field.description}", f"# {key} =" if value is None else f"{key} = {_toml(value)}"]
    return lines + within


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(entry) for entry in value) + "]"
    return json.dumps(str(value), ensure_ascii=False)  # a TOML basic string has JSON's escapes

"""monitor.toml -> typed, validated, frozen settings; an unknown key is an error that names its nearest neighbour.

Only says what the operator wants: what a setting does is up to the stage whose section it is in. Import it late:
pydantic takes 0.1 s.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, ValidationError, model_validator

FILE_NAME = "monitor.toml"
ENVIRONMENT_PREFIX = "MONITOR_"
"""`MONITOR_STORE__URL` stands for `url` of `[store]`, `MONITOR_SENSOR` for `sensor`; both win over the file."""


class ConfigError(ValueError):
    """What is wrong in the settings: one line a problem, each with the file and the key."""


def _network(value: Any) -> IPv4Network | IPv6Network:
    """A network in CIDR notation; bits beyond the prefix are nearly always a slip, so say what was meant."""
    if not isinstance(value, str | IPv4Network | IPv6Network):
        raise ValueError("a network is written as text, such as 10.1.0.0/16")  # noqa: TRY004  (pydantic wants it)
    try:
        return ip_network(value)
    except ValueError as error:
        try:
            meant = ip_network(value, strict=False)
        except ValueError:
            raise ValueError(f"{value!r} is not a network such as 10.1.0.0/16 or 2001:db8::/32") from error
        raise ValueError(f"{value} has bits set beyond its prefix; did you mean {meant}?") from error


Network = Annotated[IPv4Network | IPv6Network, PlainValidator(_network), PlainSerializer(str)]
Seconds = Annotated[float, Field(ge=0, le=30 * 86400)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
"""A name that is safe in file names, metric labels and SQL."""


class Section(BaseModel):
    """What all sections share: frozen, no unknown keys, defaults checked too."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class CaptureSettings(Section):
    """How packets are read."""

    batch_packets: int = Field(default=32768, ge=1, le=1 << 22, description="Packets that are handed on at a time.")


class FlowSettings(Section):
    """How packets become flows. The time-outs are Zeek's defaults."""

    tcp_attempt: Seconds = Field(default=5.0, description="Seconds until an unanswered TCP attempt ends.")
    tcp_closed: Seconds = Field(default=5.0, description="Seconds that a closed TCP connection waits for late packets.")
    tcp_idle: Seconds = Field(default=300.0, description="Seconds without a packet that end a TCP connection.")
    udp: Seconds = Field(default=60.0, description="Seconds without a packet that end a UDP flow.")
    icmp: Seconds = Field(default=60.0, description="Seconds without a packet that end an ICMP flow.")
    active: Seconds = Field(
        default=1800.0, description="Seconds after which a long flow is reported in parts; 0: never."
    )
    max_flows: int = Field(
        default=1_000_000,
        ge=1024,
        le=1 << 26,
        description="Flows held at a time; beyond it the oldest half-open one goes first.",
    )
    dedup: bool = Field(default=True, description="Drop and count packets that a mirror port delivered twice.")
    keep_query: bool = Field(
        default=False, description="Keep the query string in http_uri. It may hold personal information."
    )
    first_payload_memory: int = Field(
        default=128 << 20,
        ge=1 << 20,
        description="Bytes of memory for the first payload of flows; when full, names are missing.",
    )


class ModelSettings(Section):
    """Which model scores the flows."""

    path: str = Field(
        default="default", description="Folder of the model; `default` is the packaged one, `none` scores nothing."
    )


class StoreSettings(Section):
    """Where flows and incidents are kept."""

    url: str = Field(
        default="",
        description="chdb:///folder (embedded), http(s)://user@host:port/database, or none. "
        "Empty: embedded, in the user's data folder.",
    )
    batch_rows: int = Field(default=100_000, ge=1, le=10_000_000, description="Rows of an insert.")
    password_file: Path | None = Field(default=None, description="File that holds the password of a server.")


class DetectSettings(Section):
    """What becomes an incident."""

    window: Seconds = Field(
        default=900.0, description="Seconds of event time within which evidence joins one incident."
    )


class MetricsSettings(Section):
    """Prometheus exporter."""

    address: str = Field(default="127.0.0.1", description="Address that serves /metrics.")
    port: int = Field(default=0, ge=0, le=65535, description="Port that serves /metrics; 0: none.")
    hold: Seconds = Field(default=0.0, description="Seconds for which a replay goes on serving /metrics after its end.")
    active_incidents: int = Field(
        default=100,
        ge=0,
        le=10_000,
        description="Most series of monitor_incident_active; those beyond are only counted.",
    )


class Conduit(Section):
    """A way from one zone to another that is allowed."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, populate_by_name=True)

    src: Word = Field(alias="from", description="Zone that opens the connection.")
    dst: Word = Field(alias="to", description="Zone that answers.")
    via: tuple[Network, ...] = Field(default=(), description="Only these hosts at either end; empty: all.")
    ports: tuple[Annotated[int, Field(ge=0, le=65535)], ...] = Field(
        default=(), description="Only these ports; empty: all."
    )


class Settings(Section):
    """All settings of monitor.toml."""

    sensor: Word = Field(default="sensor", description="Name of this sensor, in each row and incident.")
    alert_budget: float = Field(
        default=10.0, gt=0, le=10_000, description="Incidents a day that the operators can handle."
    )
    home_networks: tuple[Network, ...] = Field(
        default=(), description="Networks of ours beside RFC 1918 and ULA: the segment's public prefixes."
    )
    capture: CaptureSettings = CaptureSettings()
    flows: FlowSettings = FlowSettings()
    model: ModelSettings = ModelSettings()
    store: StoreSettings = StoreSettings()
    detect: DetectSettings = DetectSettings()
    metrics: MetricsSettings = MetricsSettings()
    zones: dict[Word, tuple[Network, ...]] = Field(default={}, description="Networks of each zone, by the zone's name.")
    conduits: tuple[Conduit, ...] = Field(
        default=(), description="Ways between zones that are allowed; all others are breaches."
    )

    @model_validator(mode="after")
    def _conduits_join_known_zones(self) -> Settings:
        for conduit in self.conduits:
            for zone in (conduit.src, conduit.dst):
                if self.zones and zone not in self.zones and zone != "internet":
                    near = difflib.get_close_matches(zone, [*self.zones, "internet"], n=1)
                    raise ValueError(
                        f"conduit names the unknown zone {zone!r}" + (f"; did you mean {near[0]!r}?" if near else "")
                    )
        return self


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


def load_settings(path: str | Path | None = None) -> Settings:
    """Settings of the file (of `find_settings_file()` when None), overlaid by the environment.

    Raises ConfigError with a line a problem: the file, the key, what is wrong, the nearest valid key.
    """
    file = Path(path) if path is not None else find_settings_file()
    table = _read(file) if file is not None else {}
    origin = str(file) if file is not None else "settings"
    from_environment = _overlay(table, os.environ)
    try:
        return Settings.model_validate(table)
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_url=False, include_context=False):
            key = _key(problem["loc"])
            where = from_environment.get(key, f"{origin}: {key}" if key else origin)
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
    for path, annotation in _leaves(Settings):
        variable = ENVIRONMENT_PREFIX + "__".join(path).upper()
        if variable not in environment:
            continue
        section = table
        for name in path[:-1]:
            section = section.setdefault(name, {})
        text = environment[variable]
        section[path[-1]] = [part.strip() for part in text.split(",") if part.strip()] if annotation else text
        used[".".join(path)] = f"environment: {variable}"
    return used


def _leaves(model: type[BaseModel]) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Key path of each single setting, and whether it is a list; zones and conduits need a file."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from (((name, *rest), listed) for rest, listed in _leaves(field.annotation))
        elif name not in ("zones", "conduits"):
            yield (name,), name == "home_networks"


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
        if part == "conduits":
            model = Conduit
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
        if not isinstance(value, Section) and name not in ("zones", "conduits"):
            lines += [f"# {field.description}", f"{name} = {_toml(value)}"]
    for name in Settings.model_fields:
        section = getattr(settings, name)
        if isinstance(section, Section):
            lines += ["", f"# {type(section).__doc__}", f"[{name}]"]
            for key, inner in type(section).model_fields.items():
                value = getattr(section, key)
                lines += [f"# {inner.description}", f"# {key} =" if value is None else f"{key} = {_toml(value)}"]
    lines += ["", f"# {Settings.model_fields['zones'].description}", "[zones]"]
    lines += [
        f"{_toml(zone) if '.' in zone else zone} = {_toml(networks)}" for zone, networks in settings.zones.items()
    ]
    for conduit in settings.conduits:
        lines += ["", "[[conduits]]"]
        lines += [f"{key} = {_toml(value)}" for key, value in conduit.model_dump(by_alias=True).items()]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(entry) for entry in value) + "]"
    import json

    return json.dumps(str(value), ensure_ascii=False)  # a TOML basic string has JSON's escapes

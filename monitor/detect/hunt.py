"""Reads hunts: SQL files whose leading comments say what they look for, how sure one can be, and what to do.

A header line is `-- key: value`; keys may repeat. It ends at the first bare `--` or line of SQL. What several hunts ask
alike is a piece in `pieces.sql`, written `{{name}}` in the hunt. Running is in `finding`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from monitor.detect.incident import SEVERITIES
from monitor.detect.wording import fields_of

FOLDER = Path(__file__).parent / "hunts"
ANOMALY = Path(__file__).parent / "anomaly.sql"
PIECES = Path(__file__).parent / "pieces.sql"

COMMON_PARAMETERS: tuple[str, ...] = ("run", "since", "until")
"""What every hunt is given: the run, and the bounds of event time in µs (UTC), the second one excluded."""

COLUMNS: tuple[str, ...] = ("host", "peer", "service", "first_seen", "last_seen", "flows", "score", "flow_ids")
"""What every hunt returns: host and peer as IPv6, times as DateTime64(6), score as 0-1, up to ten telling flows."""

OPTIONAL_COLUMNS: tuple[str, ...] = ("severity", "p_value", "reasons")
"""What it may return: a severity of its own for the row, a p-value, sentences that are ready."""

_SINGLE = ("id", "title", "title_ja", "severity", "window", "identity", "runbook")
_AT_MOST_ONE = ("further",)
_MANY = ("attack", "parameter", "reason", "reason_ja", "false_positive", "reference")
_LINE = re.compile(r"--\s*(?P<key>[a-z_]+)(?: if (?P<condition>[a-z_]+))?:\s+(?P<value>\S.*)")
_PARAMETER = re.compile(r"(?P<name>[a-z_]+) (?P<kind>[A-Z]\w*(?:\(\w+\))?) (?P<default>[^|]+?) \| (?P<meaning>.+)")
_ID = re.compile(r"[a-z][a-z0-9_]{1,40}")
_ATTACK = re.compile(r"T\d{4}(\.\d{3})?")
_WINDOW = re.compile(r"(\d+)(m|h|d)")
_FURTHER = re.compile(r"(\d+)(m|h|d)(?P<given>(?: [a-z_]+=[\d.]+)+)")
_USED = re.compile(r"\{([a-z_]+):")
_PIECE = re.compile(r"\{\{([a-z_]+)\}\}")
_SECONDS = {"m": 60, "h": 3600, "d": 86400}


class HuntError(ValueError):
    """A hunt's file breaks the rules: which file and line, what, and what is expected."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A threshold: its floor, in ClickHouse's words, and why it is that."""

    name: str
    kind: str
    default: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Reason:
    """A sentence with fields; said only when the column `condition` is not empty, zero or false."""

    template: str
    condition: str = ""
    japanese: str = ""
    """The same for those who read Japanese, its fields without a kind; what is stored is English."""


@dataclass(frozen=True, slots=True)
class Further:
    """A second look, over more history, at what only parameters let through: how a live hunt finds what takes days."""

    window: int
    """Seconds of history."""
    parameters: Mapping[str, str]
    """Thresholds in the place of the floors."""


@dataclass(frozen=True, slots=True)
class Hunt:
    """One behaviour to look for."""

    id: str
    title: str
    title_ja: str
    severity: str
    attack: tuple[str, ...]
    window: int
    """Seconds of history that it needs when it runs again and again."""
    identity: tuple[str, ...]
    """Columns that tell its incidents apart, beside the time of the first evidence."""
    parameters: tuple[Parameter, ...]
    reasons: tuple[Reason, ...]
    false_positives: tuple[str, ...]
    references: tuple[str, ...]
    runbook: str
    sql: str
    further: Further | None = None


@cache
def load_hunts(folder: Path = FOLDER) -> tuple[Hunt, ...]:
    """All hunts of the folder by id. Raises HuntError."""
    hunts = tuple(load_hunt(file) for file in sorted(folder.glob("*.sql")))
    if not hunts:
        raise HuntError(f"{folder}: holds no hunts (*.sql)")
    return hunts


def load_hunt(file: Path) -> Hunt:
    """The hunt of one file. Raises HuntError naming file, line and what is expected; OSError."""
    text = file.read_text("utf-8")
    single: dict[str, str] = {}
    many: dict[str, list[tuple[str, str]]] = {key: [] for key in _MANY}
    keys = (*_SINGLE, *_AT_MOST_ONE, *_MANY)
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("--") or line.strip() == "--":
            break
        found = _LINE.fullmatch(line.rstrip())
        if not found or found["key"] not in keys:
            raise HuntError(f"{file}:{number}: expected `-- key: value` with a key of {', '.join(keys)}")
        if found["condition"] and found["key"] != "reason":
            raise HuntError(f"{file}:{number}: only a reason may have a condition")
        if found["key"] == "reason_ja":
            many["reason_ja"].append((found["value"], str(len(many["reason"]) - 1)))
        elif found["key"] in _MANY:
            many[found["key"]].append((found["value"], found["condition"] or ""))
        elif found["key"] in single:
            raise HuntError(f"{file}:{number}: {found['key']} is given twice")
        else:
            single[found["key"]] = found["value"]
    return _checked(file, single, many, _with_pieces(file, text))


@cache
def pieces() -> dict[str, str]:
    """Conditions that several hunts share, by name. Raises HuntError on a piece without a meaning or without SQL."""
    found: dict[str, str] = {}
    for part in re.split(r"^-- piece: ", PIECES.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        head, _, sql = part.partition("\n")
        name, _, meaning = head.partition(" | ")
        _require(
            bool(meaning and sql.strip()), PIECES, f"piece {name!r}: expected `-- piece: name | meaning`, then SQL"
        )
        found[name] = f"({sql.strip()})"
    return found


def _with_pieces(file: Path, text: str) -> str:
    """The text with each `{{name}}` replaced by that piece, in brackets."""
    unknown = sorted(set(_PIECE.findall(text)) - set(pieces()))
    _require(not unknown, file, f"no such pieces in {PIECES.name}: {unknown}")
    return _PIECE.sub(lambda found: pieces()[found[1]], text)


def _checked(file: Path, single: dict[str, str], many: dict[str, list[tuple[str, str]]], sql: str) -> Hunt:
    """The hunt, when each part is as it must be."""
    missing = [key for key in _SINGLE if key not in single] + [
        key for key in ("attack", "false_positive", "reference") if not many[key]
    ]
    _require(not missing, file, f"the header lacks {', '.join(missing)}")
    _require(
        bool(_ID.fullmatch(single["id"])) and single["id"] == file.stem, file, "id must be the file's name: a-z 0-9 _"
    )
    _require(single["severity"] in SEVERITIES, file, f"severity must be one of {', '.join(SEVERITIES)}")
    attack = tuple(value for value, _ in many["attack"])
    _require(all(map(_ATTACK.fullmatch, attack)), file, "attack must be technique ids such as T1046 or T1071.001")
    window = _WINDOW.fullmatch(single["window"])
    if window is None:
        raise HuntError(f"{file}: window must be a number and m, h or d, such as 24h")
    identity = tuple(single["identity"].split())
    _require(set(identity) <= {"host", "peer", "service"}, file, "identity must be some of host, peer, service")
    parameters = tuple(_parameter(file, value) for value, _ in many["parameter"])
    used, given = set(_USED.findall(_without_header(sql))), {entry.name for entry in parameters}
    unnamed = sorted(used - given - set(COMMON_PARAMETERS))
    _require(not unnamed, file, f"parameters without a line: {unnamed}")
    _require(not given - used, file, f"parameters that the SQL does not use: {sorted(given - used)}")
    _require(set(COMMON_PARAMETERS) <= used, file, f"the SQL must use {', '.join(COMMON_PARAMETERS)}")
    return Hunt(
        id=single["id"],
        title=single["title"],
        title_ja=single["title_ja"],
        severity=single["severity"],
        attack=attack,
        window=int(window[1]) * _SECONDS[window[2]],
        identity=identity,
        parameters=parameters,
        reasons=_reasons(file, many),
        false_positives=tuple(value for value, _ in many["false_positive"]),
        references=tuple(value for value, _ in many["reference"]),
        runbook=single["runbook"],
        sql=_without_header(sql),
        further=_further(file, single["further"], given) if "further" in single else None,
    )


def _reasons(file: Path, many: Mapping[str, list[tuple[str, str]]]) -> tuple[Reason, ...]:
    """Each sentence with the Japanese one that stands below it; which may name no other fields."""
    japanese = {int(place): text for text, place in many["reason_ja"]}
    out = []
    for place, (text, condition) in enumerate(many["reason"]):
        try:
            fields = {name for name, _ in fields_of(text)}
            said = list(fields_of(japanese.get(place, "")))
        except ValueError as error:
            raise HuntError(f"{file}: reason {text!r}: {error}") from error
        wrong = sorted(name for name, kind in said if kind or name not in fields)
        _require(not wrong, file, f"reason_ja: fields with a kind, or not of the sentence above: {wrong}")
        out.append(Reason(text, condition, japanese.get(place, "")))
    _require(len(japanese) == len(many["reason_ja"]) and -1 not in japanese, file, "reason_ja: one, below its reason")
    return tuple(out)


def _further(file: Path, value: str, known: set[str]) -> Further:
    found = _FURTHER.fullmatch(value)
    if not found:
        raise HuntError(f"{file}: further {value!r}: expected a window and parameters, such as `14d least_gap=3600`")
    parameters = dict(entry.split("=") for entry in found["given"].split())
    _require(set(parameters) <= known, file, f"further: no such parameters: {sorted(set(parameters) - known)}")
    return Further(int(found[1]) * _SECONDS[found[2]], parameters)


def _parameter(file: Path, value: str) -> Parameter:
    found = _PARAMETER.fullmatch(value)
    if not found:
        raise HuntError(f"{file}: parameter {value!r}: expected `name Type default | meaning`")
    return Parameter(found["name"], found["kind"], found["default"], found["meaning"])


def _without_header(sql: str) -> str:
    """The statement alone: ClickHouse's client takes braces in comments for hints, and `{n:count echo}` for `echo`."""
    return "\n".join(line for line in sql.splitlines() if not line.startswith("--"))


def _require(holds: bool, file: Path, what: str) -> None:
    if not holds:
        raise HuntError(f"{file}: {what}")


def check_columns(hunt: Hunt, present: Sequence[str]) -> None:
    """Raises HuntError when the hunt's result lacks a column of the contract or of its reasons."""
    wanted = set(COLUMNS)
    for reason in hunt.reasons:
        wanted |= {name for name, _ in fields_of(reason.template)} | ({reason.condition} - {""})
    missing = sorted(wanted - set(present))
    if missing:
        raise HuntError(f"hunt {hunt.id}: its result lacks {', '.join(missing)}")

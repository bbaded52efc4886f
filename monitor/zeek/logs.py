"""Reads Zeek's logs, TSV or JSON lines, plain or gzip: a mapping of field to value a line. What they mean: `records`.

TSV as Zeek's ASCII writer makes it (docs.zeek.org/en/master/log-formats.html): `#fields` names the columns,
`#unset_field` and `#empty_field` what stands for nothing, and `\\xHH` what cannot stand in a line.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KINDS = ("conn", "dns", "ssl", "http", "quic")
"""Logs that are read; the others of a folder are passed over."""

_KIND_IN_NAME = re.compile(rf"(?:^|[^a-z])({'|'.join(KINDS)})(?:[^a-z]|$)")
_ESCAPED = re.compile(r"\\x([0-9a-fA-F]{2})")
LONGEST = 1 << 20
"""Bytes of a line; a longer one is damage."""


class LogError(ValueError):
    """No log of Zeek, or damage in one; says which file and line."""


@dataclass(slots=True)
class Log:
    """One log file; `rows` reads it."""

    path: Path
    kind: str
    damage: str = ""
    """What was wrong with it, once it was read; rows before the damage were given."""
    lines: int = field(default=0)

    def rows(self) -> Iterator[dict[str, Any]]:
        """The lines as fields by their names in `conn.log` (`id.orig_h`); unset ones are left out."""
        try:
            with _opened(self.path) as stream:
                yield from self._json(stream) if self._is_json() else self._tsv(stream)
        except (OSError, EOFError, zlib.error, UnicodeDecodeError, LogError) as error:
            self.damage = f"{self.path}: line {self.lines + 1}: {error}"

    def _is_json(self) -> bool:
        with _opened(self.path) as stream:
            return str(stream.readline(LONGEST)).startswith("{")

    def _json(self, stream: Any) -> Iterator[dict[str, Any]]:
        for line in _lines(stream):
            try:
                given = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise LogError(f"no JSON: {error}") from error
            if not isinstance(given, dict):
                raise LogError("no JSON object")
            self.lines += 1
            yield _flat(given)

    def _tsv(self, stream: Any) -> Iterator[dict[str, Any]]:
        separator, unset, empty, names, kinds = "\t", "-", "(empty)", [], []
        for line in _lines(stream):
            self.lines += 1
            if line.startswith("#"):
                word, _, rest = line[1:].partition(" " if line.startswith("#separator") else separator)
                if word == "separator":
                    separator = _unescaped(rest)
                elif word == "unset_field":
                    unset = rest
                elif word == "empty_field":
                    empty = rest
                elif word == "fields":
                    names = rest.split(separator)
                elif word == "types":
                    kinds = rest.split(separator)
                continue
            values = line.split(separator)
            if len(values) != len(names) or len(kinds) != len(names):
                raise LogError(f"{len(values)} fields, {len(names)} are named")
            yield {
                name: _value(value, kind, empty)
                for name, kind, value in zip(names, kinds, values, strict=True)
                if value != unset
            }


def _lines(stream: Any) -> Iterator[str]:
    while line := stream.readline(LONGEST):
        if not line.endswith("\n") and len(line) == LONGEST:
            raise LogError(f"a line of more than {LONGEST} bytes")
        text: str = line.rstrip("\n")
        if text:
            yield text


def _value(text: str, kind: str, empty: str) -> Any:
    if kind.startswith(("set[", "vector[")):
        return [] if text == empty else [_unescaped(part) for part in text.split(",")]
    return "" if text == empty else _unescaped(text)


def _unescaped(text: str) -> str:
    if "\\x" not in text:
        return text
    raw = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    try:
        return raw.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return raw


def _flat(given: dict[str, Any]) -> dict[str, Any]:
    """Names as in TSV: `id` may be nested, or its dots written as underscores."""
    out: dict[str, Any] = {}
    for name, value in given.items():
        if name == "id" and isinstance(value, dict):
            out |= {f"id.{part}": inner for part, inner in value.items()}
        elif name.startswith("id_"):
            out[f"id.{name[3:]}"] = value
        elif value is not None:
            out[name] = value
    return out


def _opened(path: Path) -> Any:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="surrogateescape", newline="\n")
    return path.open(encoding="utf-8", errors="surrogateescape", newline="\n")


def logs_in(place: Path) -> list[Log]:
    """The logs of `KINDS` in a folder and the folders in it, or the one file. Raises LogError, OSError."""
    if not place.exists():
        raise LogError(f"{place}: there is no such file or folder")
    files = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
    found = [Log(path, kind) for path in files if ".log" in path.name and (kind := _kind(path))]
    if not any(log.kind == "conn" for log in found):
        raise LogError(f"{place}: no conn.log there; dns, ssl, http and quic logs only say more about its connections")
    return found


def _kind(path: Path) -> str:
    """What a log says of itself, else what its name says; empty: none that is read."""
    try:
        with _opened(path) as stream:
            for _ in range(10):
                line = stream.readline(LONGEST)
                if line.startswith("#path"):
                    kind = line.split()[-1]
                    return kind if kind in KINDS else ""
                if line.startswith("{"):
                    given = json.loads(line)
                    kind = given.get("_path") or given.get("@stream") or ""
                    if kind:
                        return kind if kind in KINDS else ""
                    break
    except (OSError, EOFError, zlib.error, ValueError):
        pass  # reading it will say what is wrong
    named = _KIND_IN_NAME.search(path.name)
    return named[1] if named else ""

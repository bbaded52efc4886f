"""Flow records as lines of text, JSON or CSV, a batch at a time; Python sees only distinct strings that need an escape.

Where the lines go is in `flow_files.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from monitor.flows.schema import COLUMNS, NAMES, Column
from monitor.report.address_text import address_text
from monitor.report.escape import as_text, csv_cell, json_text
from monitor.report.interleave import Piece, interleave

TEXT_ROWS = 8_192
"""Rows made into text at a time, so that the lines stay in the processor's cache."""

_PLAIN_JSON = r"^[\x20-\x21\x23-\x5b\x5d-\x7e]*$"
"""Text that is its own JSON string: printable ASCII without quote and backslash."""
_PLAIN_CSV = r"^([\x20-\x26\x28-\x2a\x2c\x2e-\x3c\x3e\x3f\x41-\x7e][\x20-\x7e]*)?$"
"""Text that is its own CSV cell, but for quotes: printable ASCII that begins with none of = + - @ '."""


def json_lines(batch: pa.RecordBatch) -> memoryview:
    """One JSON object a line, all columns by name; addresses and times as text, what is not a number is null."""
    pieces = []
    for position, (entry, column) in enumerate(zip(COLUMNS, batch.columns, strict=True)):
        opening, closing = {"ip": ('"', '"'), "time": ('"', '"'), "text": ('"', '"'), "word": ('"', '"')}.get(
            entry.kind, ("[", "]") if entry.kind in ("words", "i32s", "u32s") else ("", "")
        )
        before = f'{"," if position else "{"}"{entry.name}":{opening}'
        after = closing + ("}\n" if position == len(COLUMNS) - 1 else "")
        pieces.append(Piece(before.encode(), _json_column(entry, column), after.encode()))
    return interleave(pieces, batch.num_rows)


def flow_objects(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """The flows as objects, in the forms of `json_lines`."""
    return [json.loads(line) for line in bytes(json_lines(batch)).splitlines()]


def csv_header() -> bytes:
    """Names of all columns."""
    return ",".join(NAMES).encode() + b"\n"


def csv_lines(batch: pa.RecordBatch) -> memoryview:
    """One CSV line (RFC 4180, but LF) a flow; lists are JSON arrays; no cell begins a formula."""
    pieces = [
        Piece(b"," if position else b"", _csv_column(entry, column), b"\n" if position == len(COLUMNS) - 1 else b"")
        for position, (entry, column) in enumerate(zip(COLUMNS, batch.columns, strict=True))
    ]
    return interleave(pieces, batch.num_rows)


def _json_column(entry: Column, column: Any) -> Any:
    """JSON of each value, without the quotes or brackets around it."""
    if entry.kind in ("text", "word"):
        return _escaped(column, _PLAIN_JSON, lambda text: json_text(text)[1:-1])
    if entry.kind == "words":
        return _joined(column, _escaped(column.flatten(), "^a^", json_text))
    if entry.kind in ("i32s", "u32s"):
        return _joined(column, pc.cast(column.flatten(), pa.string()))
    return _plain(entry, column)


def _csv_column(entry: Column, column: Any) -> Any:
    if entry.kind in ("text", "word"):
        return _csv_quoted(_escaped(column, _PLAIN_CSV, csv_cell))
    if entry.kind in ("words", "i32s", "u32s"):
        return _csv_quoted(pc.binary_join_element_wise("[", _json_column(entry, column), "]", ""))
    plain = _plain(entry, column)
    return pc.if_else(pc.equal(plain, "null"), "", plain) if entry.kind in ("f4", "f8") else plain


def _plain(entry: Column, column: Any) -> Any:
    """Text of a column that holds no text from the wire."""
    if entry.kind == "ip":
        return address_text(column)
    if entry.kind == "time":
        return pc.binary_replace_slice(pc.cast(column, pa.string()), 10, 11, "T")
    text = pc.cast(column, pa.string())
    if entry.kind not in ("f4", "f8"):
        return text
    finite = pc.is_finite(column)
    return text if pc.all(finite, min_count=0).as_py() else pc.if_else(finite, text, "null")


def _escaped(column: Any, plain: str, escape: Callable[[str], str]) -> Any:
    """The strings, escaped; `plain` matches those that need no escape. Invalid UTF-8 is allowed and escaped."""
    if isinstance(column.type, pa.DictionaryType):
        return _escaped(column.dictionary, plain, escape).take(column.indices)
    raw = column.view(pa.binary())
    if pc.all(pc.match_substring_regex(raw, plain), min_count=0).as_py():
        return raw.view(pa.string())
    distinct = raw.dictionary_encode()
    values = [escape(as_text(value)) for value in distinct.dictionary.to_pylist()]
    return pa.array(values, pa.string()).take(distinct.indices)


def _csv_quoted(column: Any) -> Any:
    """In quotes where a comma or a quote makes it necessary."""
    special = pc.match_substring_regex(column, '[",]')
    if not pc.any(special, min_count=0).as_py():
        return column
    return pc.if_else(
        special, pc.binary_join_element_wise('"', pc.replace_substring(column, '"', '""'), '"', ""), column
    )


def _joined(column: Any, items: Any) -> Any:
    """The items of each list of `column`, which are JSON already, with commas between."""
    offsets = pc.subtract(column.offsets, column.offsets[0])
    return pc.binary_join(pa.ListArray.from_arrays(offsets, items), ",")

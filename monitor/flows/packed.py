"""Names rows packed for keeping: numbers, then the text fields that are set, each with its size.

A flow whose first payload has been read keeps its names as a chain of cells; when it is exported they are copied into
the text of the export buffer, where `columns` (in `name_columns.py`) reads them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.flows.apart import array_at
from monitor.flows.copying import copy_bytes
from monitor.flows.first_payload import CELL, CELL_BYTES, HEAD_BYTES, PACKED_BYTES
from monitor.flows.names import NO_RCODE, TEXT_FIELDS
from monitor.jit import Integer, inlined, inner
from monitor.stack import stack_u8

SIZE, FIELDS_SET, TLS_VERSION, HTTP_STATUS, DNS_TYPE, DNS_RCODE, DNS_TTL = 0, 2, 4, 6, 8, 10, 12
"""Places in the head of a packed row: two bytes each, the last one four, lowest first."""

FIELDS = len(TEXT_FIELDS)


@inlined
def _put16(out: Any, at: Integer, value: Integer) -> None:
    out[at] = np.int64(value) & 0xFF
    out[at + 1] = (np.int64(value) >> 8) & 0xFF


@inlined
def get16(octets: Any, at: Integer) -> Integer:
    """Two bytes as `pack` writes them."""
    return np.int64(octets[at]) | (np.int64(octets[at + 1]) << 8)


@inner
def pack(row: Any, out: Any, at: Integer) -> Integer:
    """Write a names row to `out` from `at` on; the place after it, or `at` when there is nothing but its service."""
    fields = np.int64(0)
    used = at + HEAD_BYTES
    for field in range(FIELDS):
        size = np.int64(row.size[field])
        if size == 0:
            continue
        fields |= 1 << field
        _put16(out, used, size)
        used += 2
        start = np.int64(row.at[field])
        copy_bytes(out, used, row.text, start, size)
        used += size
    code = np.int64(row.dns_rcode)
    if fields == 0 and row.tls_version == 0 and row.http_status == 0 and code == NO_RCODE:
        return at
    _put16(out, at + SIZE, used - at)
    _put16(out, at + FIELDS_SET, fields)
    _put16(out, at + TLS_VERSION, row.tls_version)
    _put16(out, at + HTTP_STATUS, row.http_status)
    _put16(out, at + DNS_TYPE, row.dns_type)
    _put16(out, at + DNS_RCODE, code)
    ttl = np.int64(row.dns_ttl) if row.dns_answer_count else 0
    _put16(out, at + DNS_TTL, ttl & 0xFFFF)
    _put16(out, at + DNS_TTL + 2, ttl >> 16)
    return used


@inner
def keep(control: Any, row: Any) -> Integer:
    """Pack a names row into cells: the first one's number; -1 when there is nothing to keep, or no room (counted)."""
    octets = stack_u8(PACKED_BYTES)
    size = pack(row, octets, np.int64(0))
    if size == 0:
        return -1
    cells = array_at(control["cells"], control["cell_count"], CELL)
    wanted = (size + CELL_BYTES - 1) // CELL_BYTES
    first, at = np.int64(-1), size
    for piece in range(wanted - 1, -1, -1):  # from the last one, so that each knows its successor
        number = np.int64(control["cell_free"])
        if number >= 0:
            control["cell_free"] = cells[number]["next"]
        elif control["cell_fresh"] < control["cell_count"]:
            number = np.int64(control["cell_fresh"])
            control["cell_fresh"] = number + 1
        else:
            forget(control, first)
            control["unnamed"] += 1
            return -1
        start = piece * CELL_BYTES
        copy_bytes(cells[number]["octets"], 0, octets, start, at - start)
        cells[number]["next"] = first
        first, at = number, start
    return first


@inner
def forget(control: Any, first: Integer) -> None:
    """Give a chain of cells back; -1 is none."""
    cells = array_at(control["cells"], control["cell_count"], CELL)
    number = np.int64(first)
    while number >= 0:
        after = np.int64(cells[number]["next"])
        cells[number]["next"] = control["cell_free"]
        control["cell_free"] = number
        number = after


@inner
def write_kept(control: Any, first: Integer) -> Integer:
    """Copy a chain into the text of the export buffer: its place there, -1 when there is none."""
    if first < 0:
        return -1
    cells = array_at(control["cells"], control["cell_count"], CELL)
    out = array_at(control["out_text"], control["out_text_size"], np.uint8)
    at = np.int64(control["out_text_used"])
    number, done = np.int64(first), np.int64(0)
    size = get16(cells[number]["octets"], 0)
    while number >= 0 and done < size:
        count = min(size - done, CELL_BYTES)
        copy_bytes(out, at + done, cells[number]["octets"], 0, count)
        done += count
        number = np.int64(cells[number]["next"])
    control["out_text_used"] = at + size
    return at


@inner
def write_row(control: Any, row: Any) -> Integer:
    """As `write_kept`, for a row that is still being filled."""
    out = array_at(control["out_text"], control["out_text_size"], np.uint8)
    at = np.int64(control["out_text_used"])
    after = pack(row, out, at)
    control["out_text_used"] = after
    return at if after > at else -1

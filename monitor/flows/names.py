"""The names row: what a flow's first payload said, and the contract between protocol kernels and the flow table.

A flow whose content was recognised owns one row of dtype `NAMES`. Each protocol has a file with kernels

    client(buf, start, end, row) -> status        bytes of the initiator
    server(buf, start, end, row) -> status        bytes of the responder

that look at `buf[start:end]` only (`buf` may be a whole capture file) and put what they find into `row`. They hold
no other state: for TCP `start` is always the first payload byte of that direction and `end` moves on; over UDP each
call sees one datagram. The status is

    DONE   nothing more is wanted of this direction
    MORE   call again with more: TCP, the same start and a later end; UDP, the next datagram of this direction
    NOT    these bytes are not this protocol
    DEFER  a QUIC Initial of the client: `quic.hello` has more to keep between datagrams than a names row

A value is put only when it is complete, and the first put wins, so that calling again with more bytes does no harm
and a flow that ends at MORE has all that was to be had. `recognise.feed` calls the right kernel; it is what the flow
table uses. Text is kept as on the wire (not lower-cased, not escaped, perhaps not UTF-8): the exits escape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.flows.copying import copy_bytes
from monitor.jit import Integer, inlined, kernel

DONE, MORE, NOT, DEFER = 0, 1, 2, 3

(
    SERVER_NAME,
    ALPN,
    JA4,
    HTTP_METHOD,
    HTTP_URI,
    USER_AGENT,
    DNS_QUERY,
    DNS_ANSWERS,
    SSH_CLIENT,
    SSH_SERVER,
    HASSH,
    CERT_NAMES,
) = (np.int64(number) for number in range(12))  # a Python int would get compiled code of its own in each call
TEXT_FIELDS = (
    "server_name",
    "alpn",
    "ja4",
    "http_method",
    "http_uri",
    "user_agent",
    "dns_query",
    "dns_answers",
    "ssh_client",
    "ssh_server",
    "hassh",
    "cert_names",
)
"""Names of the text fields, by their number; `dns_answers` and `cert_names` are lists."""

TEXT_ROOM = 1024

FLAG_CUT = 1  # some text did not fit
FLAG_ECH = 2  # the ClientHello was encrypted: server_name is the outer name
FLAG_STARTTLS = 4  # TLS began inside another protocol
FLAG_AGREED = 8  # tls_version is the server's choice
FLAG_ALPN_AGREED = 16  # alpn is the server's choice
FLAG_DNS_ANSWERED = 32  # dns_rcode, dns_answers and dns_ttl are from a response
FLAG_DNS_ASKED = 64  # dns_id is the query's
FLAG_KEEP_QUERY = 128  # setting: http_uri keeps its query string; set by the flow table when it gives out the row

NAMES = np.dtype(
    [
        ("service", np.uint8),
        ("dns_answer_count", np.uint8),
        ("flags", np.uint16),
        ("tls_version", np.uint16),
        ("http_status", np.uint16),
        ("dialect", np.uint16),
        ("dns_id", np.uint16),
        ("dns_type", np.uint16),
        ("dns_rcode", np.uint16),
        ("text_used", np.uint16),
        ("dns_ttl", np.uint32),
        ("at", np.uint16, (len(TEXT_FIELDS),)),
        ("size", np.uint16, (len(TEXT_FIELDS),)),
        ("text", np.uint8, (TEXT_ROOM,)),
    ],
    align=True,
)
"""One names row. `text[at[field] : at[field] + size[field]]` is a text field; a list has a length byte before each.

`dialect` is SMB's: 0x0311 is 3.1.1, 0x0100 stands for SMB 1.
"""

NO_RCODE = 0xFFFF


@inlined
def clear(row: Any, flags: Integer) -> None:
    """Make a row ready for a new flow; `flags`: 0 or `FLAG_KEEP_QUERY`."""
    row.service = 0
    row.dns_answer_count = 0
    row.flags = flags
    row.tls_version = 0
    row.http_status = 0
    row.dialect = 0
    row.dns_id = 0
    row.dns_type = 0
    row.dns_rcode = NO_RCODE
    row.text_used = 0
    row.dns_ttl = 0
    for field in range(len(TEXT_FIELDS)):
        row.at[field] = 0
        row.size[field] = 0


@kernel
def put_text(row: Any, field: Integer, buf: Any, start: Integer, end: Integer) -> None:
    """Keep `buf[start:end]` as text field `field`, unless it is set; what does not fit is cut and flagged."""
    if row.size[field] != 0 or end <= start:
        return
    at = np.int64(row.text_used)
    count = np.int64(end - start)
    if count > TEXT_ROOM - at:
        count = np.int64(TEXT_ROOM - at)
        row.flags = row.flags | FLAG_CUT
    copy_bytes(row.text, at, buf, start, count)
    row.at[field] = at
    row.size[field] = count
    row.text_used = at + count


@kernel
def replace_text(row: Any, field: Integer, buf: Any, start: Integer, end: Integer) -> None:
    """As `put_text`, in place of what the field held."""
    at = np.int64(row.at[field])
    if end - start <= np.int64(row.size[field]):
        text = row.text
        for i in range(end - start):
            text[at + i] = buf[start + i]
        row.size[field] = max(end - start, 0)
        return
    row.size[field] = 0
    put_text(row, field, buf, start, end)


@kernel
def put_item(row: Any, field: Integer, buf: Any, start: Integer, end: Integer) -> bool:
    """Add `buf[start:end]` (cut to 255 bytes) to a list field; False, and flagged, when there is no room for it."""
    size = np.int64(row.size[field])
    used = np.int64(row.text_used)
    count = min(end - start, 255)
    if count < end - start:
        row.flags = row.flags | FLAG_CUT
    moved = size != 0 and np.int64(row.at[field]) + size != used
    if count < 0 or moved or used + 1 + count > TEXT_ROOM:
        row.flags = row.flags | FLAG_CUT
        return False
    if size == 0:
        row.at[field] = used
    text = row.text
    text[used] = count
    copy_bytes(text, used + 1, buf, start, count)
    row.size[field] = size + 1 + count
    row.text_used = used + 1 + count
    return True


class IncompleteError(ValueError):
    """The beginning of a message: more bytes or datagrams may complete it."""


@dataclass(frozen=True, slots=True)
class Names:
    """A names row for people: text decoded as UTF-8 with other bytes as `\\xhh`; None or () where nothing was found."""

    service: str = "unknown"
    server_name: str | None = None
    alpn: str | None = None
    ja4: str | None = None
    tls_version: int | None = None
    cert_names: tuple[str, ...] = ()
    http_method: str | None = None
    http_uri: str | None = None
    http_status: int | None = None
    dialect: int | None = None
    user_agent: str | None = None
    dns_query: str | None = None
    dns_type: int | None = None
    dns_rcode: int | None = None
    dns_answers: tuple[str, ...] = ()
    dns_ttl: int | None = None
    ssh_client: str | None = None
    ssh_server: str | None = None
    hassh: str | None = None
    flags: int = 0


def new_rows(count: int, flags: int = 0) -> npt.NDArray[Any]:
    """`count` empty names rows."""
    rows = np.zeros(count, NAMES)
    rows["flags"] = flags
    rows["dns_rcode"] = NO_RCODE
    return rows


def text_bytes(row: Any, field: int) -> bytes:
    """Raw bytes of a text field, b"" when unset."""
    at, size = int(row["at"][field]), int(row["size"][field])
    return bytes(row["text"][at : at + size].tobytes())


def _items(raw: bytes) -> tuple[str, ...]:
    items, at = [], 0
    while at < len(raw):
        items.append(raw[at + 1 : at + 1 + raw[at]].decode("utf-8", "backslashreplace"))
        at += 1 + raw[at]
    return tuple(items)


def read_names(row: Any) -> Names:
    """The row as a `Names`; `row` is one element of an array of dtype `NAMES`."""
    from monitor.flows.services import SERVICE_NAMES

    found: dict[str, Any] = {"service": SERVICE_NAMES[int(row["service"])]}
    for number, name in enumerate(TEXT_FIELDS):
        raw = text_bytes(row, number)
        if name in ("dns_answers", "cert_names"):
            found[name] = _items(raw)
        else:
            found[name] = raw.decode("utf-8", "backslashreplace") or None
    found["tls_version"] = int(row["tls_version"]) or None
    found["http_status"] = int(row["http_status"]) or None
    found["dialect"] = int(row["dialect"]) or None
    found["dns_type"] = int(row["dns_type"]) or None
    found["dns_rcode"] = int(row["dns_rcode"]) if row["dns_rcode"] != NO_RCODE else None
    found["dns_ttl"] = int(row["dns_ttl"]) if row["dns_answer_count"] else None
    found["flags"] = int(row["flags"]) & ~(FLAG_KEEP_QUERY | FLAG_DNS_ASKED)
    return Names(**{entry.name: found[entry.name] for entry in fields(Names)})


def parse_with(function: Callable[..., int], payload: bytes, service: str, flags: int = 0) -> Names:
    """Run one protocol kernel over `payload` alone.

    Raises ValueError when the bytes are not that protocol, `IncompleteError` when they are only its beginning.
    """
    from monitor.flows.services import service_id

    row = new_rows(1, flags)[0]
    status = function(np.frombuffer(payload, np.uint8), 0, len(payload), row)
    if status == MORE:
        raise IncompleteError(f"{service}: incomplete after {len(payload)} bytes")
    if status != DONE:
        raise ValueError(f"not {service}: {payload[:16].hex()}{'…' if len(payload) > 16 else ''}")
    if row["service"] == 0:
        row["service"] = service_id(service)
    return read_names(row)

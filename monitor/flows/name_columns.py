"""The service columns that come from first payload: packed names of exported flows as Arrow arrays.

What `packed` wrote is read here; nothing is interpreted but numbers, which become the field's words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.flows.first_payload import HEAD_BYTES
from monitor.flows.names import NO_RCODE, TEXT_FIELDS
from monitor.flows.packed import (
    DNS_RCODE,
    DNS_TTL,
    DNS_TYPE,
    FIELDS,
    FIELDS_SET,
    HTTP_STATUS,
    TLS_VERSION,
    get16,
)
from monitor.flows.schema import column
from monitor.flows.words import rcode_word, type_word, version_word
from monitor.jit import kernel
from monitor.lean import arrow_function
from monitor.stack import stack_i64

Array = NDArray[Any]

_LISTS = ("dns_answers", "cert_names")


@kernel
def measure(places: Any, text: Any, sizes: Any, items: Any) -> None:
    """Bytes of each text field over all flows, and items of those that are lists.

    places: (n,) where each flow's packed names begin in text, -1: none; sizes, items: (FIELDS,) int64, set.
    """
    sizes[:] = 0
    items[:] = 0
    for place in places:
        if place < 0:
            continue
        fields = get16(text, place + FIELDS_SET)
        at = place + HEAD_BYTES
        for field in range(FIELDS):
            if (fields >> field) & 1:
                size = get16(text, at)
                at += 2
                sizes[field] += size
                k = 0
                while k < size:  # for lists; means nothing for others
                    k += 1 + text[at + k]
                    items[field] += 1
                at += size


@kernel
def unpack(
    places: Any, text: Any, numbers: Any, ttl: Any, offsets: Any, octets: Any, base: Any, item_at: Any, item_base: Any
) -> None:
    """Take the packed names apart.

    numbers: (4, n) uint16: TLS version, HTTP status, DNS type and code; ttl: (n,) uint32; offsets: (FIELDS, n + 1)
    int32, ends of each flow's text, for lists of its items; octets: the texts of all fields, field by field from `base`
    on; item_at: ends of the items of list fields, field by field from `item_base` on.
    """
    used, items = stack_i64(FIELDS), stack_i64(FIELDS)
    used[:] = 0
    items[:] = 0
    for i in range(len(places)):
        place = places[i]
        fields, at = 0, 0
        if place < 0:
            numbers[0, i] = numbers[1, i] = numbers[2, i] = 0
            numbers[3, i] = NO_RCODE
            ttl[i] = 0
        else:
            fields = get16(text, place + FIELDS_SET)
            at = place + HEAD_BYTES
            numbers[0, i], numbers[1, i] = get16(text, place + TLS_VERSION), get16(text, place + HTTP_STATUS)
            numbers[2, i], numbers[3, i] = get16(text, place + DNS_TYPE), get16(text, place + DNS_RCODE)
            ttl[i] = get16(text, place + DNS_TTL) | (get16(text, place + DNS_TTL + 2) << 16)
        for field in range(FIELDS):
            if (fields >> field) & 1:
                size = get16(text, at)
                at += 2
                if item_base[field] < 0:
                    for k in range(size):
                        octets[base[field] + used[field] + k] = text[at + k]
                    used[field] += size
                else:
                    k = 0
                    while k < size:
                        count = min(np.int64(text[at + k]), size - k - 1)
                        for m in range(count):
                            octets[base[field] + used[field] + m] = text[at + k + 1 + m]
                        used[field] += count
                        items[field] += 1
                        item_at[item_base[field] + items[field]] = used[field]
                        k += 1 + count
                at += size
            offsets[field, i + 1] = used[field] if item_base[field] < 0 else items[field]


def name_columns(places: Array, text: Array) -> dict[str, pa.Array]:
    """Columns of n flows by name, from where their packed names begin (-1: none) in `text`."""
    n = len(places)
    sizes, items = np.empty(FIELDS, np.int64), np.empty(FIELDS, np.int64)
    measure(places, text, sizes, items)
    base = np.cumsum(sizes) - sizes
    listed = np.array([name in _LISTS for name in TEXT_FIELDS])
    counts = np.where(listed, items + 1, 0)
    item_base = np.where(listed, np.cumsum(counts) - counts, -1)
    numbers, ttl = np.empty((4, n), np.uint16), np.empty(n, np.uint32)
    offsets = np.zeros((FIELDS, n + 1), np.int32)
    octets, item_at = np.empty(int(sizes.sum()), np.uint8), np.zeros(int(counts.sum()), np.int32)
    unpack(places, text, numbers, ttl, offsets, octets, base, item_at, item_base)
    found: dict[str, pa.Array] = {
        "tls_version": worded(numbers[0], version_word),
        "http_status": pa.array(numbers[1]),
        "dns_type": worded(numbers[2], type_word),
        "dns_rcode": worded(numbers[3], rcode_word),
        "dns_ttl": pa.array(ttl),
    }
    for field, name in enumerate(TEXT_FIELDS):
        piece = octets[base[field] : base[field] + sizes[field]]
        if listed[field]:
            ends = item_at[item_base[field] : item_base[field] + counts[field]]
            found[name] = pa.ListArray.from_arrays(pa.array(offsets[field]), text_array(ends, piece))
        else:
            values = text_array(offsets[field], piece)
            found[name] = arrow_function("dictionary_encode", values) if column(name).kind == "word" else values
    return found


def worded(numbers: Array, word: Callable[[int], str]) -> pa.Array:
    """Words for numbers, in a dictionary of those that occur."""
    if not len(numbers):
        return pa.DictionaryArray.from_arrays(pa.array([], pa.int32()), pa.array([], pa.string()))
    seen = np.bincount(numbers, minlength=1)
    values = np.flatnonzero(seen)
    place = np.zeros(len(seen), np.int32)
    place[values] = np.arange(len(values), dtype=np.int32)
    return pa.DictionaryArray.from_arrays(
        pa.array(place[numbers]), pa.array([word(int(value)) for value in values], pa.string())
    )


def text_array(offsets: Array, characters: Array) -> pa.Array:
    """Strings from n + 1 int32 offsets into their UTF-8 bytes, without a copy."""
    return pa.StringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(characters[: offsets[-1]]))

"""Flow records as Arrow batches: the arrays around the export kernel, and the columns that no kernel fills."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.flows import export
from monitor.flows.community import COMMUNITY_ID_BYTES
from monitor.flows.name_columns import name_columns, text_array
from monitor.flows.schema import COLUMNS, SPLT, Column, arrow_schema
from monitor.flows.services import SERVICE_NAMES
from monitor.flows.state import HISTORY, STATES
from monitor.flows.table import Ended
from monitor.flows.tunnels import chain_name
from monitor.flows.zones import DIRECTIONS, Zones

Array = NDArray[Any]


class Records:
    """Makes record batches for one sensor and run; zones are those of the settings."""

    def __init__(self, zones: Zones, sensor: str, run_id: str) -> None:
        self._zones = zones
        self._vocabulary = {
            "state": STATES,
            "service": SERVICE_NAMES,
            "direction": DIRECTIONS,
            "src_zone": zones.names,
            "dst_zone": zones.names,
        }
        self._constant = {"sensor": sensor, "run_id": run_id}

    def batch(self, ended: Ended) -> pa.RecordBatch:
        """A record batch of ended flows; score columns say `not scored`."""
        flows, sides = ended.flows, ended.sides
        n = len(flows)
        values: dict[str, pa.Array] = {}
        u64 = np.empty((len(export.U64), n), np.uint64)
        u32 = np.empty((len(export.U32), n), np.uint32)
        u16 = np.empty((len(export.U16), n), np.uint16)
        u8 = np.empty((len(export.U8), n), np.uint8)
        f4 = np.empty((len(export.F4), n), np.float32)
        words = np.empty((len(export.WORDS), n), np.int32)
        duration = np.empty(n, np.float64)
        src_ip, dst_ip = np.empty((n, 16), np.uint8), np.empty((n, 16), np.uint8)
        ids = np.empty(n * COMMUNITY_ID_BYTES, np.uint8)
        splt_at, history_at = np.empty(n + 1, np.int32), np.empty(n + 1, np.int32)
        splt_len, splt_iat = np.empty(n * SPLT, np.int32), np.empty(n * SPLT, np.uint32)
        history = np.empty(n * HISTORY, np.uint8)
        export.fill(
            flows, sides, u64, u32, u16, u8, f4, words, duration, src_ip, dst_ip, ids, splt_at, splt_len, splt_iat,
            history_at, history, self._zones.home, self._zones.ranges,
        )  # fmt: skip
        for names, matrix in (
            (export.U64, u64),
            (export.U32, u32),
            (export.U16, u16),
            (export.U8, u8),
            (export.F4, f4),
        ):
            for name, row in zip(names, matrix, strict=True):
                values[name] = pa.array(row)
        for name in ("start", "end"):
            values[name] = values[name].view(pa.timestamp("us", tz="UTC"))
        for name, row in zip(export.WORDS, words, strict=True):
            values[name] = pa.DictionaryArray.from_arrays(pa.array(row), pa.array(self._vocabulary[name], pa.string()))
        values["duration"] = pa.array(duration)
        values["src_ip"], values["dst_ip"] = fixed_binary(src_ip), fixed_binary(dst_ip)
        values["community_id"] = text_array(
            np.arange(0, (n + 1) * COMMUNITY_ID_BYTES, COMMUNITY_ID_BYTES, dtype=np.int32), ids
        )
        values["history"] = text_array(history_at, history)
        values["splt_len"] = list_array(splt_at, splt_len)
        values["splt_iat"] = list_array(splt_at, splt_iat)
        values["tunnel"] = tunnel_words(u64[export.U64.index("chain")])
        values |= name_columns(flows["names"], ended.text)
        values["service_on_odd_port"] = pa.array(u8[export.U8.index("service_on_odd_port")].astype(np.bool_))
        return pa.RecordBatch.from_arrays(
            [self._finish(column, values.get(column.name), n) for column in COLUMNS], schema=arrow_schema()
        )

    def _finish(self, column: Column, array: pa.Array | None, n: int) -> pa.Array:
        """The array, or the column's default for n rows when no kernel fills it."""
        if array is not None:
            return array
        if column.kind == "word":
            word = self._constant.get(column.name, "")
            return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array([word], pa.string()))
        if column.kind == "text":
            return text_array(np.zeros(n + 1, np.int32), np.empty(0, np.uint8))
        if column.kind == "words":
            nothing = text_array(np.zeros(1, np.int32), np.empty(0, np.uint8))
            return pa.ListArray.from_arrays(pa.array(np.zeros(n + 1, np.int32)), nothing)
        default = 1 if column.name == "p_value" else 0
        return pa.array(np.full(n, default, column.arrow.to_pandas_dtype()))


def fixed_binary(rows: Array) -> pa.Array:
    """(n, 16) uint8 as n 16-byte values, without a copy."""
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(rows), [None, pa.py_buffer(rows)])


def list_array(offsets: Array, items: Array) -> pa.Array:
    """Lists of numbers from n + 1 int32 offsets."""
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(items[: offsets[-1]]))


def tunnel_words(chains: Array) -> pa.Array:
    """The `tunnel` column from the chains' codes."""
    if not chains.any():
        return pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(chains), np.int32)), pa.array([""], pa.string()))
    codes, places = np.unique(chains, return_inverse=True)
    return pa.DictionaryArray.from_arrays(
        pa.array(places.astype(np.int32)), pa.array([chain_name(int(code)) for code in codes], pa.string())
    )

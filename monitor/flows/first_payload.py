"""Memory of the first payload of flows: what is being read now, streams put together, and names that were found.

Three pools of fixed size, together within the setting `first_payload_memory`. What happens in them is in `naming`,
`reassembly` and `packed`; they are reached by address from kernels that are compiled apart from the flow table.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.flows.names import FLAG_KEEP_QUERY, NAMES, TEXT_FIELDS, TEXT_ROOM
from monitor.flows.pools import POOL, SLOT, new_pool

TAKE, EXPORT, RELEASE = 0, 1, 2
"""Steps of `naming.step`: read a packet's payload, write a flow's names beside its exported row, let go of a flow."""

STREAM_BYTES = 8192
"""Bytes of one side that are put together at most; over QUIC, of the client's handshake."""
MAX_ID = 20
"""Bytes of a QUIC connection id at most (RFC 9000, 17.2)."""

READING = np.dtype(
    [
        ("stream", "i4", (2,)),  # of each endpoint: slot of its stream; -1: nothing had to be kept
        ("joined", "i4", (2,)),  # bytes of the stream without a gap
        ("high", "i4", (2,)),  # end of what came, with gaps
        ("fed", "i4", (2,)),  # `joined` when a parser saw it last
        ("turns", "u2", (2,)),  # segments or datagrams that came
        ("cut", "u1", (2,)),  # some of it was not captured
        ("turned", "u1"),  # the initiator is read as the server
        ("identity_size", "i1"),  # QUIC: of the client's connection id that its keys come from; -1: none yet
        ("identity", "u1", (MAX_ID,)),
    ],
    align=True,
)
"""A flow whose first payload is being read; beside it stands its row of NAMES."""

HEAD_BYTES = 16
"""What a packed names row begins with (see `packed`)."""
PACKED_BYTES = HEAD_BYTES + 2 * len(TEXT_FIELDS) + TEXT_ROOM
"""Bytes of a packed names row at most."""

CELL_BYTES = 60
CELL = np.dtype([("next", "i4"), ("octets", "u1", (CELL_BYTES,))], align=True)
"""A piece of a packed names row (see `packed`); -1 ends the chain."""

CONTROL = np.dtype(
    [
        # set once: addresses of arrays (see `apart`), and their lengths
        *((name, "i8") for name in ("flows", "flow_count", "sides", "readings", "names", "reading_slots")),
        *((name, "i8") for name in ("streams", "marks", "stream_slots", "cells", "keep_query")),
        # set before each batch, and with each new export buffer
        *((name, "i8") for name in ("data", "data_size", "packets", "packet_count")),
        *((name, "i8") for name in ("out_flows", "out_count", "out_text", "out_text_size", "out_text_used")),
        ("reading_pool", POOL),
        ("stream_pool", POOL),
        ("cell_count", "i8"),
        ("cell_fresh", "i8"),
        ("cell_free", "i8"),
        # counters
        ("hurried", "i8"),  # flows whose reading ended early, for the memory's sake
        ("unnamed", "i8"),  # flows whose names were found, and no room to keep them
    ],
    align=True,
)
"""All that a kernel needs to know; one row."""


class FirstPayload:
    """The arrays, and the control row with their addresses. Pages are touched only as they are needed."""

    def __init__(self, memory: int, flows: Any, sides: Any, *, keep_query: bool) -> None:
        """`memory`: bytes for all pools; `flows`, `sides`: of the flow table."""
        self.streams_count = max(memory // 4 // (STREAM_BYTES + STREAM_BYTES // 8 + SLOT.itemsize), 2)
        self.readings_count = max(memory // 4 // (NAMES.itemsize + READING.itemsize + SLOT.itemsize), 2)
        cells = max(memory // 2 // CELL.itemsize, 32)
        self._flows, self._sides = flows, sides
        self._readings = np.zeros(self.readings_count, READING)
        self._names = np.zeros(self.readings_count, NAMES)
        self._reading_slots = np.zeros(self.readings_count, SLOT)
        self._streams = np.zeros(self.streams_count * STREAM_BYTES, np.uint8)
        self._marks = np.zeros(self.streams_count * STREAM_BYTES // 8, np.uint8)
        self._stream_slots = np.zeros(self.streams_count, SLOT)
        self._cells = np.zeros(cells, CELL)
        self._batch: tuple[Any, ...] = ()
        self._out: tuple[Any, Any] = (np.empty(0, np.uint8), flows[:0])
        self.control = control = np.zeros(1, CONTROL)
        for name, array in (
            ("flows", flows), ("sides", sides), ("readings", self._readings), ("names", self._names),
            ("reading_slots", self._reading_slots), ("streams", self._streams), ("marks", self._marks),
            ("stream_slots", self._stream_slots), ("cells", self._cells),
        ):  # fmt: skip
            control[name] = array.ctypes.data
        control["flow_count"] = len(flows)
        control["reading_pool"] = new_pool(self.readings_count)
        control["stream_pool"] = new_pool(self.streams_count)
        control["cell_count"], control["cell_free"] = cells, -1
        control["keep_query"] = FLAG_KEEP_QUERY if keep_query else 0

    @property
    def bytes(self) -> int:
        """Most memory that it can come to."""
        arrays = (
            self._readings, self._names, self._reading_slots, self._streams, self._marks, self._stream_slots,
            self._cells,
        )  # fmt: skip
        return sum(array.nbytes for array in arrays)

    @property
    def unnamed(self) -> int:
        """Flows whose names were not read to their end, or not kept, for want of memory."""
        return int(self.control["hurried"][0] + self.control["unnamed"][0])

    def read_from(self, data: Any, packets: Any) -> None:
        """Say where the bytes of the next packets are; both arrays are kept until the next call."""
        self._batch = (data, packets)
        control = self.control
        control["data"], control["data_size"] = data.ctypes.data, len(data)
        control["packets"], control["packet_count"] = packets.ctypes.data, len(packets)

    def write_to(self, flows: Any, text: Any) -> None:
        """Say where exported flows and their names go; the arrays are kept until the next call."""
        control = self.control
        self._out = (text, flows)
        control["out_flows"], control["out_count"] = flows.ctypes.data, len(flows)
        control["out_text"], control["out_text_size"], control["out_text_used"] = text.ctypes.data, len(text), 0

    def move(self, text: Any, flows: Any) -> int:
        """Bring the names of a few exported flows over from another export buffer's text; the bytes that they take."""
        out, _ = self._out
        used = 0
        for flow in flows:
            if (at := int(flow["names"])) >= 0:
                size = int(text[at]) | int(text[at + 1]) << 8
                out[used : used + size] = text[at : at + size]
                flow["names"] = used
                used += size
        self.control["out_text_used"] = used
        return used

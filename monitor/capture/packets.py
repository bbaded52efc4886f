"""What every source of packets hands on: raw bytes in one array and, beside it, one row of facts a packet.

Capture files and the live ring both make it; nothing here knows a protocol above the link type.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

NO_CLOCK: Final = 1 << 31
"""Added to an interface's place: the packet's record has no time (pcapng's Simple Packet Block)."""


@dataclass(frozen=True, slots=True)
class Interface:
    """What a capture says of one of its interfaces, so that a copy can say the same."""

    link: int
    """LINKTYPE_ number."""
    snaplen: int
    """Most bytes kept of a packet; 0: all."""
    resolution: int
    """Unit of its clock as in pcapng's if_tsresol: 6 is µs, 9 is ns, 0x80 + n is 2**-n s."""
    zero: int
    """Seconds to add to its times (if_tsoffset)."""
    big: bool
    """Whether its records are big endian."""
    header: int
    """Bytes of a record before the packet in classic pcap; 0: pcapng."""
    name: str = ""


@dataclass(frozen=True, slots=True)
class PacketBatch:
    """A run of packets in capture order. All arrays but `data` have one entry a packet.

    The arrays may be views of a mapped file: valid until the source is asked for the batch after the next.
    """

    data: NDArray[np.uint8]
    """Bytes that the packets lie in (a mapped file, a chunk of a stream, a ring block). Read-only: kernels are compiled
    for one array type, and a mapped file has no other."""
    offset: NDArray[np.int64]
    """Where in `data` the packet's first byte is."""
    captured: NDArray[np.uint32]
    """Bytes present in `data`."""
    wire: NDArray[np.uint32]
    """Bytes that the packet had on the wire (>= captured, unless the file lies)."""
    time: NDArray[np.int64]
    """Event time, µs since 1970 UTC."""
    link: NDArray[np.uint16]
    """Link type (LINKTYPE_ number of the tcpdump registry)."""
    interface: NDArray[np.uint32] | None = None
    """Place of its interface in the reader's `interfaces`, plus `NO_CLOCK` when its record has no time of its own; None
    where the source does not tell."""

    def __len__(self) -> int:
        return len(self.offset)

    def part(self, which: slice | NDArray[np.bool_]) -> PacketBatch:
        """The batch of those of its packets."""
        return PacketBatch(
            self.data,
            self.offset[which],
            self.captured[which],
            self.wire[which],
            self.time[which],
            self.link[which],
            None if self.interface is None else self.interface[which],
        )

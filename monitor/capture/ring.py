"""Reads a TPACKET_V3 ring in place: blocks of packets as batches whose bytes are the ring's own memory.

The socket is made in `packet_socket`; when to wait and what time it is are up to `live`. Layout: linux/if_packet.h.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.capture.packet_socket import TAG_ROOM, RingShape
from monitor.capture.packets import PacketBatch
from monitor.capture.scan import Rows
from monitor.jit import Integer, kernel

_STATUS, _COUNT, _FIRST, _SEQUENCE, _FIRST_TIME = 2, 3, 4, 6, 8
"""Words (u32) of a block's descriptor; the sequence number and the time take two."""
_KERNEL, _USER = 0, 1
_VLAN_VALID, _TPID_VALID, _RAW_HARDWARE = 1 << 4, 1 << 6, 1 << 31
_SHORTEST: Final = 96
"""Bytes that a packet takes in a block, at least: its header of 48, the sender's address of 20, alignment."""

OVERSIZED, TAGGED, HARDWARE, FACTS = 0, 1, 2, 3
"""Places in the array of facts about a block's packets, and its size."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block that the kernel has handed over, and its packets; valid until it is released."""

    index: int
    sequence: int
    batch: PacketBatch
    oversized: int
    """Frames longer than the interface can carry: an offload (GRO, LRO) merged packets before they got here."""
    hardware: int
    """Packets with the card's own stamp."""
    bytes: int


class Ring:
    """The blocks of one socket's ring, in order."""

    def __init__(self, descriptor: int, shape: RingShape, link: int, longest: int) -> None:
        """Map the ring of a packet socket. `link`: LINKTYPE_ of its frames; `longest`: bytes of a frame by the MTU.

        A ring that another process read before goes on with the oldest block that was not released.
        """
        self._map = mmap.mmap(descriptor, shape.size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        self._bytes: NDArray[np.uint8] = np.frombuffer(self._map, np.uint8)
        self._words = self._bytes.view(np.uint32)
        self.data: NDArray[np.uint8] = self._bytes.view()
        self.data.flags.writeable = False
        self._shape = shape
        self._rows = Rows(shape.block_bytes // _SHORTEST)
        self._rows.link[:] = link
        self._facts = np.zeros(FACTS, np.int64)
        self.longest = longest
        self._next = self._oldest()

    def waiting(self) -> int:
        """Blocks that the kernel has handed over and we have not released."""
        return int(np.count_nonzero(self._words[self._descriptor(np.arange(self._shape.blocks)) + _STATUS] & _USER))

    def ready(self) -> bool:
        """Whether the next block is ours to read."""
        return bool(self._words[self._descriptor(self._next) + _STATUS] & _USER)

    def sequence(self) -> int:
        """The number that the kernel gave to the next block; only with `ready`."""
        return self._sequence(self._next)

    def first_time(self) -> tuple[int, int]:
        """Seconds and nanoseconds of the next block's first packet; only with `ready`."""
        at = self._descriptor(self._next)
        return int(self._words[at + _FIRST_TIME]), int(self._words[at + _FIRST_TIME + 1])

    def packets(self) -> int:
        """How many packets the next block has; only with `ready`."""
        return int(self._words[self._descriptor(self._next) + _COUNT])

    def read(self) -> Block:
        """The next block; only with `ready`. It is the same one until it is released."""
        index = self._next
        words = self._descriptor(index)
        rows = self._rows
        rows.count = walk(
            self._words, self._bytes, index * self._shape.block_bytes, self._shape.block_bytes,
            int(self._words[words + _COUNT]), int(self._words[words + _FIRST]), rows.offset, rows.captured, rows.wire,
            rows.time, self.longest, self._facts,
        )  # fmt: skip
        batch = rows.batch(self.data)
        oversized, hardware = int(self._facts[OVERSIZED]), int(self._facts[HARDWARE])
        size = int(batch.wire.sum(dtype=np.int64))
        return Block(index, self._sequence(index), batch, oversized, hardware, size)

    def release(self) -> None:
        """Give the next block back to the kernel."""
        self._words[self._descriptor(self._next) + _STATUS] = _KERNEL
        self._next = (self._next + 1) % self._shape.blocks

    def _descriptor(self, index: Any) -> Any:
        return index * (self._shape.block_bytes // 4)

    def _sequence(self, index: int) -> int:
        at = self._descriptor(index) + _SEQUENCE
        return int(self._words[at]) | int(self._words[at + 1]) << 32

    def _oldest(self) -> int:
        """The block to begin with: the oldest that is ours, else the one that the kernel is filling."""
        numbers = [self._sequence(index) for index in range(self._shape.blocks)]
        ours = [index for index in range(self._shape.blocks) if self._words[self._descriptor(index) + _STATUS] & _USER]
        return min(ours, key=numbers.__getitem__) if ours else int(np.argmax(numbers))


@kernel
def walk(
    words: Any, octets: Any, base: Integer, size: Integer, count: Integer, first: Integer,
    offset: Any, captured: Any, wire: Any, time: Any, longest: Integer, facts: Any,
) -> Integer:  # fmt: skip
    """Fill the rows of a block's packets; how many there are. Outer VLAN tags go back to where they were on the wire.

    words, octets: the ring as u32 and u8; base, size: the block's place; first: of its first header; facts: (FACTS,).
    """
    facts[:] = 0
    at = first
    room = len(offset)
    n = 0
    while n < count and n < room and 48 <= at <= size - 48:
        word = (base + at) >> 2
        status = np.int64(words[word + 5])
        length = np.int64(words[word + 3])
        original = np.int64(words[word + 4])
        mac = at + np.int64(words[word + 6] & np.uint32(0xFFFF))
        if mac + length > size:  # the kernel is trusted to be right, but never with memory
            break
        if original > longest:
            facts[OVERSIZED] += 1
        if status & _RAW_HARDWARE:
            facts[HARDWARE] += 1
        if status & _VLAN_VALID and length >= 12:
            mac = put_back_tag(octets, base + mac, words[word + 8], words[word + 9], status) - base
            length += TAG_ROOM
            original += TAG_ROOM
            words[word + 3] = length  # the header says what is there now: who reads the block again finds no tag to put
            words[word + 4] = original
            words[word + 5] = status & ~_VLAN_VALID
            words[word + 6] -= np.uint32(TAG_ROOM)
            facts[TAGGED] += 1
        offset[n] = base + mac
        captured[n] = length
        wire[n] = original
        time[n] = np.int64(words[word + 1]) * 1_000_000 + np.int64(words[word + 2]) // 1000
        n += 1
        step = np.int64(words[word])
        if step == 0:
            break
        at += step
    return n


@kernel
def put_back_tag(octets: Any, frame: Integer, tci: Any, tpid: Any, status: Integer) -> Integer:
    """Move the two MAC addresses into the room before the frame and write the tag behind them; the new beginning.

    What libpcap does too (pcap-linux.c).
    """
    start = frame - TAG_ROOM
    for i in range(12):
        octets[start + i] = octets[frame + i]
    kind = np.int64(tpid) & 0xFFFF if status & _TPID_VALID else 0x8100
    tag = np.int64(tci) & 0xFFFF
    octets[start + 12] = kind >> 8
    octets[start + 13] = kind & 0xFF
    octets[start + 14] = tag >> 8
    octets[start + 15] = tag & 0xFF
    return start


def warm_up() -> None:
    """Load the kernel before packets wait for it."""
    octets = np.zeros(128, np.uint8)
    rows = Rows(1)
    facts = np.zeros(FACTS, np.int64)
    walk(octets.view(np.uint32), octets, 0, 128, 0, 48, rows.offset, rows.captured, rows.wire, rows.time, 1500, facts)

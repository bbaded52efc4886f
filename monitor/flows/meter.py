"""The flow meter: packet batches in, flow records out; decoding, the flow table and the columns in a thread each.

It owns the arrays that live from batch to batch; what happens to a packet is in `decode` and `account`.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from monitor.capture import PacketBatch
from monitor.flows.account import account, advance, drain
from monitor.flows.ahead import ahead
from monitor.flows.decode import MAX_DEPTH, decode_batch
from monitor.flows.duplicates import SEEN, SEEN_SLOTS
from monitor.flows.first_payload import FirstPayload
from monitor.flows.fragments import FRAGMENT, FRAGMENT_SLOTS
from monitor.flows.mirror import Mirror
from monitor.flows.names import FLAG_KEEP_QUERY
from monitor.flows.naming import step
from monitor.flows.packet import OUTCOMES, PACKET, UNDECODABLE, balance
from monitor.flows.table import EXPORTS_A_PACKET, Ended, Table, export_buffer
from monitor.flows.wheel import SECOND
from monitor.flows.zones import Zones
from monitor.jit import address_of
from monitor.lean import load_pyarrow

if TYPE_CHECKING:
    import pyarrow as pa

    from monitor.flows.records import Records

EXPORT_ROWS = 65536
"""Flows of a hand-over, the last one aside."""

DECODED_AHEAD = 3
"""Batches that may be decoded before the flow table has seen them."""

ENDED_AHEAD = 2
"""Lots of ended flows that may wait to become columns."""

DEDUP_WINDOW = 5_000
"""µs within which an equal packet is the mirror's second copy, not a retransmission."""


_BROKEN = [int(outcome) for outcome in UNDECODABLE]


@dataclass(slots=True)
class Counters:
    """What became of packets and flows; `packets == decoded + sum(ignored) + sum(dropped)` at every moment."""

    packets: int = 0
    bytes: int = 0
    decoded: int = 0
    ignored: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    flows: int = 0
    evicted: int = 0
    active: int = 0
    peak_active: int = 0
    clock_steps: int = 0
    undecodable: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By reason: packets that are broken though captured whole, and the number of the first of them, from 0."""
    mirror: Mirror = field(default_factory=Mirror)
    """What the flows tell about the mirror."""
    unnamed: int = 0
    """Flows whose names were not read to their end, or not kept, because the memory for it was full."""


class FlowMeter:
    """Turns packets into flow records. One meter serves one stream of packets, once."""

    def __init__(
        self,
        settings: Any,
        *,
        sensor: str = "",
        run_id: str = "",
        zones: Zones | None = None,
        export_rows: int = EXPORT_ROWS,
    ) -> None:
        """`settings`: the [flows] section of monitor.toml (`monitor.config.FlowSettings`), times in seconds.

        `export_rows`: flows of a hand-over, the last one aside.
        """
        self._seed = int.from_bytes(os.urandom(8), "little")
        self._sensor, self._run_id = sensor, run_id
        self._export_rows = export_rows
        self._table = Table(settings.max_flows, export_rows + EXPORTS_A_PACKET)
        self._fragments = np.zeros(FRAGMENT_SLOTS, FRAGMENT)
        self._seen = np.zeros(SEEN_SLOTS, SEEN)
        self._outcomes = np.zeros(OUTCOMES, np.int64)
        self._bytes = 0
        self._undecodable: dict[str, tuple[int, int]] = {}
        self._mirror = Mirror()
        self._rows = np.empty(0, PACKET)
        self.decoded = self._rows
        """Rows of PACKET of the batch that was last pushed."""
        self._spare: deque[Ended] = deque(maxlen=ENDED_AHEAD + 3)
        table = self._table
        self._payload = FirstPayload(
            settings.first_payload_memory, table.flows, table.sides, keep_query=settings.keep_query
        )
        self._payload.write_to(table.out.flows, table.out.text)
        self.renew(settings, zones or Zones({}, ()))
        self._naming = np.array([address_of(step, 4), self._payload.control.ctypes.data], np.int64)

    def renew(self, settings: Any, zones: Zones) -> None:
        """Take other time-outs, `dedup`, `keep_query` and zones from the next packet on; flows stay.

        What is bounded stays as it is: `max_flows`, `first_payload_memory`.
        """
        self._timeouts = np.array(
            [
                round(seconds * 1_000_000)
                for seconds in (
                    settings.tcp_attempt, settings.tcp_closed, settings.tcp_idle, settings.udp, settings.icmp,
                    settings.active, settings.tunnel,
                )
            ],
            np.int64,
        )  # fmt: skip
        self._dedup = DEDUP_WINDOW if settings.dedup else 0
        self._payload.control["keep_query"] = FLAG_KEEP_QUERY if settings.keep_query else 0
        self._zones = zones
        self._records: Records | None = None

    @property
    def outcomes(self) -> NDArray[np.int64]:
        """Packets by Outcome (OUTCOMES,) so far; `balance` names them."""
        return self._outcomes.copy()

    @property
    def counters(self) -> Counters:
        """A copy of the counters as they stand."""
        control = self._table.control[0]
        outcomes = self.outcomes
        decoded, ignored, dropped = balance(outcomes)
        return Counters(
            packets=int(outcomes.sum()),
            bytes=self._bytes,
            decoded=decoded,
            ignored=ignored,
            dropped=dropped,
            flows=int(control["exported"]),
            evicted=int(control["evicted"]),
            active=int(control["used"]),
            peak_active=int(control["peak"]),
            clock_steps=int(control["clock_steps"]),
            undecodable=dict(self._undecodable),
            mirror=replace(self._mirror),
            unnamed=self._payload.unnamed,
        )

    def payload_filled(self) -> float:
        """How full the memory for first payloads is, 0 to 1; takes up to some ms."""
        from monitor.flows.filling import filled

        return float(filled(self._payload.control[0]))

    def records(self, batches: Iterable[PacketBatch]) -> Iterator[pa.RecordBatch]:
        """Flow records in the order in which flows end; at the end of `batches` all that are left."""
        for lot in ahead(self.ended(batches), ENDED_AHEAD, "flow table"):
            yield self.columns(lot)

    def columns(self, lot: Ended) -> pa.RecordBatch:
        """Ended flows as a record batch; their rows are used again afterwards."""
        if self._records is None:
            load_pyarrow()  # only now: the first packets are metered meanwhile
            from monitor.flows.records import Records

            self._records = Records(self._zones, self._sensor, self._run_id)
        batch = self._records.batch(lot)
        self._spare.append(lot.whole or lot)
        self._mirror.add(batch)
        return batch

    def ended(self, batches: Iterable[PacketBatch]) -> Iterator[Ended]:
        """As `records`, before they become columns; the rows are the taker's."""
        for batch, packets in ahead(self._decoded(batches), DECODED_AHEAD, "decode"):
            yield from self._account(batch, packets)
        yield from self.drain()

    def push(self, batch: PacketBatch) -> Iterator[Ended]:
        """Decode and account a batch in the caller's thread, to the end before it is touched again; lots as in `ended`.

        For a source that wants its bytes back at once. Ended flows short of a full lot wait for `take`.
        """
        if len(self._rows) < len(batch):
            self._rows = np.empty(len(batch), PACKET)
        self.decoded = self._rows[: len(batch)]
        yield from self._account(batch, self.decode(batch, self.decoded))

    def advance(self, time: int) -> Iterator[Ended]:
        """Event time has come to `time` (µs), and no packet from before is still to come: end what is over by then."""
        table = self._table
        while not advance(time // SECOND, self._timeouts, self._naming, *table.arrays()):
            yield self._take()

    def take(self) -> Iterator[Ended]:
        """The flows that ended and wait in the export buffer, however few."""
        while self._table.control["out"][0]:
            yield self._take()

    def drain(self) -> Iterator[Ended]:
        """All flows that are left, ended or not: there will be no more packets."""
        while not drain(self._naming, *self._table.arrays()):
            yield self._take()
        yield from self.take()

    def _account(self, batch: PacketBatch, packets: NDArray[Any]) -> Iterator[Ended]:
        done = 0
        self._payload.read_from(batch.data, packets)
        while done < len(packets):
            done = account(packets, done, batch.data, self._timeouts, self._naming, *self._table.arrays())
            if done < len(packets) or self._table.control["out"][0] >= self._export_rows:
                yield self._take()

    def _take(self) -> Ended:
        """Take `export_rows` flows (fewer at the end) out of the export buffer, whatever the batches of packets were.

        The buffer itself goes to the taker; one that came back, or else a new one, stands in its place.
        """
        table = self._table
        full = table.out
        table.out = self._spare.pop() if self._spare else export_buffer(len(full))
        self._payload.write_to(table.out.flows, table.out.text)
        ended = int(table.control["out"][0])
        n = min(ended, self._export_rows)
        table.out.flows[: ended - n] = full.flows[n:ended]
        table.out.sides[: 2 * (ended - n)] = full.sides[2 * n : 2 * ended]
        table.control["out_text"] = self._payload.move(full.text, table.out.flows[: ended - n])
        table.control["out"] = ended - n
        return Ended(full.flows[:n], full.sides[: 2 * n], full.text, full)

    def _decoded(self, batches: Iterable[PacketBatch]) -> Iterator[tuple[PacketBatch, NDArray[Any]]]:
        """Batches with their decoded packets, in rows that are used again once the flow table is done with them."""
        rows = [np.empty(0, PACKET) for _ in range(DECODED_AHEAD + 3)]
        for number, batch in enumerate(batches):
            place = number % len(rows)
            if len(rows[place]) < len(batch):
                rows[place] = np.empty(len(batch), PACKET)
            yield batch, self.decode(batch, rows[place][: len(batch)])

    def decode(self, batch: PacketBatch, packets: NDArray[Any] | None = None) -> NDArray[Any]:
        """Decode one batch: a row of PACKET a packet, new ones unless given. Batches must come in order."""
        if packets is None:
            packets = np.empty(len(batch), PACKET)
        broken, number = self._outcomes[_BROKEN].sum(), int(self._outcomes.sum())
        decode_batch(
            batch.data, batch.offset, batch.captured, batch.wire, batch.time, batch.link, packets, self._fragments,
            self._seen, self._outcomes, np.uint64(self._seed), MAX_DEPTH, self._dedup,
        )  # fmt: skip
        self._bytes += int(batch.wire.sum(dtype=np.int64))
        if self._outcomes[_BROKEN].sum() != broken:
            self._note_undecodable(batch, packets, number)
        return packets

    def _note_undecodable(self, batch: PacketBatch, packets: NDArray[Any], number: int) -> None:
        """Which packets of a batch (the first has that number) are broken, rather than cut short by the capture."""
        whole = batch.captured >= batch.wire
        for outcome in UNDECODABLE:
            places = np.flatnonzero((packets["outcome"] == outcome) & whole)
            if len(places):
                reason = outcome.name.lower()
                count, first = self._undecodable.get(reason, (0, number + int(places[0])))
                self._undecodable[reason] = count + len(places), first


def warm_up() -> None:
    """Load, or compile, every kernel that a first packet would wait for, with a meter of its own."""
    from monitor.settings import FlowSettings

    query = bytes.fromhex("12340100000100000000000007") + b"example\x00\x00\x01\x00\x01"
    datagram = (5353).to_bytes(2) + (53).to_bytes(2) + (8 + len(query)).to_bytes(2) + bytes(2) + query
    size = (20 + len(datagram)).to_bytes(2)
    packet = b"\x45\x00" + size + bytes(4) + b"\x40\x11\x00\x00" + bytes([192, 0, 2, 1, 192, 0, 2, 2]) + datagram
    data = np.frombuffer(bytes(12) + b"\x08\x00" + packet, np.uint8)  # read-only, as every source's
    length = np.array([len(data)], np.uint32)
    batch = PacketBatch(data, np.zeros(1, np.int64), length, length, np.ones(1, np.int64), np.ones(1, np.uint16))
    meter = FlowMeter(FlowSettings(max_flows=1024, first_payload_memory=1 << 20))
    for lots in (meter.push(batch), meter.advance(SECOND), meter.take(), meter.drain()):
        for lot in lots:
            meter.columns(lot)
    meter.payload_filled()

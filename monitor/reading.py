"""Captures to flow records: the first two stages, with progress, an account of every packet, and an end at Ctrl-C.

A first interrupt ends the reading, and all that was read becomes a result; a second one gives up. What is done with the
records is up to `pipeline` and `learning`.
"""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from monitor.pacing import paced, within

if TYPE_CHECKING:
    import pyarrow as pa

    from monitor.capture import CaptureReader, Damage, MergedReader, PacketBatch
    from monitor.config import Settings
    from monitor.flows import FlowMeter
    from monitor.report import Progress

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Fates:
    """Flow records of a sensor by what became of them: all but those in the table, which still grow."""

    recovered: int
    """Of an earlier run, found in the spool at the start; the only ones that this run did not make."""
    stored: int
    spooled: int
    """On disk, for the next start."""
    set_aside: int
    """Kept beside the spool, since no store could take them."""
    lost: dict[str, int]
    """By reason, as in monitor_flows_lost."""


@dataclass(slots=True)
class Account:
    """What became of the packets of a run, and what was wrong with its captures."""

    packets: int = 0
    bytes: int = 0
    decoded: int = 0
    ignored: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    flows: int = 0
    evicted: int = 0
    """Flows that a full table ended before their time."""
    active: int = 0
    """Flows in the table."""
    fates: Fates | None = None
    """What became of a sensor's flows; None: they were not handed to a store's writer."""
    damage: list[Damage] = field(default_factory=list)
    undecodable: tuple[str, ...] = ()
    """Where packets are that could not be decoded though the capture has them whole, and why: a line each."""
    connections: int = 0
    """TCP flows that tell something about the mirror."""
    one_sided: int = 0
    """Of those, the ones of which one direction was never seen."""
    payload: int = 0
    """TCP payload by sequence number, bytes."""
    missed: int = 0
    """Of that, what never reached us."""
    unnamed: int = 0
    """Flows whose first payload was not read to its end, for want of memory."""
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """What part of the captures is read, and how fast."""

    since: datetime | None = None
    until: datetime | None = None
    """Event time, UTC; the second is excluded."""
    speed: float = 0.0
    """Times as fast as event time; 0: as fast as it goes."""


class Interrupt:
    """Turns the first SIGINT or SIGTERM within the context into a flag; the next one has its usual effect."""

    def __init__(self) -> None:
        self.seen = False

    def __enter__(self) -> Interrupt:
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _note(self, number: int, frame: object) -> None:
        self.seen = True
        self._restore()

    def _restore(self) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)


class Reading:
    """Packets of the captures through the flow meter, with progress, until their end or an interrupt."""

    def __init__(
        self,
        captures: Sequence[str],
        settings: Settings,
        progress: Progress,
        *,
        run_id: str = "",
        span: Span | None = None,
    ) -> None:
        """Raises CaptureError when a named capture is none."""
        from monitor.capture import merge_captures

        self._started = time.monotonic()
        self._progress = progress
        self._interrupt = Interrupt()
        self._span = span or Span()
        self.live = STDIN in captures
        self.reader: CaptureReader | MergedReader = merge_captures(
            captures, batch_packets=settings.capture.batch_packets
        )
        self.meter = _meter(settings, run_id)
        self._begun: list[tuple[int, str | None]] = [(0, None)]  # number of each capture's first packet, from 0

    def records(self) -> Iterator[pa.RecordBatch]:
        """Flow records in the order in which flows end."""
        with self._interrupt:
            yield from self._as_they_come() if self._span.speed else self.meter.records(self._packets())

    def _as_they_come(self) -> Iterator[pa.RecordBatch]:
        """At the pace of event time, and as soon as they end: what a live source gives."""
        for batch in paced(self._packets(), self._span.speed, lambda: self._interrupt.seen):
            for lot in (*self.meter.push(batch), *self.meter.take()):
                yield self.meter.columns(lot)
        for lot in self.meter.drain():
            yield self.meter.columns(lot)

    def _packets(self) -> Iterator[PacketBatch]:
        """Runs in the meter's thread."""
        reader = self.reader
        batches: Iterable[PacketBatch] = _waited_for(reader, self._interrupt) if self.live else reader
        for batch in within(batches, self._span.since, self._span.until):
            if self._interrupt.seen:
                return
            if reader.file != self._begun[-1][1]:
                self._begun.append((int(self.meter.outcomes.sum()), reader.file))
            yield batch
            self._progress.update(done=reader.bytes_read, total=reader.total_bytes, packets=reader.packets)

    @property
    def interrupted(self) -> bool:
        """Whether an interrupt ended the reading."""
        return self._interrupt.seen

    def _place(self, number: int) -> str:
        """Capture, and number in it from 1 (of those read), of a packet of the run."""
        from monitor.capture import shown

        begun, file = next(entry for entry in reversed(self._begun) if entry[0] <= number)
        return f"{shown(file) if file else 'captures, merged'}: packet {number - begun + 1:,}"

    def account(self) -> Account:
        """What became of the packets so far."""
        counters = self.meter.counters
        return Account(
            packets=counters.packets,
            bytes=counters.bytes,
            decoded=counters.decoded,
            ignored=counters.ignored,
            dropped=counters.dropped,
            flows=counters.flows,
            evicted=counters.evicted,
            active=counters.active,
            damage=list(self.reader.damage),
            undecodable=tuple(
                f"{self._place(first)}: cannot be decoded: {reason}" + (f", as {count:,} are in all" * (count > 1))
                for reason, (count, first) in counters.undecodable.items()
            ),
            connections=counters.mirror.connections,
            one_sided=counters.mirror.one_sided,
            payload=counters.mirror.payload,
            missed=counters.mirror.missed,
            unnamed=counters.unnamed,
            notes=self.reader.notes,
            seconds=time.monotonic() - self._started,
            interrupted=self._interrupt.seen,
        )


def _meter(settings: Settings, run_id: str) -> FlowMeter:
    from monitor.flows import FlowMeter, Zones

    zones = Zones(settings.zones, settings.home_networks)
    return FlowMeter(settings.flows, sensor=settings.sensor, run_id=run_id, zones=zones)


def _waited_for(reader: Iterable[PacketBatch], interrupt: Interrupt) -> Iterator[PacketBatch]:
    """The reader's batches; a thread waits for standard input in our stead, which an interrupt could not end."""
    arrived: queue.Queue[PacketBatch | BaseException | None] = queue.Queue(2)

    def wait() -> None:
        try:
            for batch in reader:
                arrived.put(batch)
            arrived.put(None)
        except BaseException as error:  # noqa: BLE001  (a thread's boundary: raised again in the taker's)
            arrived.put(error)

    threading.Thread(target=wait, name="stdin", daemon=True).start()
    while not interrupt.seen:
        try:
            item = arrived.get(timeout=0.1)
        except queue.Empty:
            continue
        if isinstance(item, BaseException):
            raise item
        if item is None:
            return
        yield item

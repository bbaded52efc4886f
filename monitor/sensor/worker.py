"""A worker process: takes blocks off the rings, meters them, hands flows to the main process; waits for nobody.

`python -m monitor.sensor.worker FD` with FD a socket of `orders`. It holds no privilege: its sockets are handed to it.
"""

from __future__ import annotations

import ctypes
import signal
import socket
import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from monitor.lean import load_pyarrow
from monitor.sensor import orders
from monitor.sensor.lane import Lane
from monitor.sensor.tally import MIRROR, RINGS, Tally

if TYPE_CHECKING:
    from monitor.capture import EvidenceRing, PacketBatch
    from monitor.config import Settings
    from monitor.flows import Ended, PacketIndex

LOT: Final = 4096
"""Flows of a hand-over while they come fast."""
EVERY: Final = 1.0
"""Seconds after which ended flows are handed over, however few."""
PATIENCE: Final = 0.05
"""Seconds to wait for packets before looking at the clock and the orders."""
SLACK: Final = 2_000_000
"""µs by which the clock that ages flows is behind the wall clock: what is on its way to us has arrived by then."""
DRAIN: Final = 0.3
"""Seconds for the last blocks: the kernel keeps one that is not full for a third of it."""
LAST: Final = 4.0
"""Seconds for handing over the whole table at the end; what the main process has not taken by then is lost."""
_PR_SET_PDEATHSIG: Final = 1
"""prctl(2): a signal to get when the parent ends."""


class Worker:
    """One worker: rings, flow table, and the way to the main process."""

    def __init__(self, end: socket.socket) -> None:
        load_pyarrow()
        from monitor.capture import LiveCapture
        from monitor.flows import FlowMeter

        self._end = end
        first, descriptors = orders.receive(end, wait=True) or ({}, [])
        settings = _settings(first["settings"])
        self._tally = Tally(descriptors[0])
        self._lanes = [
            Lane(descriptor, *shape) for descriptor, shape in zip(descriptors[1:3], first["lanes"], strict=True)
        ]
        for lane in self._lanes if settings.live.reserve_bytes else ():
            lane.reserve()
        self.capture = LiveCapture()
        shared = {
            name: getattr(settings.flows, name) // first["workers"] for name in ("max_flows", "first_payload_memory")
        }
        share = settings.flows.model_copy(update=shared)
        self.meter = FlowMeter(share, sensor=settings.sensor, zones=_zones(settings), export_rows=LOT)
        self._evidence: dict[int, EvidenceRing] = {}
        self._indices: dict[int, PacketIndex] = {}
        self._settings, self._number, self._workers = settings, int(first["number"]), int(first["workers"])
        self._drops_told = self._steps = 0
        self._stopping = False
        self._handed = time.monotonic()
        self._hardware = True

    def run(self) -> None:
        """Until told to stop: then hand over all flows. EOFError when the main process is gone."""
        self._warm_up()
        self._tally.page["ready"] = 1
        while not self._stopping:
            self._turn()
            self._obey()
        self._last_blocks()
        self._last_lots()
        for evidence in self._evidence.values():
            evidence.close()
        orders.send(self._end, {"done": True})

    def _last_blocks(self) -> None:
        """What came before the word to stop: blocks that wait, and those that the kernel was still filling."""
        until = time.monotonic() + DRAIN
        while time.monotonic() < until:
            found = self.capture.next(PATIENCE)
            if found is not None:
                self._one(*found)

    def _turn(self) -> None:
        """One block, or a look at the clock when none came."""
        from monitor.capture import wall_clock

        found = self.capture.next(PATIENCE)
        page = self._tally.page
        if found is not None:
            place, ring = found
            page["waiting"][place] = ring.waiting()
            if page["reading"][place] == ring.sequence():  # a worker died of it
                page["skipped"] += ring.packets()
                page["reading"][place] = 0
                ring.release()
                return
            self._one(place, ring)
        else:
            page["waiting"] = 0
            now = wall_clock() - SLACK
            self._hand(self.meter.advance(now))
            page["event_time"] = now
            for evidence in self._evidence.values():
                evidence.come(now)
        self._follow_clock()
        if time.monotonic() - self._handed >= EVERY:
            self._hand(self.meter.take())
            self._handed = time.monotonic()
            page["payload_filled"] = self.meter.payload_filled()
        self._count()

    def _one(self, place: int, ring: Any) -> None:
        page = self._tally.page
        page["reading"][place] = ring.sequence()
        block = ring.read()
        self._hand(self.meter.push(block.batch))
        page["oversized"] += block.oversized
        page["hardware"] += block.hardware
        if len(block.batch):
            page["event_time"] = page["last_packet"] = block.batch.time[-1]
        self._keep(place, block.batch)
        self._check_clock(block)
        self._count()
        ring.release()
        page["reading"][place] = 0

    def _keep(self, place: int, batch: PacketBatch) -> None:
        """Put the packets into the evidence ring, when there is one."""
        evidence = self._evidence.get(place)
        if evidence is None:
            return
        page = self._tally.page
        drops = int(page["kernel_drops"])
        if len(batch):
            evidence.come(int(batch.time[-1]))
        self._indices[place].add(self.meter.decoded)
        evidence.take(batch, drops - self._drops_told)
        self._drops_told = drops
        page["evidence_lost"] = sum(one.lost for one in self._evidence.values())
        page["evidence_bytes"] = sum(one.bytes for one in self._evidence.values())

    def _begin_evidence(self, place: int, link: int) -> None:
        from monitor.capture import EvidenceRing
        from monitor.flows import PacketIndex
        from monitor.places import evidence_folder

        kept = self._settings.evidence
        if not kept.max_bytes or place in self._evidence:
            return
        self._indices[place] = index = PacketIndex()
        try:
            self._evidence[place] = EvidenceRing(
                evidence_folder(self._settings),
                name=f"w{self._number * RINGS + place}",
                max_bytes=kept.max_bytes // self._workers // len(self._settings.live.interfaces),
                snaplen=kept.snaplen,
                link=link,
                take_index=index.take,
            )
        except OSError as error:
            print(f"monitor: evidence is not kept: {error}", file=sys.stderr)

    def _follow_clock(self) -> None:
        """Flows from before the clock was set back end with that: else they would wait until it is as late again."""
        steps = self.meter.counters.clock_steps
        if steps > self._steps:
            self._steps = steps
            self._hand(self.meter.drain())

    def _check_clock(self, block: Any) -> None:
        from monitor.capture import clock_is_off

        if self._hardware and clock_is_off(block):
            self._hardware = False
            orders.send(self._end, {"clock": "off"})

    def _count(self) -> None:
        page, counters = self._tally.page, self.meter.counters
        page["outcomes"] = self.meter.outcomes
        page["bytes"], page["flows"], page["evicted"] = counters.bytes, counters.flows, counters.evicted
        page["active"], page["clock_steps"] = counters.active, counters.clock_steps
        for name in MIRROR:
            page[name] = getattr(counters.mirror, name)
        page["unnamed"] = counters.unnamed
        page["alive"] = time.monotonic_ns()

    def _hand(self, lots: Iterable[Ended]) -> None:
        """Write lots of ended flows to the lanes: those that were answered to one, the others to the other.

        A flood is unanswered: when there is more than the main process can take, it overwrites itself only.
        """
        from monitor.sensor.messages import packed

        for lot in lots:
            answered = lot.flows["answered"].astype(bool)
            batch = self.meter.columns(lot)
            for lane, chosen in zip(self._lanes, (answered, ~answered), strict=True):
                count = int(np.count_nonzero(chosen))
                if count:
                    part = batch if count == len(answered) else batch.filter(chosen)
                    for payload, size in packed(part, lane.longest):
                        lane.put(payload, size)

    def _last_lots(self) -> None:
        """Hand over the whole table; nothing waits for us any more, so we may wait for the main process."""
        deadline = time.monotonic() + LAST
        for lot in self.meter.drain():
            while any(lane.waiting() > lane.slots // 2 for lane in self._lanes) and time.monotonic() < deadline:
                time.sleep(0.005)
            self._hand([lot])
            self._count()

    def _obey(self) -> None:
        from monitor.capture import Opened, RingShape

        while (message := orders.receive(self._end, wait=False)) is not None:
            order, descriptors = message
            if "ring" in order:
                shape = RingShape(**order["shape"])
                self._begin_evidence(order["ring"], order["link"])
                self.capture.add(order["ring"], Opened(descriptors[0], shape, order["link"], order["longest"]))
            elif "settings" in order:
                settings = _settings(order["settings"])
                self.meter.renew(settings.flows, _zones(settings))
            elif "stop" in order:
                self._stopping = True

    def _warm_up(self) -> None:
        """Load (or compile) every kernel before packets wait."""
        from monitor import capture, flows

        capture.warm_up()
        flows.warm_up()


def _settings(text: str) -> Settings:
    from monitor.config import Settings

    return Settings.model_validate_json(text)


def _zones(settings: Settings) -> Any:
    from monitor.flows import Zones

    return Zones(settings.zones, settings.home_networks)


def main() -> None:
    """Run the worker of the socket that is named on the command line."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # they are for the main process, which tells us
        signal.signal(number, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # whatever we are at: a kernel may be compiled just then
    try:
        Worker(socket.socket(fileno=int(sys.argv[1]))).run()
    except (EOFError, BrokenPipeError):
        sys.exit("monitor worker: the main process is gone")


if __name__ == "__main__":
    main()

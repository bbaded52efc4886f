"""What the sensor knows about itself: kernel drops, fill of everything bounded, restarts, traffic; as metrics.

What is wrong and how to mend it is said by `doctor`; the metrics are declared in `monitor.metrics`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from monitor.measures import Measure, by_label, measures
from monitor.places import WIRE_DROPS
from monitor.reading import Account, Fates

if TYPE_CHECKING:
    from monitor.alerts import Telemetry
    from monitor.capture import Taps
    from monitor.config import Settings
    from monitor.sensor.crew import Crew
    from monitor.sensor.recorder import Recorder


class Health:
    """Counts of kernel and workers, summed up once a second."""

    def __init__(self, settings: Settings, taps: Taps, crew: Crew, recorder: Recorder) -> None:
        self._settings, self._taps, self._crew, self._recorder = settings, taps, crew, recorder
        self._began = time.monotonic()
        self.kernel_packets = 0
        self.kernel_drops = 0
        self._abandoned = 0

    def look(self) -> None:
        """Ask the kernel for its counts; several times a second, as `waiting` goes by them."""
        for tap in self._taps.taps:
            for member, counts in zip(self._crew.members, self._taps.counts(tap), strict=False):  # gone: no counts
                self.kernel_packets += counts.packets
                self.kernel_drops += counts.drops
                member.tally.page["kernel_drops"] += counts.drops

    def waiting(self) -> int:
        """Packets that the kernel has put into rings and no worker has metered."""
        totals = self._crew.totals()
        metered = int(totals["outcomes"].sum() + totals["skipped"])
        return max(self.kernel_packets - self.kernel_drops - metered - self._abandoned, 0)

    def abandon(self) -> None:
        """An interface has got new rings: nobody reads what waits in the old ones."""
        self._abandoned += self.waiting()

    def last_packet(self) -> int:
        """Event time (µs) up to which all packets were metered."""
        return int(self._crew.totals()["event_time"])

    def account(self) -> Account:
        """What became of the packets so far; those that the kernel dropped are among them."""
        from monitor.flows import balance

        totals = self._crew.totals()
        decoded, ignored, dropped = balance(totals["outcomes"])
        skipped = int(totals["skipped"])
        for reason, count in zip(WIRE_DROPS, (self.kernel_drops, skipped), strict=True):
            if count:
                dropped[reason] = count
        return Account(
            packets=int(totals["outcomes"].sum()) + self.kernel_drops + skipped,
            bytes=int(totals["bytes"]),
            decoded=decoded,
            ignored=ignored,
            dropped=dropped,
            flows=int(totals["flows"]) + self._crew.losses.flows_growing,
            evicted=int(totals["evicted"]),
            active=int(totals["active"]),
            connections=int(totals["connections"]),
            one_sided=int(totals["one_sided"]),
            payload=int(totals["payload"]),
            missed=int(totals["missed"]),
            unnamed=int(totals["unnamed"]),
            fates=self._fates(),
            seconds=time.monotonic() - self._began,
        )

    def held(self) -> int:
        """Flow records in our memory: in the tables, on their way to the writer, or not yet on its disk."""
        totals, losses, counts = self._crew.totals(), self._crew.losses, self._recorder.counts()
        ended_lost = losses.flows_died - losses.flows_growing + losses.flows_overwritten
        underway = int(totals["flows"]) - ended_lost - counts.taken
        return int(totals["active"]) + max(underway, 0) + counts.waiting

    def _fates(self) -> Fates:
        """What became of the flows so far."""
        counts, losses = self._recorder.counts(), self._crew.losses
        return Fates(
            recovered=counts.recovered,
            stored=counts.written,
            spooled=counts.spooled + counts.waiting,
            set_aside=counts.set_aside,
            lost={
                "worker_died": losses.flows_died,
                "queue_full": losses.flows_overwritten,
                "too_late": losses.flows_late,
                "store": counts.dropped,
            },
        )

    def measures(self) -> Iterator[Measure]:
        """What is written down of it."""
        totals, losses, counts = self._crew.totals(), self._crew.losses, self._recorder.counts()
        account = self.account()
        yield from measures(account)
        yield "kernel_drops", "", self.kernel_drops
        yield "worker_restarts", "", losses.restarts
        yield "oversized_frames", "", int(totals["oversized"])
        yield "clock_steps", "", int(totals["clock_steps"])
        yield "evidence_lost", "", int(totals["evidence_lost"])
        if account.fates is not None:
            yield from by_label("flows_lost", account.fates.lost | {"killed": losses.flows_killed})
        stored = {"written": counts.written, "spooled": counts.delayed, "dropped": counts.dropped + counts.set_aside}
        yield from by_label("store_rows", stored)
        yield from by_label("fill_ratio", self.fills())

    def fills(self) -> dict[str, float]:
        """How full each bounded buffer is, 0 to 1."""
        totals, settings = self._crew.totals(), self._settings
        filled = {
            "ring": int(totals["waiting"].max()) / (settings.live.ring_bytes >> 20),
            "queue": self._crew.fill(),
            "payload": float(totals["payload_filled"]),
            "flow_table": int(totals["active"]) / settings.flows.max_flows,
            "spool": self._recorder.counts().spool_bytes / settings.store.spool_bytes,
        }
        if settings.evidence.max_bytes:
            filled["evidence"] = int(totals["evidence_bytes"]) / settings.evidence.max_bytes
        return filled

    def show(self, telemetry: Telemetry) -> None:
        """Bring the metrics up to date."""
        totals, losses, metrics = self._crew.totals(), self._crew.losses, telemetry.metrics
        account = self.account()
        telemetry.account(account)
        advance = telemetry.advance
        advance.to(metrics.kernel_drops, self.kernel_drops)
        advance.to(metrics.oversized, int(totals["oversized"]))
        advance.to(metrics.clock_steps, int(totals["clock_steps"]))
        advance.to(metrics.worker_restarts, losses.restarts)
        if account.fates is not None:
            advance.by_reason(metrics.flows_lost, account.fates.lost | {"killed": losses.flows_killed})
        limit = self._settings.store.spool_bytes
        telemetry.delivery(self._recorder.counts(), up=self._recorder.well(), spool_limit=limit)
        metrics.live.set(1)
        if totals["last_packet"]:
            metrics.last_packet.set(int(totals["last_packet"]) / 1e6)
        if self._settings.evidence.max_bytes:
            advance.to(metrics.evidence_lost, int(totals["evidence_lost"]))
        for name, filled in self.fills().items():
            metrics.fill.labels(name).set(filled)

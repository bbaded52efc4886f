"""The workers as the main process sees them: started, watched, started again when they die, their counts summed up.

A ring belongs to its socket, which the main process keeps: packets wait in it while a worker is replaced.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from monitor.capture import Taps
from monitor.config import Settings
from monitor.sensor import orders
from monitor.sensor.lane import Lane, Message, new_lane
from monitor.sensor.reserve import KEPT
from monitor.sensor.tally import PAGE, Tally, new_tally

SLOT_BYTES: Final = (512 << 10, 4 << 20)
"""Longest message of the lane of answered flows and of the other; a hand-over of flows is cut to it.

Under a flood a hand-over has few answered ones: in short slots more of them wait."""
STUCK: Final = 30.0
"""Seconds without a sign of life after which a worker is taken for dead."""
_HASTE: Final = 0.5
"""Seconds between two starts of a worker, doubled with each death in a row."""
_CALM: Final = 60.0
"""Seconds of life after which a death is the first in a row again."""
GAUGES: Final = (
    "active",
    "payload_filled",
    "evidence_bytes",
    "event_time",
    "last_packet",
    "alive",
    "ready",
    "reading",
    "waiting",
)
"""Fields of a tally that are no totals."""


@dataclass(slots=True)
class Losses:
    """What was lost between the workers and the store."""

    restarts: int = 0
    flows_died: int = 0
    """In the table, or ended and not handed over, when a worker died."""
    flows_growing: int = 0
    """Of these, the ones in the table: they had not ended."""
    flows_overwritten: int = 0
    """Handed over faster than they were taken."""
    flows_late: int = 0
    """Not handed over, or not taken, when the time to end in was over."""
    flows_killed: int = 0
    """In the memory of the run before, which was killed."""
    packets_skipped: int = 0
    """In blocks at which a worker died."""


class Member:
    """One worker process, its lanes and its tally; the process may change, the rest stays."""

    def __init__(self, number: int, settings: Settings) -> None:
        self.number = number
        self.shapes = [(max(2, settings.live.queue_bytes // 2 // size), size) for size in SLOT_BYTES]
        self._descriptors = [
            new_tally(f"monitor-tally-{number}"),
            *(
                new_lane(f"monitor-{kind}-{number}", *shape)
                for kind, shape in zip(("answered", "unanswered"), self.shapes, strict=True)
            ),
        ]
        self.tally = Tally(self._descriptors[0])
        self.lanes = [
            Lane(descriptor, *shape) for descriptor, shape in zip(self._descriptors[1:], self.shapes, strict=True)
        ]
        for lane in self.lanes if settings.live.reserve_bytes else ():
            lane.reserve()
        self.process: subprocess.Popen[bytes] | None = None
        self.end: socket.socket | None = None
        self.done = False
        self.deaths = 0
        self.started = 0.0
        self._alive, self._since, self._looked = 0, 0.0, 0.0
        self._handed_before = 0

    def handed(self) -> int:
        """Flows that the process has written to its lanes, told by the lanes themselves: it may die at any moment."""
        return sum(lane.rows() for lane in self.lanes) - self._handed_before

    def start(self, settings: Settings) -> None:
        """Start the process; it loads its kernels before it says that it is ready."""
        ours, theirs = orders.socket_pair()
        self.tally.restart()
        self._handed_before = sum(lane.rows() for lane in self.lanes)
        command = [sys.executable, "-m", "monitor.sensor.worker", str(theirs.fileno())]
        own = {name: value for name, value in os.environ.items() if name not in KEPT}
        self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=own)
        theirs.close()
        self.end, self.started, self.done = ours, time.monotonic(), False
        first = {"settings": settings.model_dump_json(by_alias=True), "workers": settings.live.workers}
        first |= {"lanes": self.shapes, "number": self.number}
        self.order(first, self._descriptors)

    def order(self, order: dict[str, Any], descriptors: list[int] | None = None) -> None:
        """Tell the worker something; one that has just died need not know."""
        if self.end is None:
            return
        try:
            orders.send(self.end, order, descriptors or [])
        except OSError:
            return

    def heard(self) -> Iterator[dict[str, Any]]:
        """What the worker said since the last call."""
        while self.end is not None:
            try:
                message = orders.receive(self.end, wait=False)
            except EOFError:
                self.end.close()
                self.end = None
                return
            if message is None:
                return
            self.done = self.done or "done" in message[0]
            yield message[0]

    def dead(self) -> bool:
        """Whether the process is gone, or shows no sign of life; one that is stuck is killed."""
        if self.process is None or self.process.poll() is not None:
            return True
        now, alive = time.monotonic(), int(self.tally.page["alive"])
        if alive != self._alive or now - self._looked > STUCK / 6:  # we were held up ourselves, so perhaps it was too
            self._alive, self._since = alive, now
        self._looked = now
        if alive and now - self._since > STUCK:
            self.kill()
            return True
        return False

    def kill(self) -> None:
        """End the process at once."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def close(self) -> None:
        """End the process and give the shared memory up."""
        self.kill()
        for descriptor in self._descriptors:
            os.close(descriptor)


class Crew:
    """All workers of a sensor."""

    def __init__(self, settings: Settings, taps: Taps) -> None:
        self.losses = Losses()
        self._settings = settings
        self._taps = taps
        self.members = [Member(number, settings) for number in range(settings.live.workers)]
        self._before = np.zeros((), PAGE)  # totals of workers that are gone

    def start(self) -> None:
        """Start all processes."""
        for member in self.members:
            member.start(self._settings)

    def ready(self) -> bool:
        """Whether every worker has its kernels loaded. RuntimeError when one died before: that is no accident."""
        for member in self.members:
            if member.dead():
                raise RuntimeError("a worker could not start; what it said is above")
        return all(member.tally.page["ready"] for member in self.members)

    def give(self) -> None:
        """Give every worker its rings."""
        for member in self.members:
            self._give(member)

    def _give(self, member: Member) -> None:
        for place, tap in enumerate(self._taps.taps):
            if not tap.sockets:
                continue
            opened = self._taps.opened(tap, member.number)
            order = {"ring": place, "shape": asdict(opened.shape), "link": opened.link, "longest": opened.longest}
            member.order(order, [opened.descriptor])

    def renew(self, settings: Settings) -> None:
        """Let the workers go on with other settings: their flows stay."""
        self._settings = settings
        for member in self.members:
            member.order({"settings": settings.model_dump_json(by_alias=True)})

    def watch(self) -> list[str]:
        """Start dead workers again; what there is to say about it. Call it a few times a second."""
        said = []
        for member in self.members:
            for message in member.heard():
                if "clock" in message:
                    self._taps.use_kernel_time()
                    said.append("the card's clock is not set: packets are stamped by the kernel")
            if not member.dead():
                continue
            status = member.process.returncode if member.process else None
            if member.process is not None:
                said.append(f"worker {member.number} died (status {status}); it is started again")
                self._bury(member)
            wait = min(_HASTE * 2 ** (member.deaths - 1), 30.0)
            if time.monotonic() - member.started >= wait:
                member.start(self._settings)
                self._give(member)
        return said

    def _bury(self, member: Member, *, late: bool = False) -> None:
        """Count what a dead worker took with it; its totals stay."""
        page = member.tally.copy()
        held = int(page["active"] + page["flows"]) - member.handed()
        self.losses.flows_growing += int(page["active"])
        if late:
            self.losses.flows_late += held
        else:
            self.losses.restarts += 1
            self.losses.flows_died += held
        member.deaths = 1 if time.monotonic() - member.started > _CALM else member.deaths + 1
        self._add_up(page, self._before)
        member.tally.restart()
        member.process = None
        if member.end is not None:
            member.end.close()
            member.end = None

    def totals(self) -> Any:
        """Sums of all workers' tallies (a record of PAGE), those that died included; gauges are of the living."""
        total = self._before.copy()
        event_times = []
        for member in self.members:
            page = member.tally.copy()
            self._add_up(page, total)
            total["active"] += page["active"]
            total["evidence_bytes"] += page["evidence_bytes"]
            total["waiting"] = np.maximum(total["waiting"], page["waiting"])
            total["payload_filled"] = max(total["payload_filled"], page["payload_filled"])
            total["last_packet"] = max(total["last_packet"], page["last_packet"])
            event_times.append(int(page["event_time"]))
        total["event_time"] = min(event_times)
        return total

    @staticmethod
    def _add_up(page: Any, total: Any) -> None:
        for name in PAGE.names or ():
            if name not in GAUGES:
                total[name] += page[name]

    def messages(self) -> Iterator[Message]:
        """Flows that wait, of flows that were answered first; losses are counted."""
        for kind in range(2):
            for member in self.members:
                while (message := member.lanes[kind].take()) is not None:
                    self.losses.flows_overwritten += message.lost
                    yield message

    def fill(self) -> float:
        """How full the fullest lane is, 0 to 1."""
        return max(lane.waiting() / lane.slots for member in self.members for lane in member.lanes)

    def stop(self) -> None:
        """Tell the workers to hand over what they have and end; see `ended`."""
        for member in self.members:
            member.order({"stop": True})

    def ended(self) -> bool:
        """Whether all workers have handed over all they had, or died."""
        for member in self.members:
            for _ in member.heard():
                pass
        return all(member.done or member.dead() for member in self.members)

    def write_off(self) -> None:
        """At the end: count what nobody hands over or takes any more. Workers that still try are ended."""
        for member in self.members:
            if not member.done and member.process is not None:
                late = not member.dead()
                member.kill()
                self._bury(member, late=late)
            self.losses.flows_late += sum(lane.left() for lane in member.lanes)

    def close(self) -> None:
        """End what still runs."""
        for member in self.members:
            member.close()

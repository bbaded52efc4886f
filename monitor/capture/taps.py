"""The interfaces that are listened to: their sockets, one a worker; what happens to them, and how they are had back.

All sockets are made at the start, while there is the privilege to: spare ones stand by for interfaces that are removed
and come back. Reading the rings is for the workers.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from monitor.capture.errors import CaptureError
from monitor.capture.live import Opened
from monitor.capture.packet_filter import Instructions, compiled
from monitor.capture.packet_socket import NEW_GROUP, KernelCounts, PacketSocket, RingShape, link_of, mtu

SPARES: Final = 16
"""Times that a removed interface can be had back before the sensor must be started again."""
_SIOCGIFFLAGS: Final = 0x8913
_UP, _RUNNING = 0x1, 0x40
_FRAME: Final = 14 + 4
"""Bytes of an Ethernet header, and of a second VLAN tag."""

State = Literal["up", "down", "gone"]


@dataclass(slots=True)
class Tap:
    """One interface and its sockets."""

    name: str
    """As it was named; a renamed interface is followed."""
    index: int = 0
    state: State = "gone"
    sockets: list[PacketSocket] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to an interface."""

    tap: Tap
    what: str
    """For the log."""
    reopened: bool = False
    """Its sockets are new ones."""


class Taps:
    """Opens interfaces for a number of workers and watches over them."""

    def __init__(
        self,
        names: Sequence[str],
        shape: RingShape,
        *,
        workers: int,
        promiscuous: bool = True,
        expression: str = "",
        hardware_time: bool = True,
    ) -> None:
        """Make the sockets, which alone wants a privilege. Raises CaptureError: no privilege, interface, filter."""
        self._shape = shape
        self._workers = workers
        self._promiscuous = promiscuous
        self._hardware_time = hardware_time
        self._programs: dict[str, Instructions | None] = {}
        self._spare: list[PacketSocket] = []
        self.taps: list[Tap] = []
        try:
            for name in dict.fromkeys(names):
                if state_of(name) == "gone":
                    raise CaptureError(f"{name}: there is no such interface; see `ip link`")
                link_of(name)
                self._programs[name] = compiled(expression, name) if expression else None
                self.taps.append(Tap(name))
                self._spare += [PacketSocket() for _ in range(workers)]
            self._spare += [PacketSocket() for _ in range(SPARES * workers)]
        except BaseException:
            self.close()
            raise

    def open(self) -> None:
        """Begin to take packets. Raises CaptureError when an interface has gone, or there is no memory for its ring."""
        for tap in self.taps:
            self._open(tap)

    def opened(self, tap: Tap, worker: int) -> Opened:
        """What worker number `worker` must know to read its ring of the interface."""
        taken = tap.sockets[worker]
        return Opened(taken.fileno(), self._shape, link_of(tap.name), mtu(tap.name) + _FRAME)

    def counts(self, tap: Tap) -> list[KernelCounts]:
        """What the kernel counted for each worker since the last call."""
        return [taken.counts() for taken in tap.sockets]

    def look(self) -> list[Change]:
        """What happened to the interfaces since the last look; one that was removed and is there again is reopened."""
        changes = []
        for tap in self.taps:
            changes += self._look(tap)
        return changes

    def _look(self, tap: Tap) -> list[Change]:
        try:
            name = socket.if_indextoname(tap.index)
        except OSError:
            return self._gone(tap)
        changes = []
        if name != tap.name:
            changes.append(Change(tap, f"{tap.name} is now called {name}; capture goes on"))
            self._programs[name] = self._programs.pop(tap.name)
            tap.name = name
        state = state_of(name)
        if state != tap.state:
            changes.append(Change(tap, f"{name} is {state}" + ("; capture goes on" if state == "up" else "")))
            tap.state = state
        return changes

    def _gone(self, tap: Tap) -> list[Change]:
        changes = []
        if tap.state != "gone":
            changes.append(Change(tap, f"{tap.name} was removed; waiting for it"))
            tap.state = "gone"
        if state_of(tap.name) == "gone":
            return changes
        if len(self._spare) < self._workers:
            raise CaptureError(f"{tap.name}: came back more than {SPARES} times; start the sensor again")
        try:
            self._open(tap)
        except CaptureError as error:  # it may have gone again already
            return [*changes, Change(tap, str(error))]
        return [*changes, Change(tap, f"{tap.name} is back; capture goes on", reopened=True)]

    def _open(self, tap: Tap) -> None:
        for old in tap.sockets:
            old.close()
        tap.sockets = []
        group = NEW_GROUP if self._workers > 1 else None
        for _ in range(self._workers):
            fresh = self._spare.pop()
            tap.sockets.append(fresh)
            if self._hardware_time:
                fresh.want_hardware_time(True)
            program = self._programs[tap.name]
            fresh.bind(tap.name, self._shape, promiscuous=self._promiscuous, program=program, fanout=group)
            group = fresh.fanout_group() if group is not None else None
        tap.index = socket.if_nametoindex(tap.name)
        tap.state = state_of(tap.name)

    def use_kernel_time(self) -> None:
        """Give the cards' stamps up: their clocks are not set."""
        self._hardware_time = False
        for tap in self.taps:
            for taken in tap.sockets:
                taken.want_hardware_time(False)

    def close(self) -> None:
        """Give everything back; the interfaces leave promiscuous mode."""
        for taken in (*self._spare, *(taken for tap in self.taps for taken in tap.sockets)):
            taken.close()
        self._spare = []


def state_of(name: str) -> State:
    """Whether an interface is up with a carrier, down, or not there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        try:
            answer = fcntl.ioctl(asker, _SIOCGIFFLAGS, struct.pack("16s24x", os.fsencode(name)[:15]))
        except OSError:
            return "gone"
    flags = int(struct.unpack_from("H", answer, 16)[0])
    return "up" if flags & _UP and flags & _RUNNING else "down"

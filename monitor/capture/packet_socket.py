"""Opens AF_PACKET sockets with a TPACKET_V3 ring: interface, promiscuous mode, filter, fan-out, the kernel's counts.

Reading the ring is up to `ring`; what the socket's options mean is in packet(7) and the kernel's packet_mmap.rst.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from monitor.capture.errors import CaptureError
from monitor.capture.fanout import PROGRAM
from monitor.capture.packet_filter import Instructions, packed

SOL_PACKET: Final = 263
_ADD_MEMBERSHIP, _RX_RING, _STATISTICS, _VERSION, _RESERVE = 1, 5, 6, 10, 12
_TIMESTAMP, _FANOUT, _FANOUT_DATA, _IGNORE_OUTGOING = 17, 18, 22, 23
_TPACKET_V3: Final = 2
_PROMISCUOUS: Final = 1  # PACKET_MR_PROMISC
_FANOUT_CBPF, _FANOUT_UNIQUE = 6, 0x2000
_RAW_HARDWARE: Final = 1 << 6  # SOF_TIMESTAMPING_RAW_HARDWARE
_ALL_PROTOCOLS: Final = 3  # ETH_P_ALL
_ATTACH_FILTER: Final = 26
_STAMP_AT_RECEIPT: Final = 35  # SO_TIMESTAMPNS
NEW_GROUP: Final = -1
"""Instead of a fan-out group: a new one, whose number the kernel chooses."""
TAG_ROOM: Final = 4
"""Bytes left free before each frame: there the VLAN tag goes that the kernel took out."""
_LINKS: Final = {1: 1, 772: 1, 0xFFFE: 101}
"""LINKTYPE_ by ARPHRD_: Ethernet, loopback, none (tun)."""
_LOOPBACK: Final = 772


@dataclass(frozen=True, slots=True)
class RingShape:
    """Size of a ring, and how long the kernel may keep a block that is not full."""

    block_bytes: int = 1 << 20
    blocks: int = 64
    retire_ms: int = 100

    @property
    def size(self) -> int:
        """Bytes of the whole ring."""
        return self.block_bytes * self.blocks


@dataclass(frozen=True, slots=True)
class KernelCounts:
    """PACKET_STATISTICS since they were last asked for."""

    packets: int
    """Packets that passed the filter, those dropped included."""
    drops: int
    """Packets that found no room in the ring."""
    freezes: int
    """Times that the ring was full."""


class PacketSocket:
    """A packet socket with a ring. Made with CAP_NET_RAW; all that comes after needs no privilege."""

    def __init__(self) -> None:
        """An unbound socket: it takes no packet and no memory yet. Raises CaptureError."""
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        except PermissionError as error:
            raise CaptureError("live capture needs root or CAP_NET_RAW; see docs/live.md") from error

    def fileno(self) -> int:
        """The descriptor, for mmap and poll."""
        return self._socket.fileno()

    def bind(
        self, name: str, shape: RingShape, *, promiscuous: bool, program: Instructions | None, fanout: int | None
    ) -> None:
        """Begin to take an interface's packets. Raises CaptureError: there is none such, or no memory for the ring.

        `fanout`: group to join (see `fanout_group`), NEW_GROUP, or None for none.
        """
        try:
            index = socket.if_nametoindex(name)
        except OSError as error:
            raise CaptureError(f"{name}: there is no such interface; see `ip link`") from error
        self._make_ring(shape)
        try:
            # Else each socket's copy is stamped when its turn comes, which on a busy machine is a millisecond late.
            self._socket.setsockopt(socket.SOL_SOCKET, _STAMP_AT_RECEIPT, 1)
            if arp_type(name) == _LOOPBACK:  # it shows each packet going and coming
                self._socket.setsockopt(SOL_PACKET, _IGNORE_OUTGOING, 1)
            if program:
                code = packed(program)
                self._socket.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, code.option)
            self._socket.bind((name, _ALL_PROTOCOLS))
            if promiscuous:
                membership = struct.pack("iHH8s", index, _PROMISCUOUS, 0, b"")
                self._socket.setsockopt(SOL_PACKET, _ADD_MEMBERSHIP, membership)
            if fanout is not None:
                self._join(fanout)
        except OSError as error:
            raise CaptureError(f"{name}: cannot be captured from: {error.strerror}") from error

    def _make_ring(self, shape: RingShape) -> None:
        frame = 2048  # of no meaning in version 3, but checked
        ring = (shape.block_bytes, shape.blocks, frame, shape.size // frame, shape.retire_ms, 0, 0)
        try:
            self._socket.setsockopt(SOL_PACKET, _VERSION, _TPACKET_V3)
            self._socket.setsockopt(SOL_PACKET, _RESERVE, TAG_ROOM)
            self._socket.setsockopt(SOL_PACKET, _RX_RING, struct.pack("7I", *ring))
        except OSError as error:
            raise CaptureError(
                f"the kernel gives no ring of {shape.size >> 20} MiB ({error.strerror}); lower live.ring_bytes"
            ) from error

    def want_hardware_time(self, wanted: bool) -> None:
        """Ask for the card's own stamps where it has any; packets without one keep the kernel's."""
        self._socket.setsockopt(SOL_PACKET, _TIMESTAMP, _RAW_HARDWARE if wanted else 0)

    def fanout_group(self) -> int:
        """The group that the socket is in."""
        return self._socket.getsockopt(SOL_PACKET, _FANOUT) & 0xFFFF

    def counts(self) -> KernelCounts:
        """What the kernel counted since the last call."""
        raw = self._socket.getsockopt(SOL_PACKET, _STATISTICS, 12)
        return KernelCounts(*struct.unpack("3I", raw))

    def close(self) -> None:
        """Give the ring up; the kernel leaves promiscuous mode when nobody else asked for it."""
        self._socket.close()

    def _join(self, group: int) -> None:
        first = group == NEW_GROUP  # 0 is a group like any other
        kind = _FANOUT_CBPF | (_FANOUT_UNIQUE if first else 0)
        self._socket.setsockopt(SOL_PACKET, _FANOUT, struct.pack("I", (0 if first else group) | kind << 16))
        if first:  # the program is the group's: its first member brings it
            code = packed(PROGRAM)
            self._socket.setsockopt(SOL_PACKET, _FANOUT_DATA, code.option)


def arp_type(name: str) -> int:
    """ARPHRD_ number of an interface (Ethernet: 1)."""
    return _attribute(name, "type")


def mtu(name: str) -> int:
    """Largest IP packet of an interface; 0 when it cannot be told."""
    return _attribute(name, "mtu")


def _attribute(name: str, attribute: str) -> int:
    try:
        return int(Path("/sys/class/net", name, attribute).read_text("ascii"))
    except (OSError, ValueError):  # /sys shows the namespace that it was mounted in
        return _asked(name, attribute)


def _asked(name: str, attribute: str) -> int:
    """As `_attribute`, of the kernel: SIOCGIFHWADDR's family, SIOCGIFMTU."""
    import fcntl

    request, layout = (0x8927, "H") if attribute == "type" else (0x8921, "i")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        try:
            answer = fcntl.ioctl(asker, request, struct.pack("16s24x", os.fsencode(name)[:15]))
        except OSError as error:
            if error.errno == errno.ENODEV:
                return 0
            raise
    return int(struct.unpack_from(layout, answer, 16)[0])


def link_of(name: str) -> int:
    """LINKTYPE_ of the frames of an interface. Raises CaptureError for a kind that is not captured from."""
    kind = arp_type(name)
    if kind not in _LINKS:
        raise CaptureError(f"{name}: its link layer (ARPHRD {kind}) is not supported; use an Ethernet or tun interface")
    return _LINKS[kind]

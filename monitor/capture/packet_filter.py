"""Packet filters: an expression of pcap-filter(7) compiled by tcpdump, and classic BPF as the kernel takes it.

Attaching one to a socket is up to `packet_socket`.
"""

from __future__ import annotations

import ctypes
import shutil
import struct
import subprocess
from dataclasses import dataclass
from typing import Any, TypeAlias

from monitor.capture.errors import CaptureError

Instructions: TypeAlias = tuple[tuple[int, int, int, int], ...]
"""Classic BPF: (code, jump if true, jump if false, constant)."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A program in memory; `option` is valid for as long as this lives."""

    code: Any
    option: bytes


def packed(program: Instructions) -> Packed:
    """The program as a `struct sock_fprog`."""
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
    return Packed(code, struct.pack("HL", len(program), ctypes.addressof(code)))


def compiled(expression: str, interface: str) -> Instructions:
    """The program for an expression such as `not port 22` on that interface. Raises CaptureError.

    tcpdump opens the interface to learn how frames come on it, which takes CAP_NET_RAW: the kernel keeps the outer VLAN
    tag beside the frame, and `vlan` must ask for it there.
    """
    tcpdump = shutil.which("tcpdump") or shutil.which("tcpdump", path="/usr/sbin:/sbin")
    if tcpdump is None:
        raise CaptureError("--filter needs tcpdump to compile it: install it, or run without a filter")
    done = subprocess.run(
        [tcpdump, "-i", interface, "-ddd", "--", expression], capture_output=True, text=True, timeout=30, check=False
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()
        reason = said[-1].removeprefix("tcpdump: ") if said else "tcpdump failed"
        raise CaptureError(f"filter {expression!r} on {interface}: {reason}; see pcap-filter(7)")
    count, *lines = done.stdout.split("\n")
    program = tuple(tuple(map(int, line.split())) for line in lines if line)
    if len(program) != int(count):
        raise CaptureError(f"filter {expression!r}: tcpdump gave {len(program)} instructions and said {count}")
    return program  # type: ignore[return-value]

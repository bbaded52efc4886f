"""What `monitor doctor` looks at outside of us: privileges, interfaces, offloads, rings of the card, disk, clock.

Each check says what it found and how to mend it; none changes anything.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

CAP_NET_RAW: Final = 13
MERGING: Final = ("generic-receive-offload", "large-receive-offload", "rx-gro-hw")
"""Offloads that put packets together before we see them."""
LEAST_DISK: Final = 2 << 30
_STA_UNSYNC: Final = 0x40

State = Literal["ok", "warning", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    state: State
    found: str
    remedy: str = ""
    """How to mend it; empty when there is nothing to."""


def privileges() -> Finding:
    """Whether this user may open packet sockets."""
    status = Path("/proc/self/status").read_text("ascii")
    capabilities = int(re.search(r"CapEff:\s*([0-9a-f]+)", status)[1], 16)  # type: ignore[index]
    if capabilities >> CAP_NET_RAW & 1:
        return Finding("privileges", "ok", "this user may capture")
    return Finding(
        "privileges",
        "failed",
        "this user may not open packet sockets",
        "start as root or by deploy/systemd/monitor.service, which gives CAP_NET_RAW and nothing else",
    )


def interface(name: str) -> list[Finding]:
    """State, offloads and ring of one interface."""
    from monitor.capture import CaptureError, link_of, state_of

    state = state_of(name)
    if state == "gone":
        return [Finding(f"interface {name}", "failed", "there is none of that name", "see `ip link`")]
    found = []
    if state == "down":
        found.append(Finding(f"interface {name}", "failed", "down, or no carrier", f"ip link set {name} up; the cable"))
    else:
        found.append(Finding(f"interface {name}", "ok", "up"))
    try:
        link_of(name)
    except CaptureError as error:
        found.append(Finding(f"link layer of {name}", "failed", str(error), "name an Ethernet interface"))
    return [*found, offloads(name), card_ring(name)]


def offloads(name: str) -> Finding:
    """Whether the card or the kernel merges packets."""
    text = _ethtool("-k", name)
    if text is None:
        return Finding(f"offloads of {name}", "unknown", "ethtool cannot tell", "install ethtool")
    on = [feature for feature in MERGING if re.search(rf"^\s*{feature}: on", text, re.MULTILINE)]
    if not on:
        return Finding(f"offloads of {name}", "ok", "no offload merges packets")
    words = {"generic-receive-offload": "gro", "large-receive-offload": "lro", "rx-gro-hw": "rx-gro-hw"}
    switches = " ".join(f"{words[feature]} off" for feature in on)
    return Finding(f"offloads of {name}", "warning", f"{', '.join(on)} on", f"ethtool -K {name} {switches}")


def card_ring(name: str) -> Finding:
    """Whether the card's receive ring is as large as it can be."""
    text = _ethtool("-g", name)
    sizes = [int(size) for size in re.findall(r"^RX:\s+(\d+)", text or "", re.MULTILINE)]
    if len(sizes) != 2:
        return Finding(f"card ring of {name}", "ok", "the card has no ring to set")
    most, now = sizes
    if now < most:
        return Finding(f"card ring of {name}", "warning", f"{now} of {most} packets", f"ethtool -G {name} rx {most}")
    return Finding(f"card ring of {name}", "ok", f"{now} packets, its most")


def disk(what: str, folder: Path) -> Finding:
    """Room on the disk of a folder, or of the nearest one above it that exists."""
    place = folder
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    said = f"{free / 2**30:.1f} GiB free at {place}"
    if free < LEAST_DISK:
        return Finding(f"disk of the {what}", "failed", said, f"make room, or move it: {LEAST_DISK >> 30} GiB at least")
    return Finding(f"disk of the {what}", "ok", said)


def clock() -> Finding:
    """Whether the kernel's clock is kept by a time server (ntp_adjtime(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    room = ctypes.create_string_buffer(512)  # struct timex, modes = 0: only asks
    if libc.adjtimex(room) < 0:
        return Finding("clock", "unknown", "the kernel does not tell", "")
    status = ctypes.c_int.from_buffer(room, 5 * ctypes.sizeof(ctypes.c_long)).value
    if status & _STA_UNSYNC:
        remedy = "let systemd-timesyncd, chrony or ntpd keep the time: incidents are compared with other logs by it"
        return Finding("clock", "warning", "not synchronised", remedy)
    return Finding("clock", "ok", "synchronised")


def cores(workers: int) -> Finding:
    """Whether there are as many processors as workers."""
    count = len(os.sched_getaffinity(0))
    if workers > count:
        remedy = f"set live.workers to {count} or fewer"
        return Finding("workers", "warning", f"{workers} workers on {count} processors", remedy)
    return Finding("workers", "ok", f"{workers} on {count} processors")


def _ethtool(option: str, name: str) -> str | None:
    program = shutil.which("ethtool") or shutil.which("ethtool", path="/usr/sbin:/sbin")
    if program is None:
        return None
    done = subprocess.run([program, option, name], capture_output=True, text=True, timeout=10, check=False)
    return done.stdout if done.returncode == 0 else None

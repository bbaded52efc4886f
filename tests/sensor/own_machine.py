"""A machine with a clock of its own: User-mode Linux over this machine's files, which it can only read.

The clock of a kernel cannot be set back for one program alone (time namespaces leave CLOCK_REALTIME out), and packets
are stamped by the kernel: so the sensor runs on another one.

    python own_machine.py MOMENTS        inside: the sensor meets so many steps of the clock
"""

from __future__ import annotations

import ctypes
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

KERNEL = "linux.uml"
MODULES = Path("/usr/lib/uml/modules")
ROOT = Path(__file__).resolve().parents[2]
HOUR = 3600.0
STEPS = "monitor_clock_steps_total"
_FINIT_MODULE = 313
"""Number of the system call on x86-64."""


def run_there(folder: Path, *words: str, patience: float) -> str:
    """Run this file in a machine of its own with such arguments; all that was said. AssertionError: it failed."""
    init = folder / "init"
    inside = shlex.join([sys.executable, str(Path(__file__).resolve()), *words])
    init.write_text(f"""#!/bin/bash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME={Path.home()} TMPDIR=/run/tmp PYTHONDONTWRITEBYTECODE=1
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t tmpfs run /run; mkdir -p /run/netns /run/tmp
cd {ROOT}
PYTHONPATH=tests:tests/sensor:. {inside} 2>&1
echo "ended with $?"
echo o >/proc/sysrq-trigger; sleep 10
""")
    init.chmod(0o755)
    options = [
        "mem=3G",
        "root=/dev/root",
        "rootfstype=hostfs",
        "rootflags=/",
        "ro",
        "quiet",
        "con=null",
        "con0=null,fd:1",
    ]
    done = subprocess.run(
        [KERNEL, *options, f"init={init}"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=patience,
        check=False,
    )  # fmt: skip
    assert "ended with 0" in done.stdout, done.stdout[-6000:]
    return done.stdout


def load(name: str) -> None:
    """Load a module of this kernel. OSError when it does not fit."""
    libc = ctypes.CDLL(None, use_errno=True)
    with next(MODULES.glob(f"{os.uname().release}/kernel/**/{name}.ko")).open("rb") as file:
        if libc.syscall(_FINIT_MODULE, file.fileno(), b"", 0):
            raise OSError(ctypes.get_errno(), f"module {name}")


def main() -> None:
    """Within the machine: step the clock back an hour at random moments while the sensor listens."""
    from typing import TYPE_CHECKING

    if TYPE_CHECKING:
        from mishaps import Place
        from wire import Sensor

    moments = int(sys.argv[1])

    def back(place: Place, live: Sensor) -> None:
        before = live.metrics(place.line)[STEPS]
        time.clock_settime(time.CLOCK_REALTIME, time.time() - HOUR)
        until = time.monotonic() + 30
        while live.metrics(place.line)[STEPS] == before:
            assert time.monotonic() < until, "the step of the clock is not told"
        print(f"moment {place.moment}: the clock is set back to {time.ctime()}", flush=True)

    load("veth")
    load("overlay")
    kernels = Path.home() / ".cache" / "monitor"  # compiled by the machine around us; Numba wants to be able to write
    above, work = Path("/run/kernels"), Path("/run/work")
    above.mkdir()
    work.mkdir()
    layers = f"lowerdir={kernels},upperdir={above},workdir={work}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, kernels], check=True)
    from mishaps import Place, endure  # from here on: kernels are loaded
    from wire import wire

    with wire() as line:
        place = Place(line, Path("/run/clock"), "clock", moments)
        place.disk.mkdir(parents=True)
        began = time.time()
        assert not endure(place, back, moments, each=moments)  # one sensor: here its start takes minutes
        assert time.time() < began - (HOUR - 600) * moments


if __name__ == "__main__":
    main()

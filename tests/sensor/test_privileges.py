"""The sensor as an ordinary user with CAP_NET_RAW, as systemd starts it: it captures, and then may do nothing more."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest
from wire import PATIENCE, ROOT, needs_root, run, wire

from monitor.machine_code import kernels_folder

pytestmark = [pytest.mark.root, needs_root]

UNPRIVILEGED = (
    "setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups",
    "--inh-caps", "+net_raw", "--ambient-caps", "+net_raw", "--bounding-set", "-all,+net_raw",
)  # fmt: skip


NOBODY = (
    "setpriv",
    "--reuid",
    "nobody",
    "--clear-groups",
    "--bounding-set",
    "-all",
    "--inh-caps",
    "-all",
    "--ambient-caps",
    "-all",
)


def system_python() -> str:
    """A Python of our version that every user can run; ours may lie in root's home."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (str(Path(sys.executable).resolve()), f"/usr/bin/{version}"):
        asked = (*NOBODY, candidate, "-c", "import os, sys; os.stat(sys.executable)")
        if subprocess.run(asked, capture_output=True, check=False, cwd="/").returncode == 0:
            return candidate
    pytest.skip(f"no {version} that an ordinary user can run")


def test_an_ordinary_user_with_one_capability_captures_and_loses_it(tmp_path: Path) -> None:
    """Every process of it: no capability in any set that could be used, and no way to gain one."""
    python = system_python()
    home = Path("/tmp") / f"monitor-test-{os.getpid()}"
    kernels = kernels_folder()
    shutil.copytree(kernels, home / kernels.name)
    run("chown", "-R", "nobody", home)
    log = tmp_path / "log"
    environment = {
        "PATH": os.environ["PATH"],
        "MONITOR_CACHE_DIR": str(home),
        "MONITOR_STORE__SPOOL": str(home / "spool"),
        "PYTHONPATH": f"{ROOT}:{sysconfig.get_path('purelib')}",
    }
    try:
        with wire() as line, log.open("w") as out:
            command = (
                *UNPRIVILEGED,
                python,
                "-m",
                "monitor",
                "live",
                "-i",
                "span0",
                "--store",
                f"chdb://{home / 'store'}",
            )
            process = subprocess.Popen(
                line.on(line.sensor, *command), stdout=out, stderr=subprocess.STDOUT, env=environment, cwd="/"
            )
            try:
                deadline = time.monotonic() + PATIENCE
                while "listening on span0 as nobody" not in log.read_text():
                    assert process.poll() is None, log.read_text()
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
                status = dict(
                    row.split(":\t", 1) for row in Path(f"/proc/{process.pid}/status").read_text().splitlines()
                )
                assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {0}
                assert status["NoNewPrivs"] == "1"
                process.send_signal(signal.SIGTERM)
                assert process.wait(20) == 0, log.read_text()
            finally:
                process.kill()
                process.wait()
    finally:
        shutil.rmtree(home, ignore_errors=True)

"""A wire for the sensor's tests: two namespaces with a veth pair between them, and the sensor at one end.

Made and removed by each test; needs root.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MONITOR = Path(sys.executable).with_name("monitor")
PATIENCE = 240.0
"""Seconds for the sensor to come up: it may have to compile its kernels."""
_count = itertools.count()

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces: needs root")


def run(*command: str | Path, check: bool = True, timeout: float = 120) -> str:
    """Output of a command; AssertionError with what it said when it fails."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=timeout, check=False)
    assert not check or done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


class Wire:
    """`span0` in the sensor's namespace, joined to `wire0` in that of whoever sends."""

    def __init__(self) -> None:
        tag = f"lv{os.getpid()}x{next(_count)}"
        self.sensor, self.sender = f"{tag}s", f"{tag}w"

    def lay(self) -> None:
        """Make it: no offloads and no packets of its own, jumbo frames."""
        for space in (self.sensor, self.sender):
            run("ip", "netns", "add", space)
            run("ip", "netns", "exec", space, "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1", check=False)
            run("ip", "-n", space, "link", "set", "lo", "up")
        self.join()

    def join(self, name: str = "span0") -> None:
        """Put the cable in."""
        peer = ("type", "veth", "peer", "name", "wire0", "netns", self.sender)
        run("ip", "-n", self.sensor, "link", "add", name, *peer)
        for space, port in ((self.sensor, name), (self.sender, "wire0")):
            offloads = [word for feature in ("tx", "rx", "tso", "gso", "gro", "sg") for word in (feature, "off")]
            run("ip", "netns", "exec", space, "ethtool", "-K", port, *offloads, check=False)
            run("ip", "-n", space, "link", "set", port, "mtu", "9000", "up")

    def on(self, space: str, *command: str | Path) -> list[str]:
        """The command within one of the namespaces."""
        return ["ip", "netns", "exec", space, *map(str, command)]

    def play(self, capture: Path, *options: str, patience: float = 300) -> str:
        """Send a capture; by default at its own timing."""
        return run(*self.on(self.sender, "tcpreplay", "-q", "-i", "wire0", *options, capture), timeout=patience)

    def remove(self) -> None:
        """Delete the namespaces, and with them the cable."""
        for space in (self.sensor, self.sender):
            subprocess.run(["ip", "netns", "delete", space], check=False)


@contextlib.contextmanager
def wire() -> Iterator[Wire]:
    """A wire for the length of the context."""
    made = Wire()
    try:
        made.lay()
        yield made
    finally:
        made.remove()


class Sensor:
    """A running `monitor live`."""

    def __init__(
        self, line: Wire, folder: Path, *options: str, store: str = "", settings: str = "", lean: bool = True
    ) -> None:
        """`lean`: with a small reserve of memory, for a start without delay; else with that of the settings."""
        self.folder = folder
        self.store = store or f"chdb://{folder / 'store'}"
        self.log = folder / "sensor.log"
        config = folder / "monitor.toml"
        config.write_text(settings)
        command = [MONITOR, "live", "--store", self.store, "--config", config, "--metrics-port", "0", *options]
        if "-i" not in options:
            command += ["-i", "span0"]
        own = {"MONITOR_LIVE__USER": "root"} | ({"MONITOR_LIVE__RESERVE_BYTES": str(16 << 20)} if lean else {})
        if "spool =" not in settings:
            own["MONITOR_STORE__SPOOL"] = str(folder / "spool")
        environment = {**own, **os.environ}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                line.on(line.sensor, *command), stdout=log, stderr=subprocess.STDOUT, cwd=ROOT, env=environment
            )

    def says(self, words: str, patience: float = 30.0) -> re.Match[str]:
        """Wait until the log says so (a regular expression)."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            found = re.search(words, self.log.read_text())
            if found:
                return found
            ended = self.process.poll() is not None
            if ended and not re.search(words, self.log.read_text()):
                break
            time.sleep(0.05)
        raise AssertionError(f"the sensor did not say {words!r}; it said:\n{self.log.read_text()}")

    def listening(self) -> Sensor:
        """Wait until packets are taken."""
        self.says("listening on", PATIENCE)
        return self

    def metrics(self, line: Wire) -> dict[str, float]:
        """The metrics as they stand: series to value."""
        address = self.says(r"metrics: (http://\S+)")[1]
        code = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=30).read().decode())"
        text = run(*line.on(line.sensor, sys.executable, "-c", code, address))
        rows = (row.rpartition(" ") for row in text.splitlines() if row and not row.startswith("#"))
        return {name: float(value) for name, _, value in rows}

    def workers(self) -> list[int]:
        """Process ids of the workers."""
        found = run("pgrep", "-P", str(self.process.pid), "-f", "monitor.sensor.worker", check=False)
        return [int(line) for line in found.split()]

    def stop(self, number: int = signal.SIGTERM, patience: float = 20.0) -> float:
        """End it; the seconds that it took. AssertionError when its status is not 0."""
        began = time.monotonic()
        self.process.send_signal(number)
        status = self.process.wait(patience)
        assert status == 0, self.log.read_text()
        return time.monotonic() - began

    def kill(self) -> None:
        """End it whatever it does."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def sensor(
    line: Wire, folder: Path, *options: str, store: str = "", settings: str = "", lean: bool = True
) -> Iterator[Sensor]:
    """A sensor that is ended at the end of the context at the latest."""
    folder.mkdir(exist_ok=True)
    made = Sensor(line, folder, *options, store=store, settings=settings, lean=lean)
    try:
        yield made
    finally:
        made.kill()


def stored(url: str, sql: str = "SELECT * FROM flows", within: Sequence[str] = ()) -> list[dict[str, object]]:
    """Rows of a store that nobody has open, read in a process of their own: chDB serves one folder a process.

    `within`: what puts a command into a namespace.
    """
    code = (
        "import sys, pickle; from monitor.store import open_store\n"
        "with open_store(sys.argv[1], create=False) as store:\n"
        "    sys.stdout.buffer.write(pickle.dumps(store.query(sys.argv[2]).to_pylist()))"
    )
    done = subprocess.run(
        [*within, sys.executable, "-c", code, url, sql], capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    rows: list[dict[str, object]] = pickle.loads(done.stdout)
    return rows

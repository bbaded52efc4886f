"""A town that stands while a `with` lasts: programs run in its hosts, and nothing of it is left afterwards.

What hosts there are is said by `plan`; how they are wired, by `wiring`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType

from . import wiring
from .plan import RESOLVER, UPSTREAM_DNS, Host
from .wiring import EXCHANGE, FAR, NEAR, Wiring

_ENTER = 'mount --bind "$0" /etc/resolv.conf && mount --bind "$1" /etc/hosts && hostname "$2" && shift 2 && exec "$@"'


class Town:
    """A context manager around some hosts of the plan.

    Needs root, iproute2, nftables and ethtool; raises OSError when the kernel refuses a part of the layout.
    """

    def __init__(self, hosts: Iterable[Host]) -> None:
        self.hosts = tuple(hosts)
        self._wiring = Wiring(self.hosts)
        self.folder = Path(tempfile.mkdtemp(prefix=self._wiring.space("")))
        self.folder.chmod(0o755)  # servers that give up root read their configuration here
        self._processes: list[subprocess.Popen[bytes]] = []
        self._logs: dict[str, list[subprocess.Popen[bytes]]] = {}
        self._closed = False
        for side, server in (("segment", RESOLVER), ("internet", UPSTREAM_DNS)):
            (self.folder / f"resolv.{side}").write_text(f"nameserver {server}\noptions timeout:2 attempts:2\n")

    @property
    def tag(self) -> str:
        """What tells this town from another one on the same machine."""
        return self._wiring.tag

    def __enter__(self) -> Town:
        wiring.remove_abandoned()
        try:
            self._wiring.lay_out()
            self._start_long_line()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop what runs in the town, by process id, then remove its namespaces and its folder."""
        self._closed = True
        for process in self._processes:
            _signal(os.killpg, process.pid, signal.SIGTERM)
        for process in self._processes:
            stop(process)
        deadline = time.monotonic() + 3
        while (left := self._wiring.residents()) and time.monotonic() < deadline:
            for pid in left:  # those that left their session, as a browser's children do
                _signal(os.kill, pid, signal.SIGKILL)
            time.sleep(0.05)
        self._wiring.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def command(self, host: str, argv: Sequence[str]) -> list[str]:
        """The argument list that runs `argv` inside a host, under its name and with the resolver of its side."""
        if self._closed:
            raise OSError(f"the town of {host} has been taken down")
        side = next((known.side for known in self.hosts if known.name == host), "segment")
        names = self.folder / f"hosts.{host}"
        if not names.exists():
            names.write_text(f"127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {host}\n")
        inside = ["ip", "netns", "exec", self._wiring.space(host), "unshare", "--uts"]
        return [*inside, "sh", "-c", _ENTER, str(self.folder / f"resolv.{side}"), str(names), host, *argv]

    def spawn(self, host: str, *argv: str, log: str | None = None) -> subprocess.Popen[bytes]:
        """Start a program that stays; its output goes to `<log or program>.<host>.log` in the town's folder."""
        name = f"{log or Path(argv[0]).name}.{host}.log"
        with (self.folder / name).open("ab") as output:
            process = subprocess.Popen(
                self.command(host, argv),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._processes.append(process)
        self._logs.setdefault(log or Path(argv[0]).name, []).append(process)
        return process

    def run(self, host: str, *argv: str, timeout: float = 60.0) -> subprocess.CompletedProcess[bytes]:
        """Run a program to its end, or stop it after `timeout` seconds; its failure is the caller's to judge."""
        process = subprocess.Popen(
            self.command(host, argv),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            stop(process)
            output, _ = process.communicate()
        return subprocess.CompletedProcess(argv, process.returncode, output)

    def acquaint(self, addresses: Iterable[str]) -> None:
        """Tell every machine of the segment where these are, for a kernel remembers only so many that it asked for."""
        self._wiring.acquaint(addresses)

    def end(self, log: str) -> None:
        """Ask the programs that were started with this `log` to end, and wait for them."""
        ending = self._logs.get(log, [])
        for process in ending:
            _signal(os.killpg, process.pid, signal.SIGTERM)
        for process in ending:
            stop(process, grace=20)

    def wait_for(self, host: str, port: int, timeout: float = 10.0) -> None:
        """Return when something listens there, seen from inside `host` without a packet on the wire."""

        def listens() -> bool:
            sockets = self.run(host, "ss", "-Hlntu").stdout.decode()
            return any(line.split()[4].endswith(f":{port}") for line in sockets.splitlines())

        self.wait_until(listens, f"listener on port {port} of {host}", timeout)

    def wait_until(self, ready: Callable[[], bool], what: str, timeout: float = 10.0) -> None:
        """Return when `ready()`; OSError naming `what`, with the ends of all logs, when it never is."""
        deadline = time.monotonic() + timeout
        while not ready():
            if time.monotonic() > deadline:
                raise OSError(f"no {what} after {timeout:.0f} s; {self._last_words()}")
            time.sleep(0.1)

    def _last_words(self) -> str:
        logs = [(path.name, path.read_text(errors="replace").strip()) for path in sorted(self.folder.glob("*.log"))]
        return "; ".join(f"{name}: {text[-300:]}" for name, text in logs if text)

    def _start_long_line(self) -> None:
        far = [host for host in self.hosts if host.side == "internet"]
        delays = {address: host.delay for host in far for address in (*host.addresses, host.address6)}
        script = Path(__file__).with_name("longline.py")
        self.spawn(EXCHANGE, sys.executable, str(script), NEAR, FAR, json.dumps(delays), log="longline")


def stop(process: subprocess.Popen[bytes], grace: float = 3.0) -> None:
    """End a program and the session that it leads: first asked, then made to."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not _signal(os.killpg, process.pid, number):
            break
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            continue
        if not _signal(os.killpg, process.pid, 0):
            break
    process.poll()


def _signal(send: Callable[[int, int], None], target: int, number: int) -> bool:
    """Whether there was still somebody to receive the signal."""
    try:
        send(target, number)
    except ProcessLookupError:
        return False
    return True

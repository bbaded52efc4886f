"""Lay out a town of network namespaces, run programs in them, and take everything down again.

One switch joins the segment's hosts; every frame that enters it is copied once to the sensor's `mirror0`. A router
leads over the long line to the exchange, where the Internet's hosts are. Who the hosts are is said by `plan`.
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
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

from .plan import GATEWAY, INTERNET, RESOLVER, UPSTREAM_DNS, WAN_GATEWAY, Host

PREFIX = "town-"
SWITCH, ROUTER, EXCHANGE, SENSOR = "switch", "router", "exchange", "sensor"
MIRROR = "mirror0"  # the sensor's interface, in the namespace town-sensor
_ENTER = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'


def _ip(*lines: str) -> None:
    """Run commands of `ip` in one go."""
    done = subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, capture_output=True, check=False)
    if done.returncode:
        raise OSError(f"ip refused: {done.stderr.strip()}; commands were:\n" + "\n".join(lines))


class Town:
    """A context manager: the town stands inside the `with`, and nothing of it is left after it.

    Needs root, iproute2, nftables and ethtool; raises OSError when the kernel refuses a part of the layout.
    """

    def __init__(self, hosts: Iterable[Host]) -> None:
        self.hosts = tuple(hosts)
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self.folder.chmod(0o755)
        self._processes: list[subprocess.Popen[bytes]] = []
        for name in ("segment", "internet"):
            server = RESOLVER if name == "segment" else UPSTREAM_DNS
            (self.folder / f"resolv.{name}").write_text(f"nameserver {server}\noptions timeout:2 attempts:2\n")

    def __enter__(self) -> Town:
        self._remove_namespaces()
        try:
            self._lay_out()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop what runs in the town, by process id, then remove its namespaces and its folder."""
        for process in self._processes:
            stop(process)
        for pid in self._residents():
            with_pid(pid, signal.SIGKILL)
        self._remove_namespaces()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- programs -----------------------------------------------------------------------------------------------

    def command(self, host: str, argv: Sequence[str]) -> list[str]:
        """The argument list that runs `argv` inside a host, with the resolver of its side."""
        side = next((known.side for known in self.hosts if known.name == host), "segment")
        resolv = str(self.folder / f"resolv.{side}")
        return ["ip", "netns", "exec", PREFIX + host, "sh", "-c", _ENTER, resolv, *argv]

    def spawn(self, host: str, *argv: str, log: str | None = None) -> subprocess.Popen[bytes]:
        """Start a program that stays; its output goes to `<log or program>.<host>.log` in the town's folder."""
        name = f"{log or Path(argv[0]).name}.{host}.log"
        with (self.folder / name).open("ab") as output:
            process = subprocess.Popen(
                self.command(host, argv), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        self._processes.append(process)
        return process

    def run(self, host: str, *argv: str, timeout: float = 60.0) -> subprocess.CompletedProcess[bytes]:
        """Run a program to its end, or stop it after `timeout` seconds; its failure is the caller's to judge."""
        process = subprocess.Popen(
            self.command(host, argv),
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

    def wait_for(self, host: str, port: int, timeout: float = 10.0) -> None:
        """Return when something listens there, seen from inside `host` without a packet on the wire."""
        wanted = f":{port}"
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            sockets = self.run(host, "ss", "-Hlntu").stdout.decode()
            if any(line.split()[4].endswith(wanted) for line in sockets.splitlines()):
                return
            time.sleep(0.1)
        raise OSError(f"nothing listens on port {port} of {host} after {timeout:.0f} s; see {self.folder}")

    # --- layout -------------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        names = [SWITCH, ROUTER, EXCHANGE, SENSOR, *(host.name for host in self.hosts)]
        _ip(*(f"netns add {PREFIX}{name}" for name in names))
        for name in names:
            self._in(name, "link set lo up")
        for name in (SWITCH, EXCHANGE):
            self._in(name, "link add br0 type bridge mcast_snooping 0", "link set br0 up")
        for host in self.hosts:
            self._attach(host)
        self._attach_router()
        self._mirror()
        self._long_line()

    def _in(self, name: str, *lines: str) -> None:
        done = subprocess.run(
            ["ip", "-n", PREFIX + name, "-batch", "-"],
            input="\n".join(lines),
            text=True,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise OSError(f"ip -n {PREFIX}{name} refused: {done.stderr.strip()}; commands were {lines}")

    def _cable(self, left: str, left_port: str, right: str, right_port: str) -> None:
        """A veth pair without offloads, so that frames on the wire have real sizes and checksums."""
        _ip(f"link add {left_port} netns {PREFIX}{left} type veth peer name {right_port} netns {PREFIX}{right}")
        for name, port in ((left, left_port), (right, right_port)):
            self._in(name, f"link set {port} up")
            subprocess.run(
                ["ip", "netns", "exec", PREFIX + name, "ethtool", "-K", port]
                + [word for feature in ("tx", "tso", "gso", "gro", "sg") for word in (feature, "off")],
                check=True,
                capture_output=True,
            )

    def _attach(self, host: Host) -> None:
        inside = host.side == "segment"
        hub = SWITCH if inside else EXCHANGE
        self._cable(host.name, "eth0", hub, f"p-{host.name}")
        self._in(hub, f"link set p-{host.name} master br0")
        length = 16 if inside else 32
        mac = "02:00:" + ":".join(f"{int(part):02x}" for part in host.address.split("."))
        self._in(
            host.name,
            f"link set eth0 address {mac}",
            *(f"addr add {address}/{length} dev eth0" for address in host.addresses),
            *(() if inside else tuple(f"route add {network} dev eth0" for network in INTERNET)),
            f"route add default via {GATEWAY if inside else WAN_GATEWAY} dev eth0",
        )

    def _attach_router(self) -> None:
        self._cable(ROUTER, "lan0", SWITCH, "p-router")
        self._in(SWITCH, "link set p-router master br0")
        self._cable(ROUTER, "wan0", EXCHANGE, "near")
        self._cable(EXCHANGE, "far", EXCHANGE, "p-far")
        self._in(EXCHANGE, "link set p-far master br0")
        self._in(
            ROUTER,
            f"addr add {GATEWAY}/16 dev lan0",
            f"addr add {WAN_GATEWAY}/32 dev wan0",
            *(f"route add {network} dev wan0 src {WAN_GATEWAY}" for network in INTERNET),
        )
        subprocess.run(["ip", "netns", "exec", PREFIX + ROUTER, "sysctl", "-qw", "net.ipv4.ip_forward=1"], check=True)

    def _mirror(self) -> None:
        """Copy each frame that enters the switch to the sensor: a frame enters once, so it is seen once."""
        self._cable(SWITCH, "span0", SENSOR, MIRROR)
        ports = [f"p-{host.name}" for host in self.hosts if host.side == "segment"] + ["p-router"]
        chains = "\n".join(
            f'chain c{index} {{ type filter hook ingress device "{port}" priority 0; dup to "span0"; }}'
            for index, port in enumerate(ports)
        )
        subprocess.run(
            ["ip", "netns", "exec", PREFIX + SWITCH, "nft", "-f", "-"],
            input=f"table netdev mirror {{\n{chains}\n}}\n",
            text=True,
            check=True,
        )

    def _long_line(self) -> None:
        delays = {address: host.delay for host in self.hosts if host.side == "internet" for address in host.addresses}
        script = Path(__file__).with_name("longline.py")
        self.spawn(EXCHANGE, sys.executable, str(script), "near", "far", json.dumps(delays), log="longline")

    # --- removal ------------------------------------------------------------------------------------------------

    def _namespaces(self) -> list[str]:
        listing = subprocess.run(["ip", "netns", "list"], text=True, capture_output=True, check=True).stdout
        mine = {PREFIX + name for name in (SWITCH, ROUTER, EXCHANGE, SENSOR, *(host.name for host in self.hosts))}
        return [line.split()[0] for line in listing.splitlines() if line.split()[0] in mine]

    def _residents(self) -> list[int]:
        pids: list[int] = []
        for name in self._namespaces():
            listing = subprocess.run(["ip", "netns", "pids", name], text=True, capture_output=True, check=False)
            pids += [int(line) for line in listing.stdout.split()]
        return pids

    def _remove_namespaces(self) -> None:
        for name in self._namespaces():
            subprocess.run(["ip", "netns", "delete", name], check=False)


def with_pid(pid: int, number: signal.Signals) -> None:
    """Send a signal to one process that may have ended already."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def stop(process: subprocess.Popen[bytes], grace: float = 3.0) -> None:
    """End a program and the session that it leads: first asked, then made to."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            continue
        if number is signal.SIGTERM and not _group_lives(process.pid):
            return


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True

"""Wire a town in the kernel: namespaces, switch, mirror, router and routes; and remove it. Programs are `town`'s work.

One switch joins the segment's hosts; every frame that enters it is copied once to the sensor's `mirror0`. A router
leads over the long line (`longline`) to the exchange, where the Internet's hosts are. Who they are is said by `plan`.
"""

from __future__ import annotations

import ipaddress
import itertools
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from .plan import (
    GATEWAY,
    GATEWAY6,
    INNER,
    INTERNET,
    SEGMENT,
    SEGMENT6,
    SERVER_FARM,
    WAN_GATEWAY,
    WAN_GATEWAY6,
    Host,
    mac_of,
)

PREFIX = "town-"
SWITCH, ROUTER, EXCHANGE, SENSOR = "switch", "router", "exchange", "sensor"
MIRROR = "mirror0"  # the sensor's interface
NEAR, FAR = "near", "far"  # the exchange's ends of the long line
_OFFLOADS = ("tx", "tso", "gso", "gro", "sg")
_count = itertools.count()


class Wiring:
    """The namespaces of one town, named `town-<pid>-<number>-<host>`, so that several towns do not meet."""

    def __init__(self, hosts: tuple[Host, ...]) -> None:
        self.hosts = hosts
        self.tag = f"{os.getpid()}-{next(_count)}"

    def space(self, name: str) -> str:
        """Namespace of a host, or of the switch, router, exchange or sensor."""
        return f"{PREFIX}{self.tag}-{name}"

    def lay_out(self) -> None:
        """Make everything; OSError when the kernel refuses a part."""
        names = (SWITCH, ROUTER, EXCHANGE, SENSOR, *(host.name for host in self.hosts))
        _batch(["ip", "-batch", "-"], *(f"netns add {self.space(name)}" for name in names))
        for name in names:
            self._ip(name, "link set lo up")
        for name in (SWITCH, EXCHANGE):
            self._ip(name, "link add br0 type bridge mcast_snooping 0", "link set br0 up")
        for host in self.hosts:
            self._attach(host)
        self._attach_router()
        self._mirror()

    def acquaint(self, addresses: Iterable[str]) -> None:
        """Permanent neighbours for addresses of the segment's hosts: the kernel's table of asked ones is small."""
        homes = {address: known for known in self.hosts for address in known.addresses}
        wanted = [(address, homes[address]) for address in addresses]
        for name, port in [
            *((known.name, "eth0") for known in self.hosts if known.side == "segment"),
            (ROUTER, "lan0"),
        ]:
            lines = (
                f"neigh replace {address} lladdr {known.mac} dev {port} nud permanent"
                for address, known in wanted
                if known.name != name
            )
            self._ip(name, *lines)

    def remove(self) -> None:
        """Delete this town's namespaces, and with them every interface in them."""
        for name in _namespaces(self.space("")):
            subprocess.run(["ip", "netns", "delete", name], check=False)

    def residents(self) -> list[int]:
        """Process ids of whatever runs in this town's namespaces."""
        return [pid for name in _namespaces(self.space("")) for pid in _residents(name)]

    def _ip(self, name: str, *lines: str) -> None:
        _batch(["ip", "-n", self.space(name), "-batch", "-"], *lines)

    def _cable(self, left: str, left_port: str, right: str, right_port: str) -> None:
        """A veth pair without offloads, so that frames on the wire have real sizes and checksums."""
        far_end = f"peer name {right_port} netns {self.space(right)}"
        self._ip(left, f"link add {left_port} type veth {far_end}")
        settings = [word for feature in _OFFLOADS for word in (feature, "off")]
        for name, port in ((left, left_port), (right, right_port)):
            self._ip(name, f"link set {port} up")
            _run(["ip", "netns", "exec", self.space(name), "ethtool", "-K", port, *settings])

    def _attach(self, host: Host) -> None:
        inside = host.side == "segment"
        hub = SWITCH if inside else EXCHANGE
        self._cable(host.name, "eth0", hub, f"p-{host.name}")
        self._ip(hub, f"link set p-{host.name} master br0")
        self._ip(
            host.name,
            f"link set eth0 address {host.mac}",
            *(f"addr add {address}/{16 if inside else 32} dev eth0" for address in host.addresses),
            f"addr add {host.address6}/{64 if inside else 32} dev eth0 nodad",
            *(_ways_out() if inside else _ways_in()),
        )

    def _attach_router(self) -> None:
        self._cable(ROUTER, "lan0", SWITCH, "p-router")
        self._ip(SWITCH, "link set p-router master br0")
        self._cable(ROUTER, "wan0", EXCHANGE, NEAR)
        self._cable(EXCHANGE, FAR, EXCHANGE, "p-far")
        self._ip(EXCHANGE, "link set p-far master br0")
        farm = [str(address) for address in ipaddress.ip_network(SERVER_FARM).hosts()]
        self._ip(
            ROUTER,
            f"link set lan0 address {mac_of(GATEWAY)}",
            f"addr add {GATEWAY}/16 dev lan0",
            f"addr add {GATEWAY6}/64 dev lan0 nodad",
            f"link set wan0 address {mac_of(WAN_GATEWAY)}",
            f"addr add {WAN_GATEWAY}/32 dev wan0",
            f"addr add {WAN_GATEWAY6}/32 dev wan0 nodad",
            *(f"route add {network} dev wan0 src {WAN_GATEWAY}" for network in INTERNET),
            *(f"neigh add {address} lladdr {mac_of(address)} dev lan0 nud permanent" for address in farm),
        )
        for setting in ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"):
            _run(["ip", "netns", "exec", self.space(ROUTER), "sysctl", "-qw", setting])

    def _mirror(self) -> None:
        """Copy each frame that enters the switch to the sensor: a frame enters once, so it is seen once."""
        self._cable(SWITCH, "span0", SENSOR, MIRROR)
        ports = [f"p-{host.name}" for host in self.hosts if host.side == "segment"] + ["p-router"]
        chains = "\n".join(
            f'chain c{index} {{ type filter hook ingress device "{port}" priority 0; dup to "span0"; }}'
            for index, port in enumerate(ports)
        )
        rules = f"table netdev mirror {{\n{chains}\n}}\n"
        _run(["ip", "netns", "exec", self.space(SWITCH), "nft", "-f", "-"], rules)


def _ways_out() -> list[str]:
    """Routes of a segment host: all by the router, which knows no more than the town's Internet."""
    return [
        f"route add default via {GATEWAY} dev eth0",
        f"route add ::/0 via {GATEWAY6} dev eth0",
        f"route add blackhole {INNER}",
    ]


def _ways_in() -> list[str]:
    """Routes of an Internet host: the other ranges on the same line, and the segment by the town's router."""
    return [
        *(f"route add {network} dev eth0" for network in INTERNET),
        f"route add {SEGMENT} via {WAN_GATEWAY} dev eth0",
        f"route add {SEGMENT6} via {WAN_GATEWAY6} dev eth0",
    ]


def remove_abandoned() -> None:
    """Remove the towns of recorders that no longer live, and what still runs in them."""
    for name in _namespaces(PREFIX):
        if _abandoned(name):
            for pid in _residents(name):
                subprocess.run(["kill", "-KILL", str(pid)], check=False)
            subprocess.run(["ip", "netns", "delete", name], check=False)
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if _abandoned(folder.name):
            shutil.rmtree(folder, ignore_errors=True)


def _abandoned(name: str) -> bool:
    owner = re.match(rf"{PREFIX}(\d+)-\d+-", name)
    return owner is not None and not Path(f"/proc/{owner.group(1)}").exists()


def _namespaces(prefix: str) -> list[str]:
    listing = subprocess.run(["ip", "netns", "list"], text=True, capture_output=True, check=True).stdout
    names = [line.split()[0] for line in listing.splitlines() if line.strip()]
    return [name for name in names if name.startswith(prefix)]


def _residents(namespace: str) -> list[int]:
    listing = subprocess.run(["ip", "netns", "pids", namespace], text=True, capture_output=True, check=False)
    return [int(line) for line in listing.stdout.split()]


def _batch(argv: list[str], *lines: str) -> None:
    _run(argv, "\n".join(lines) + "\n")


def _run(argv: list[str], text: str | None = None) -> None:
    done = subprocess.run(argv, input=text, text=True, capture_output=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(argv)}: {done.stderr.strip()}" + (f"; input was:\n{text}" if text else ""))

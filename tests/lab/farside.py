"""The far ends that tunnels need, on the Internet's side: iodined, ptunnel-ng, openvpn, wireguard-go, a Tor bridge.

Each `start_*` leaves a server running in the town; the near ends are in `tunnels`.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from .plan import host
from .town import Town
from .web import issue_certificate

DNS_TUNNEL = "t.pixelstats.example"
PASSWORD = "lab"
WIREGUARD_PORT, OPENVPN_PORT, TOR_PORT = "51820", "1194", "9001"
DNS_INNER, VPN_INNER, WIREGUARD_INNER = ("172.16.99.1", "172.16.98.1", "172.16.97.1")

BRIDGE = """
SocksPort 0
ORPort {port}
Address {address}
BridgeRelay 1
PublishServerDescriptor 0
AssumeReachable 1
ExitPolicy reject *:*
Nickname townbridge
DataDirectory {folder}
Log notice stdout
"""


def start_dns_tunnel(town: Town) -> None:
    """iodined behind the name server of the tunnel's domain."""
    town.spawn("dnsout", "iodined", "-f", "-c", "-P", PASSWORD, DNS_INNER, DNS_TUNNEL)


def start_icmp_tunnel(town: Town) -> None:
    """ptunnel-ng, which leads to the ssh server of its own host; the kernel's own echo replies are off."""
    town.run("icmpout", "sysctl", "-qw", "net.ipv4.icmp_echo_ignore_all=1")
    town.spawn("icmpout", "ptunnel-ng", "-r127.0.0.1", "-R22")


def start_openvpn(town: Town) -> None:
    """OpenVPN over UDP, TLS mode, one peer."""
    issue_certificate(town.folder, "client.freevpn.example")
    cert, key = issue_certificate(town.folder, "gw.freevpn.example")
    town.spawn("vpn", "openvpn", "--dev", "tun", "--proto", "udp", "--lport", OPENVPN_PORT, "--tls-server",
               "--dh", "none", "--ca", str(town.folder / "ca.crt"), "--cert", str(cert), "--key", str(key),
               "--ifconfig", VPN_INNER, "172.16.98.2", "--keepalive", "5", "60")  # fmt: skip


def start_wireguard(town: Town) -> None:
    """wireguard-go: not every kernel has the module."""
    keys = {}
    for side in ("far", "near"):
        secret = subprocess.run(["wg", "genkey"], capture_output=True, check=True).stdout
        (town.folder / f"wg.{side}").write_bytes(secret)
        keys[side] = subprocess.run(["wg", "pubkey"], input=secret, capture_output=True, check=True).stdout.decode()
        (town.folder / f"wg.{side}.pub").write_text(keys[side].strip())
    raise_wireguard(town, "vpn", "far", f"{WIREGUARD_INNER}/24", "listen-port", WIREGUARD_PORT,
                    "peer", keys["near"].strip(), "allowed-ips", "172.16.97.2/32")  # fmt: skip


def raise_wireguard(town: Town, name: str, side: str, inner: str, *settings: str) -> str:
    """A WireGuard interface in a host: user-space driver, key, settings, address; returns its name."""
    device = f"wg{side}{town.tag}"[:15]  # its control socket's name is the whole machine's
    town.spawn(name, "wireguard-go", "-f", device, log=f"wireguard-{device}")
    control = Path(f"/var/run/wireguard/{device}.sock")
    town.wait_until(control.exists, f"{control} of wireguard-go in {name}")
    for argv in (
        ["wg", "set", device, "private-key", str(town.folder / f"wg.{side}"), *settings],
        ["ip", "addr", "add", inner, "dev", device],
        ["ip", "link", "set", device, "mtu", "1380", "up"],
    ):
        done = town.run(name, *argv)
        if done.returncode:
            raise OSError(f"{' '.join(argv[:2])} in {name} failed: {done.stdout.decode().strip()}")
    return device


def start_tor_bridge(town: Town) -> None:
    """A Tor bridge that publishes nothing and reaches nobody: a client gets its link and descriptors, no circuit."""
    folder = town.folder / "tor.bridge"
    folder.mkdir(mode=0o700)
    conf = town.folder / "bridge.torrc"
    conf.write_text(BRIDGE.format(folder=folder, port=TOR_PORT, address=host("bridge").address))
    town.spawn("bridge", "tor", "-f", str(conf))


def start_all(town: Town) -> None:
    """Start every far end."""
    for start in (start_dns_tunnel, start_icmp_tunnel, start_openvpn, start_wireguard, start_tor_bridge):
        start(town)
    town.wait_for("dnsout", 53)
    town.wait_for("vpn", int(OPENVPN_PORT))
    town.wait_for("bridge", int(TOR_PORT))

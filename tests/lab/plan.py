"""Who lives in the town: hosts, addresses, names and line delays; wiring them together is left to `town`.

The segment is RFC 1918 and ULA; everything of the Internet is from the documentation and benchmarking ranges (RFC 5737,
RFC 3849, RFC 2544), so that nothing in a recording can be mistaken for, or sent to, a real network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Side = Literal["segment", "internet"]

SEGMENT = "10.20.0.0/16"
GATEWAY = "10.20.0.1"  # the router's leg in the segment; the firewall that translates addresses is beyond the mirror
WAN_GATEWAY = "192.0.2.254"
INTERNET = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "198.18.0.0/15")
INTERNET6 = "2001:db8::/32"
SEGMENT6 = "fd54:6f77:6e00::/64"
GATEWAY6 = "fd54:6f77:6e00::1"
WAN_GATEWAY6 = "2001:db8::fe"
INNER = "172.16.0.0/12"  # addresses inside tunnels; nobody routes them, so they cross the mirror only wrapped
SERVER_FARM = "10.20.2.0/24"  # the router knows a neighbour for every address of it, so that scans reach the wire
WWW = "www.town.example"
RESOLVER = "10.20.2.53"
UPSTREAM_DNS = "198.51.100.53"


@dataclass(frozen=True)
class Host:
    """A machine of the town: one namespace, one interface, its addresses, and the delay to it in milliseconds."""

    name: str
    side: Side
    role: str
    addresses: tuple[str, ...]
    delay: int = 0

    @property
    def address(self) -> str:
        """The first address, from which the host speaks."""
        return self.addresses[0]

    @property
    def address6(self) -> str:
        """Its IPv6 address: the last parts of the first IPv4 address, under the prefix of its side."""
        first, second, third, fourth = self.address.split(".")
        if self.side == "segment":
            return f"{SEGMENT6.split('/')[0]}{third}:{fourth}"
        return f"2001:db8:{first}:{second}::{third}:{fourth}"

    @property
    def mac(self) -> str:
        """A locally administered address made of the IPv4 address."""
        return mac_of(self.address)


@dataclass(frozen=True)
class Site:
    """A web site of the Internet: name, address, TLS versions it speaks, and what its front page weighs in bytes."""

    name: str
    address: str
    tls: str
    weight: int


ABSENT = ("nakamura", "hayashi")  # machines that are on while nobody sits there: all that they do is not benign


def mac_of(address: str) -> str:
    """The hardware address that an IPv4 address of the town has, or would have."""
    return "02:00:" + ":".join(f"{int(part):02x}" for part in address.split("."))


def _staff(number: int, name: str) -> Host:
    return Host(name, "segment", "absent" if name in ABSENT else "staff", (f"10.20.1.{10 + number}",))


PEOPLE = (
    "sato", "suzuki", "takahashi", "tanaka", "watanabe", "ito", "nakamura", "kobayashi",
    "kato", "yoshida", "yamada", "sasaki", "matsumoto", "inoue", "kimura", "hayashi",
)  # fmt: skip
STAFF = tuple(_staff(number, name) for number, name in enumerate(PEOPLE))

SERVERS = (
    Host("www", "segment", "public web server", ("10.20.2.10",)),
    Host("resolver", "segment", "resolver", (RESOLVER,)),
    Host("mail", "segment", "mail server", ("10.20.2.25",)),
    Host("ftp", "segment", "ftp server", ("10.20.2.21",)),
    Host("proxy", "segment", "web proxy", ("10.20.2.80",)),
    Host("files", "segment", "ssh and backup server", ("10.20.2.22",)),
)

SITES = (
    Site("www.news.example", "198.51.100.10", "TLSv1.2 TLSv1.3", 24_000),
    Site("cdn.news.example", "198.51.100.11", "TLSv1.3", 30_000),
    Site("portal.pref.example", "198.51.100.12", "TLSv1.2", 12_000),
    Site("weather.example", "198.51.100.13", "TLSv1.2 TLSv1.3", 8_000),
    Site("maps.example", "198.51.100.14", "TLSv1.3", 40_000),
    Site("cloud.example", "198.18.0.15", "TLSv1.2 TLSv1.3", 6_000),
    Site("updates.example", "198.18.0.16", "TLSv1.2", 60_000),
    Site("groupware.example", "198.18.0.17", "TLSv1.3", 10_000),
)

DUAL_STACK = ("web0", "web1", "web2", "www")  # whose names have an IPv6 address too

WEB = tuple(
    Host(f"web{index}", "internet", "web site", (site.address,), delay)
    for index, (site, delay) in enumerate(zip(SITES, (8, 5, 4, 12, 45, 60, 55, 20), strict=True))
)

INTERNET_SERVICES = (
    Host("upstream", "internet", "authoritative and forwarding DNS", (UPSTREAM_DNS,), 6),
    Host("clock", "internet", "NTP server", ("198.51.100.123",), 9),
    Host("mx", "internet", "mail server of another town", ("198.51.100.25",), 15),
    Host("citizen1", "internet", "visitor of the public web server", ("192.0.2.31",), 11),
    Host("citizen2", "internet", "visitor of the public web server", ("192.0.2.32",), 19),
)

ADVERSARIES = (
    Host("scanner", "internet", "scans the segment from outside", ("203.0.113.66",), 80),
    Host("lurker", "internet", "scans slowly", ("203.0.113.67",), 130),
    Host("prober", "internet", "scans with odd flags", ("203.0.113.68",), 60),
    Host("sweeper", "internet", "sweeps addresses", ("203.0.113.69",), 40),
    Host("guesser", "internet", "guesses ssh passwords", ("203.0.113.77",), 95),
    Host("guesser2", "internet", "guesses ftp passwords", ("203.0.113.78",), 50),
    Host("guesser3", "internet", "guesses web log-ins", ("203.0.113.79",), 70),
    Host("flooder", "internet", "floods from outside", ("203.0.113.88",), 30),
    Host("slow", "internet", "holds web connections open", ("203.0.113.89",), 45),
    Host("c2", "internet", "command-and-control server", ("203.0.113.10",), 70),
    Host("c2b", "internet", "second command-and-control server", ("203.0.113.11",), 120),
    Host("c2c", "internet", "third command-and-control server", ("203.0.113.12",), 55),
    Host("dnsout", "internet", "far end of the DNS tunnel", ("203.0.113.20",), 65),
    Host("icmpout", "internet", "far end of the ICMP tunnel", ("203.0.113.30",), 75),
    Host("drop", "internet", "drop site for stolen files", ("203.0.113.40",), 110),
    Host("vpn", "internet", "far end of the unauthorised VPNs and of ssh on an odd port", ("203.0.113.50",), 35),
    Host("bridge", "internet", "Tor bridge", ("203.0.113.60",), 85),
)

NAMES = {
    **{site.name: site.address for site in SITES},
    "time.example": "198.51.100.123",
    "mx.partner.example": "198.51.100.25",
    "assets.pixelstats.example": "203.0.113.10",
    "api.metricsbox.example": "203.0.113.11",
    "img.fastcache.example": "203.0.113.12",
    "files.dropzone.example": "203.0.113.40",
    "gw.freevpn.example": "203.0.113.50",
    WWW: "10.20.2.10",
    "mail.town.example": "10.20.2.25",
    "ftp.town.example": "10.20.2.21",
    "proxy.town.example": "10.20.2.80",
    "files.town.example": "10.20.2.22",
}

EVERYONE = STAFF + SERVERS + WEB + INTERNET_SERVICES + ADVERSARIES


def host(name: str) -> Host:
    """The host of that name; KeyError when nobody is called so."""
    for candidate in EVERYONE:
        if candidate.name == name:
            return candidate
    raise KeyError(name)

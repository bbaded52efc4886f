"""The one table of services: their names, their ports, and what port and content together say about a flow.

How a service is known by its content is in `recognise.py` and in one file a protocol; nothing here looks at bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from monitor.jit import Integer, kernel

TCP = 6
UDP = 17


@dataclass(frozen=True, slots=True)
class Service:
    """One service. The first service in the table that names a port owns it when only the port is known."""

    name: str
    tcp: str = ""  # ports and ranges of ports, as in "80 8000-8003"
    udp: str = ""
    also: str = ""  # other ports, TCP or UDP, where finding it is nothing odd
    roams: bool = False  # chooses its ports as it goes: odd only on a well-known port of another service
    sure: bool = False  # always known by its first bytes: other bytes on its port are something else


SERVICES: tuple[Service, ...] = (
    Service("unknown"),
    Service("dns", "53", "53", "137 1053 5300 5353 5355", sure=True),
    Service(
        "tls",
        "443 465 563 636 853 989 990 992-995 2083 2087 2096 3269 4433 4443 5061 5223 5228 5671 5986 6443 "
        "6514 6697 8009 8443 8883 9443 10443",
        "",
        "21 25 110 143 389 587 1433 2376 2484 2525 3001 3306 3389 4434 4643 5001 5222 5229 5230 5269 "
        "5349 5432 7443 8080 8531 9001 9030 9040 9050 9051 9150 10250 44443",
        sure=True,
    ),
    Service("quic", "", "443 784 853 8853", "80 4433 8443"),
    Service(
        "http",
        "80 591 2869 3128 5357 5985 7547 8000 8008 8080-8082 8088 8090 8118 8123 8180 8888",
        "",
        "593 631 1080 1400 1900 2375 3000 3500 5000 5080 5601 5800 7070 8001 8002 8008 8010 8014 8060 "
        "8083 8086 8089 8091 8096 8140 8181 8200 8500 8530 8800 8834 8983 9000 9080 9090 9091 9100 9200 "
        "10080 16992 32469 49000 55442 55443",
        sure=True,
    ),
    Service("http2", "", "", "80 443 2379 8080 9090 50051"),
    Service("ssh", "22 2222", "", "830 2022 2200 22022 29418", sure=True),
    Service("smtp", "25 587 2525", "", "26 465", sure=True),
    Service("ntp", "", "123", sure=True),
    Service("rdp", "3389", "3389", "2179 3388 3390", sure=True),
    Service("smb", "445", "", "139", sure=True),
    Service("ftp", "21", "", "990 2121", sure=True),
    Service("ftp-data", "20"),
    Service("imap", "143", "", "220", sure=True),
    Service("pop3", "110", "", "109", sure=True),
    Service("telnet", "23", "", "107 2323"),
    Service("snmp", "", "161 162", "10161 10162", sure=True),
    Service("dhcp", "", "67 68", sure=True),
    Service("dhcpv6", "", "546 547"),
    Service("ldap", "389 3268", "389", sure=True),
    Service("kerberos", "88 464", "88 464", sure=True),
    Service("stun", "3478 3479 5349", "3478 3479 19302", "443", roams=True),
    Service("wireguard", "", "51820", "51821", roams=True),
    Service("openvpn", "1194", "1194", "1195 1197 1198"),
    Service("bittorrent", "6881-6889", "6881-6889", "6969 51413", roams=True),
    Service("socks", "1080", "", "1081 9050 9150 10808"),
    Service("tor", "9001 9030 9050 9150", "", "80 443 9040"),
    Service("dtls", "", "4433 5684", "443 853 2055 3391 4740 4755 5246 5247", roams=True),
    Service("mqtt", "1883", "", "1884 8883", sure=True),
    Service("sip", "5060", "5060", "5061 5062 5080 5160"),
    Service("rtp", "", "5004 5005", roams=True),
    Service("rtcp", roams=True),
    Service("mdns", "", "5353", sure=True),
    Service("llmnr", "5355", "5355", sure=True),
    Service("nbns", "", "137", sure=True),
    Service("nbdgm", "", "138", sure=True),
    Service("nbss", "139", "", "445"),
    Service("ssdp", "", "1900", roams=True),
    Service("irc", "194 6660-6669", "", "6697 7000"),
    Service("vnc", "5900-5903", "", "5500 5800 5904 5905"),
    Service("teamviewer", "5938", "5938", "80 443", roams=True),
    Service("anydesk", "7070", "50001-50003", "80 443 6568", roams=True),
    Service("mining", "3333 4444 14444 45700", "", "3357 5555 7777 9999", roams=True),
    Service("rsync", "873", sure=True),
    Service("mysql", "3306", "", "3307 33060", sure=True),
    Service("postgres", "5432", "", "5433 6432", sure=True),
    Service("mssql", "1433", "", "1434", sure=True),
    Service("mssql-browser", "", "1434"),
    Service("oracle", "1521", "", "1522 1526 2483"),
    Service("mongodb", "27017 27018", "", "27019"),
    Service("redis", "6379", "", "6380 26379"),
    Service("memcached", "11211", "11211"),
    Service("cassandra", "7000 9042"),
    Service("kafka", "9092", "", "9093"),
    Service("amqp", "5672", "", "5671", sure=True),
    Service("radius", "", "1645 1646 1812 1813 3799"),
    Service("tacacs", "49"),
    Service("diameter", "3868"),
    Service("syslog", "601", "514", "514 1514 6514"),
    Service("tftp", "", "69", roams=True),
    Service("rtsp", "554 8554", "", "5000 7070", roams=True),
    Service("rtmp", "1935", "", "80 443"),
    Service("xmpp", "5222 5269", "", "443 5280 5298", sure=True),
    Service("coap", "", "5683", roams=True),
    Service("bacnet", "", "47808", "47809-47823"),
    Service("modbus", "502"),
    Service("dnp3", "20000", "20000"),
    Service("s7comm", "102"),
    Service("enip", "44818", "2222 44818"),
    Service("iec104", "2404"),
    Service("ike", "", "500 4500"),
    Service("l2tp", "", "1701"),
    Service("pptp", "1723"),
    Service("gtp-c", "", "2123"),
    Service("portmap", "111", "111"),
    Service("nfs", "2049", "2049"),
    Service("sunrpc", roams=True),
    Service("dcerpc", "135 593", "135", "445", roams=True),
    Service("nntp", "119", "", "433"),
    Service("whois", "43 4321"),
    Service("finger", "79"),
    Service("ident", "113"),
    Service("gopher", "70"),
    Service("git", "9418", sure=True),
    Service("svn", "3690"),
    Service("cvs", "2401"),
    Service("zabbix", "10050 10051"),
    Service("ws-discovery", "", "3702", roams=True),
    Service("nat-pmp", "", "5351"),
    Service("slp", "427", "427"),
    Service("rip", "", "520 521"),
    Service("bgp", "179", sure=True),
    Service("bfd", "", "3784 3785 4784"),
    Service("hsrp", "", "1985 2029"),
    Service("vrrp"),
    Service("ldp", "646", "646"),
    Service("netflow", "", "2055 9995 9996"),
    Service("ipfix", "4739", "4739"),
    Service("sflow", "", "6343"),
    Service("capwap", "", "5246 5247"),
    Service("x11", "6000-6003"),
    Service("ica", "1494 2598", "1604"),
    Service("afp", "548"),
    Service("lpd", "515"),
    Service("ipp", "631", "631"),
    Service("jetdirect", "9100"),
    Service("rlogin", "513"),
    Service("rsh", "514"),
    Service("rexec", "512"),
    Service("edonkey", "4662", "4665 4672", roams=True),
    Service("gnutella", "6346 6347", "6346 6347", roams=True),
    Service("steam", "27036", "27015-27030 27036", roams=True),
    Service("minecraft", "25565", "19132 25565"),
    Service("dropbox", "17500", "17500"),
    Service("whatsapp", "", "", "80 443 5222", roams=True),
    Service("tor-control", "9051"),
    Service("dnscrypt", "", "", "53 443 5353 8443 15353", roams=True),
    Service("adb", "5555"),
    Service("chargen", "19", "19"),
    Service("echo", "7", "7"),
    Service("discard", "9", "9"),
    Service("daytime", "13", "13"),
    Service("time", "37", "37"),
    Service("qotd", "17", "17"),
    Service("ptp", "", "319 320"),
    Service("teredo", "", "3544"),
    Service("vxlan", "", "4789"),
    Service("geneve", "", "6081"),
    Service("gtp-u", "", "2152"),
    Service("icmp"),
)
"""Every service; the index is its id in a names row and in the flow table."""

SERVICE_NAMES: tuple[str, ...] = tuple(service.name for service in SERVICES)
"""Name by id; 0 is `unknown`. Ids are not stable between versions: store the name."""


def service_id(name: str) -> int:
    """Id of the service of that name. Raises ValueError."""
    return SERVICE_NAMES.index(name)


def ports(text: str) -> tuple[int, ...]:
    """Ports named by a text such as "80 8000-8003"."""
    spans = [word.partition("-") for word in text.split()]
    return tuple(port for low, _, high in spans for port in range(int(low), int(high or low) + 1))


def _owners(transport: Literal["tcp", "udp"]) -> npt.NDArray[np.uint8]:
    owners = np.zeros(65536, np.uint8)
    for index, service in enumerate(SERVICES):
        for port in ports(service.tcp if transport == "tcp" else service.udp):
            if owners[port] == 0:
                owners[port] = index
    return owners


TCP_PORTS = _owners("tcp")
"""Service id by TCP port, 0 where none."""
UDP_PORTS = _owners("udp")
"""Service id by UDP port, 0 where none."""

_OWN = np.array(
    sorted(
        {index << 16 | port for index, row in enumerate(SERVICES) for port in ports(f"{row.tcp} {row.udp} {row.also}")}
    ),
    np.int64,
)
_ROAMS = np.array([service.roams for service in SERVICES], np.bool_)
_SURE = np.array([service.sure for service in SERVICES], np.bool_)


@kernel
def service_by_port(proto: Integer, src_port: Integer, dst_port: Integer) -> Integer:
    """Service id that the ports alone suggest, responder's port first; 0: none. `proto`: 6 or 17, others give 0."""
    if proto == TCP:
        owner = TCP_PORTS[dst_port & 0xFFFF]
        return int(owner if owner else TCP_PORTS[src_port & 0xFFFF])
    if proto == UDP:
        owner = UDP_PORTS[dst_port & 0xFFFF]
        return int(owner if owner else UDP_PORTS[src_port & 0xFFFF])
    return 0


@kernel
def _owns(service: Integer, port: Integer) -> bool:
    """Is `port` one where finding `service` is nothing odd?"""
    wanted = (np.int64(service) << 16) | np.int64(port)
    place = np.searchsorted(_OWN, wanted)
    return bool(place < _OWN.size and _OWN[place] == wanted)


@kernel
def settle_service(
    proto: Integer, src_port: Integer, dst_port: Integer, content: Integer, ruled_out: bool
) -> tuple[Integer, bool]:
    """Service of a flow and whether it is on an odd port, from content first and port second.

    `content`: id that `recognise` found, 0 when none. `ruled_out`: the initiator's first payload byte was seen (TCP:
    after its SYN) and every parser said that it is not its protocol. The rule of `service_on_odd_port`:

    - content known: odd unless either port is one where that service is usual (HTTP on 8080 is usual, SSH on 443 is
      not; either port, because the side that answers may have been seen first). Services that choose ports as they
      go (BitTorrent, STUN, WireGuard, RTP ...) are odd only on a port below 1024 that belongs to another service.
    - content ruled out, on the port of a service that is always known by its first bytes: service is `unknown`, odd.
    - otherwise the port names the service, and nothing is odd.
    """
    by_port = service_by_port(proto, src_port, dst_port)
    if content != 0:
        if _owns(content, dst_port) or _owns(content, src_port):
            return content, False
        if _ROAMS[content]:
            taken = TCP_PORTS[dst_port & 0xFFFF] if proto == TCP else UDP_PORTS[dst_port & 0xFFFF]
            return content, dst_port < 1024 and taken != 0
        return content, True
    if ruled_out and _SURE[by_port]:
        return 0, True
    return by_port, False

"""For each hunt: flows in which it must find its behaviour, and twins alike in all but the point, in which it must not.

Generated, with a fixed seed; addresses are documentation ranges. A hunt without both does not pass `test_hunts`. Scans,
beacons and zones are here, the others in `login_cases`, `volume_cases` and `web_cases`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from hunt_flows import CLIENT, SCANNER, SERVER, VICTIM, Case, Flow, beats, call, syn
from login_cases import LOGIN_FIRES, LOGIN_QUIET
from volume_cases import VOLUME_FIRES, VOLUME_QUIET
from web_cases import WEB_FIRES, WEB_QUIET

HOSTS = {"beacon": CLIENT, "amplification": SERVER}
"""Whom an incident of the cases names; the scanner where nothing is said."""


def _syn_scan() -> list[Flow]:
    return [syn(SCANNER, VICTIM, 1 + n, n * 0.01) for n in range(60)] + [
        syn(SCANNER, "192.168.2.21", 1 + n, 1 + n * 0.01) for n in range(5)
    ]


def _connect_scan() -> list[Flow]:
    refused = {"dst_packets": 1, "state": "REJ", "history": "Sr", "dst_flags": 20}
    opened = {"dst_packets": 1, "src_packets": 3, "state": "RSTO", "history": "ShAR", "dst_flags": 18, "src_flags": 22}
    return [syn(SCANNER, VICTIM, 1 + n, n * 2.0, **(opened if n in (21, 79) else refused)) for n in range(100)]


def _fin_scan() -> list[Flow]:
    lone = {"state": "OTH", "history": "F", "src_flags": 1}
    return [syn(SCANNER, VICTIM, 1 + n, n * 0.1, **lone) for n in range(40)]


def _udp_scan() -> list[Flow]:
    silent = {"proto": 17, "history": "D", "src_flags": 0, "src_port": 51000}
    return [syn(SCANNER, VICTIM, 100 + n, n * 0.5, **silent) for n in range(40)]


def _protocol_scan() -> list[Flow]:
    return [syn(SCANNER, VICTIM, 0, n * 0.1, proto=100 + n, history="", src_flags=0, state="OTH") for n in range(40)]


def _backscatter() -> list[Flow]:
    """A flooded server answers those whose addresses were forged: a RST to one, a SYN-ACK to another."""
    reset = {"state": "RSTOS0", "history": "R", "src_flags": 20, "src_port": 80}
    forged = {"src_packets": 0, "dst_packets": 1, "history": "^h", "state": "OTH", "src_flags": 0, "dst_flags": 18}
    answers: list[Flow] = []
    for n in range(100):
        answers.append(syn(SERVER, f"198.51.100.{n}", 1024 + n, n * 1.0, **reset))
        answers.append(syn(SERVER, "198.51.100.7", 2024 + n, n * 1.0 + 0.2, **reset))
        answers.append(syn("198.51.100.7", SERVER, 80, n * 1.0 + 0.5, **{**forged, "src_port": 1024 + n}))
    return answers


def _ftp_data() -> list[Flow]:
    """Passive FTP: many ports of one server, but each carries a file."""
    return [call(CLIENT, SERVER, n * 3.0 + n % 2, dst_port=50000 + n, service="unknown") for n in range(60)]


def _traceroute() -> list[Flow]:
    silent = {"proto": 17, "history": "D", "src_flags": 0, "src_port": 51000}
    return [syn(CLIENT, SERVER, 33434 + n, n * 0.1, **silent) for n in range(90)]


def _answers_of_a_server() -> list[Flow]:
    """A resolver whose questions were not captured."""
    one_way = {"proto": 17, "history": "D", "src_flags": 0, "src_port": 53}
    return [syn("192.168.1.1", CLIENT, 40000 + n, n * 0.7, **one_way) for n in range(90)]


def _sweep() -> list[Flow]:
    return [syn(SCANNER, f"10.0.{n // 250}.{n % 250 + 1}", 445, n * 0.05) for n in range(400)]


def _ping_sweep() -> list[Flow]:
    echo = {"proto": 1, "src_port": 8, "icmp_type": 8, "history": "", "src_flags": 0, "state": "OTH"}
    return [syn(SCANNER, f"10.0.0.{n + 1}", 0, n * 0.1, **echo) for n in range(30)]


def _monitoring(rounds: int = 8) -> list[Flow]:
    """Thirty hosts that answer are pinged each minute, and nothing else."""
    echo = {"proto": 1, "src_port": 8, "icmp_type": 8, "history": "", "src_flags": 0, "state": "OTH", "dst_packets": 1}
    return [
        syn(SCANNER, f"10.0.0.{n + 1}", 0, turn * 60 + n * 0.1, **echo) for turn in range(rounds) for n in range(30)
    ]


def _browsing() -> list[Flow]:
    """Many hosts on one port, all of which talk."""
    return [call(CLIENT, f"203.0.113.{n}", n * 0.7 + (n % 3) * 0.2) for n in range(200)]


def _no_way_out() -> list[Flow]:
    """A device whose network lets nothing out tries its maker's servers, one a minute."""
    return [syn(CLIENT, f"203.0.113.{n % 40}", 443, n * 30.0) for n in range(80)]


def _looked_up() -> list[Flow]:
    """As a sweep, but each address is one that the DNS had named."""
    answers = [f"203.0.113.{n}" for n in range(60)]
    lookup = {"src_ip": CLIENT, "dst_ip": "192.168.1.1", "dst_port": 53, "proto": 17, "service": "dns", "start": 0.0}
    return [{**lookup, "dns_answers": answers}] + [syn(CLIENT, dst, 443, 1 + n * 0.1) for n, dst in enumerate(answers)]


def _flood() -> list[Flow]:
    """Many SYNs of one client to one port of one host."""
    return [syn(CLIENT, VICTIM, 80, n * 0.01, src_port=1024 + n) for n in range(500)]


def _beacon(period: float, count: int, **how: float) -> Case:
    return lambda: [call(CLIENT, SERVER, start) for start in beats(period, count, **how)]


def _beacon_by_name() -> list[Flow]:
    """One name, a new address each time."""
    times = enumerate(beats(60, 40, jitter=0.2))
    return [call(CLIENT, f"203.0.113.{n % 40}", start, server_name="Cdn.Example.net") for n, start in times]


def _double_calls() -> list[Flow]:
    """Each beat opens three connections at once."""
    times = beats(30, 40, jitter=0.1)
    return [call(CLIENT, SERVER, start + n * 0.02, src_port=40000 + n) for start in times for n in range(3)]


def _at_random() -> list[Flow]:
    rng = random.Random(7)
    now, out = 0.0, []
    for _ in range(120):
        now += rng.expovariate(1 / 60)
        out.append(call(CLIENT, SERVER, now))
    return out


def _by_hand() -> list[Flow]:
    """A person: bursts of clicks, pauses for reading."""
    rng = random.Random(3)
    now, out = 0.0, []
    for _ in range(30):
        now += rng.lognormvariate(4, 1.2)
        out += [call(CLIENT, SERVER, now + rng.uniform(0, 8)) for _ in range(rng.randint(1, 9))]
    return out


def _clock() -> list[Flow]:
    ntp = {"dst_port": 123, "proto": 17, "service": "ntp", "history": "Dd"}
    return [call(CLIENT, SERVER, start, **ntp) for start in beats(64, 60)]


def _page_load() -> list[Flow]:
    """Regular, but for two seconds only."""
    return [call(CLIENT, SERVER, start) for start in beats(0.1, 30)]


def _set_up_again() -> list[Flow]:
    """A device that is switched on for ten minutes now and then, and calls home three times each time."""
    return [call(CLIENT, SERVER, day * 86400.0 + n * 180.0) for day in range(9) for n in range(3)]


def _beacon_in_names() -> list[Flow]:
    """A new name under one domain at each beat, by the resolver."""
    one = {"dst_port": 53, "proto": 17, "service": "dns", "history": "Dd"}
    return [
        call(CLIENT, "192.168.1.1", start, dns_query=f"{n:08x}.b.stats-box.net", **one)
        for n, start in enumerate(beats(20, 60, jitter=0.2))
    ]


def _cache_expires() -> list[Flow]:
    """The same name again as soon as it may not be cached any more."""
    return [{**row, "dns_query": "mail.stats-box.net"} for row in _beacon_in_names()]


def _office_hours() -> list[Flow]:
    """A laptop that is on for eight hours a day."""
    return [
        call(CLIENT, SERVER, day * 86400.0 + start)
        for day in range(3)
        for start in beats(300, 90, jitter=0.3, seed=day)
    ]


def _everybodys() -> list[Flow]:
    """A name that fifteen others have called as well, if only once."""
    name = {"server_name": "www.example.org"}
    others = [call(f"192.168.1.{100 + n}", SERVER, 7.0 * n, **name) for n in range(15)]
    return [*others, *(call(CLIENT, SERVER, start, **name) for start in beats(60, 60))]


def _polled_from_outside() -> list[Flow]:
    """Somebody else's monitoring calls our server."""
    return [call(SERVER, VICTIM, start) for start in beats(60, 60)]


def _between_zones() -> list[Flow]:
    """A host of the resident-number systems that tries to reach the Internet; one attempt gets through."""
    zones = {"src_zone": "mynumber", "dst_zone": "internet"}
    return [syn(SCANNER, SERVER, 443, n * 20.0, **zones) for n in range(4)] + [call(SCANNER, SERVER, 90.0, **zones)]


FIRES: Mapping[str, Mapping[str, Case]] = {
    "port_scan": {
        "syn": _syn_scan,
        "connect": _connect_scan,
        "fin": _fin_scan,
        "udp": _udp_scan,
        "ip protocols": _protocol_scan,
    },
    "horizontal_scan": {"syn sweep": _sweep, "ping sweep": _ping_sweep, "asked twice": lambda: _monitoring(2)},
    "beacon": {
        "steady": _beacon(60, 30),
        "jitter 30 %": _beacon(60, 60, jitter=0.3),
        "every fifth missed": _beacon(60, 60, jitter=0.3, missed=0.2),
        "by name through a proxy": lambda: [
            call(CLIENT, VICTIM, start, dst_port=3128, server_name="cdn.example") for start in beats(2, 200)
        ],
        "jitter 50 %": _beacon(3600, 30, jitter=0.5, missed=0.1),
        "sub-second": _beacon(0.5, 400, jitter=0.2),
        "hours": _beacon(2 * 3600, 24, jitter=0.1),
        "by name": _beacon_by_name,
        "office hours": _office_hours,
        "three at once": _double_calls,
        "in the dns": _beacon_in_names,
    },
    "zone_breach": {"attempts and a call": _between_zones},
    **LOGIN_FIRES,
    **VOLUME_FIRES,
    **WEB_FIRES,
}
STAYS_QUIET: Mapping[str, Mapping[str, Case]] = {
    "port_scan": {
        "backscatter": _backscatter,
        "passive ftp": _ftp_data,
        "traceroute": _traceroute,
        "answers": _answers_of_a_server,
        "sweep": _sweep,
        "flood": _flood,
        "few ports": lambda: _syn_scan()[:14],
    },
    "horizontal_scan": {
        "backscatter": _backscatter,
        "browsing": _browsing,
        "no way out": _no_way_out,
        "looked up": _looked_up,
        "port scan": _connect_scan,
        "monitoring": _monitoring,
        "flood": _flood,
        "few hosts": lambda: _sweep()[:14],
    },
    "beacon": {
        "at random": _at_random,
        "by hand": _by_hand,
        "clock": _clock,
        "cache expires": _cache_expires,
        "page load": _page_load,
        "set up again": _set_up_again,
        "everybody's service": _everybodys,
        "service is down": lambda: [syn(CLIENT, VICTIM, 443, start) for start in beats(60, 60)],
        "polled from outside": _polled_from_outside,
        "few calls": _beacon(60, 10),
        "polls a device": lambda: [call(CLIENT, VICTIM, start, dst_port=80) for start in beats(0.5, 400)],
    },
    "zone_breach": {
        "one zone": lambda: [{**row, "dst_zone": "mynumber"} for row in _between_zones()],
        "no listed zone": lambda: [{**row, "src_zone": "home"} for row in _between_zones()],
        "multicast": lambda: [{**row, "dst_ip": "224.0.0.251", "dst_zone": "home"} for row in _between_zones()],
    },
    **LOGIN_QUIET,
    **VOLUME_QUIET,
    **WEB_QUIET,
}

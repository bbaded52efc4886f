"""Cases of hunts about how much, how long and what is hidden: floods, tunnels, uploads, names: see `hunt_cases`."""

from __future__ import annotations

import random
from collections.abc import Mapping

from hunt_flows import CLIENT, SCANNER, SERVER, VICTIM, Case, Flow, call, syn

DAY, HOUR = 86400.0, 3600.0


def _syn_flood() -> list[Flow]:
    return [syn(f"198.51.{n % 7}.{n % 251}", SCANNER, 443, n * 0.005, src_port=1024 + n) for n in range(1500)]


def _udp_flood(**more: object) -> list[Flow]:
    one: Flow = {"proto": 17, "history": "D", "src_flags": 0, "src_packets": 5, "src_payload": 1500, **more}
    return [syn(SERVER, SCANNER, 5353 + n % 9, n * 0.01, src_port=2000 + n, **one) for n in range(400)]


def _ping_flood() -> list[Flow]:
    echo = {"proto": 1, "src_port": 8, "icmp_type": 8, "history": "", "src_flags": 0, "state": "OTH"}
    return [syn(SERVER, SCANNER, 0, 1.0, src_packets=5000, dst_packets=5000, duration=8.0, **echo)]


def _reflection() -> list[Flow]:
    one = {"proto": 17, "history": "D", "src_flags": 0, "src_port": 161, "src_payload": 900}
    return [syn(f"198.51.{n // 250}.{n % 250}", SCANNER, 30120, n * 0.002, **one) for n in range(2000)]


def _visitors() -> list[Flow]:
    """A busy web site: finished connections of many."""
    return [call(f"198.51.100.{n % 200}", SCANNER, n * 0.05, src_port=2000 + n) for n in range(2000)]


def _film() -> list[Flow]:
    """A call of two hours, one way."""
    one = {"proto": 17, "history": "D", "src_packets": 360_000, "duration": 7200.0, "src_flags": 0}
    return [syn(SERVER, SCANNER, 40000, 1.0, **one)]


def _held(**more: object) -> list[Flow]:
    one: Flow = {
        "dst_port": 80, "service": "http", "duration": 45.0, "src_payload": 600, "dst_payload": 0, "src_packets": 15,
        "src_iat_max": 5.0, **more,
    }  # fmt: skip
    return [call(SERVER, SCANNER, 1.0 + n * 0.1, src_port=4000 + n, **one) for n in range(40)]


def _misused() -> list[Flow]:
    """Our name server answers a forged asker at length."""
    one = {"proto": 17, "history": "Dd", "service": "dns", "dst_port": 53, "src_payload": 40, "dst_payload": 3000}
    return [call(SERVER, VICTIM, n * 0.02, src_port=1024 + n, src_packets=1, dst_packets=2, **one) for n in range(900)]


def _question(start: float, name: str = "", size: int = 0, **more: object) -> Flow:
    asked: Flow = {
        "proto": 17, "dst_port": 53, "service": "dns", "history": "Dd", "src_packets": 1, "dst_packets": 1,
        "src_payload": size or 18 + len(name), "dst_payload": 200, "dns_query": name, "dns_type": "A",
        "src_port": 20000 + int(start * 17) % 40000, **more,
    }  # fmt: skip
    return call(SCANNER, "192.168.1.1", start, **asked)


def _label(rng: random.Random, length: int, letters: str = "abcdefghijklmnopqrstuvwxyz0123456789") -> str:
    return "".join(rng.choice(letters) for _ in range(length))


def _one_port_tunnel() -> list[Flow]:
    return [_question(2.0, "a.t.example.net", src_packets=400, dst_packets=400, src_payload=26_000, dst_payload=40_000)]


def _many_labels(zone: str = "t.pixel-stats.net", length: int = 20) -> list[Flow]:
    rng = random.Random(8)
    return [_question(n * 3.0, f"{_label(rng, length)}.{zone}", dns_type="TXT") for n in range(90)]


def _orders(names: int = 20) -> list[Flow]:
    """A short order in each answer, then one name again and again while there is none."""
    asked = [f"l.{n}.ns.example.net" for n in range(names - 1)] + ["c.1.24006.ns.example.net"] * 30
    return [_question(n * 1.1, name, dns_type="TXT") for n, name in enumerate(asked)]


def _long_questions() -> list[Flow]:
    return [_question(n * 1.5, size=250) for n in range(20)]


def _look_ups() -> list[Flow]:
    """Names of a person's day, again and again."""
    return [_question(n * 2.0, f"www{n % 30}.shop-{n % 40}.example") for n in range(300)]


def _steady_asker() -> list[Flow]:
    """A device that keeps its port, but asks for short names."""
    return [_question(2.0, "time.example", src_packets=400, dst_packets=400, src_payload=400 * 32, dst_payload=20_000)]


def _generated(count: int = 40) -> list[Flow]:
    rng = random.Random(9)
    letters = "bcdfghjklmnpqrstvwxz" + "aeiou" + "0123456789"
    return [_question(n * 1.0, f"{_label(rng, 14, letters)}.com", dns_rcode="NXDOMAIN") for n in range(count)]


def _typing_errors() -> list[Flow]:
    words = ["town", "office", "garden", "library", "station", "school", "market", "river", "museum", "harbour"]
    return [
        _question(n * 9.0, f"www.{words[n % 10]}{words[(n // 10) % 10]}.jp", dns_rcode="NXDOMAIN") for n in range(60)
    ]


def _pings(**more: object) -> Flow:
    echo: Flow = {
        "proto": 1, "src_port": 8, "dst_port": 0, "icmp_type": 8, "history": "", "src_packets": 60, "dst_packets": 60,
        "src_payload": 6000, "dst_payload": 9000, "src_len_std": 90.0, "dst_len_std": 120.0, "duration": 60.0,
        "service": "icmp", **more,
    }  # fmt: skip
    return call(SCANNER, SERVER, 3.0, **echo)


def _upload(size: int = 30_000_000, start: float = 60.0, **more: object) -> list[Flow]:
    return [call(SCANNER, SERVER, start, src_payload=size, dst_payload=5000, duration=20.0, **more)]


def _with_others(size: int) -> list[Flow]:
    """One upload to a service to which six others send 4 MB each."""
    others = [{**row, "src_ip": f"192.168.1.{n}"} for n in range(100, 106) for row in _upload(4_000_000)]
    return others + _upload(size)


def _after_usual(size: int) -> list[Flow]:
    """A backup of 4 MB each night, and once one of another size."""
    return [row for day in range(6) for row in _upload(4_000_000, day * DAY)] + _upload(size, 7 * DAY)


def _pieces(hours: int = 20, size: int = 1_900_000) -> list[Flow]:
    """Under the hour's floor each hour, and much in a day."""
    return [row for hour in range(hours) for row in _upload(size, hour * HOUR + 60) * 2]


def _long(seconds: float = 4 * HOUR, **more: object) -> list[Flow]:
    """One connection, reported in parts."""
    parts = int(seconds / 1800)
    return [
        call(SCANNER, SERVER, 100.0 + n * 1800.0, src_port=40000, flow_id=77, part=n, duration=1800.0, **more)
        for n in range(parts)
    ]


def _inner(period: int = 30_000_000, **more: object) -> list[Flow]:
    """Something is sent every half a minute over one connection."""
    gaps = [0, 500, 20, 7000, 40, period, 100, period + 900_000, 90, period - 1_200_000, 80, period, 90, 70, period, 60]
    one: Flow = {"duration": 1700.0, "src_packets": 160, "src_iat_max": period / 1e6 * 1.2, "splt_iat": gaps, **more}
    return [call(SCANNER, SERVER, 4.0, dst_port=8888, service="http", **one)]


def _slow_scan(gap: float = 4000.0) -> list[Flow]:
    return [syn(SCANNER, VICTIM, 20 + n, n * gap) for n in range(20)]


def _a_week() -> list[Flow]:
    """A host that is heard each hour for eight days, beside another one."""
    return [
        call(host, f"203.0.113.{n % 5}", n * HOUR + 60, ja4="t13d_usual", server_name="news.example")
        for n in range(8 * 24)
        for host in (SCANNER, CLIENT)
    ]


def _new_peer(start: float = 7.6 * DAY) -> list[Flow]:
    """On the last day a host calls an address that nobody called before, with a program of its own."""
    return _a_week() + [call(SCANNER, "198.51.100.99", start + n * 60, ja4="t13d_new") for n in range(15)]


def _stopped() -> list[Flow]:
    return [row for row in _a_week() if row["src_ip"] == CLIENT or row["start"] < 7.5 * DAY]


VOLUME_FIRES: Mapping[str, Mapping[str, Case]] = {
    "flood": {"syn": _syn_flood, "udp": _udp_flood, "ping": _ping_flood, "reflected": _reflection},
    "slow_http": {"held open": _held},
    "amplification": {"name server": _misused},
    "dns_tunnel": {"one port": _one_port_tunnel, "many labels": _many_labels, "long questions": _long_questions,
                   "orders as text": _orders},
    "dga": {"no such name": _generated},
    "icmp_tunnel": {
        "varied": lambda: [_pings()],
        "both ask": lambda: [
            _pings(src_packets=3, dst_packets=3, src_payload=2400, dst_payload=2400, src_len_std=0, dst_len_std=0),
            {**_pings(src_packets=1, dst_packets=1, src_payload=1000, dst_payload=1000, src_len_std=0, dst_len_std=0),
             "src_ip": SERVER, "dst_ip": SCANNER, "start": 9.0},
        ],
    },
    "upload": {
        "to a drop": _upload, "in pieces": _pieces, "seven times as usual": lambda: _after_usual(30_000_000),
        "more than others": lambda: _with_others(60_000_000),
    },
    "long_connection": {"four hours": _long},
    "connection_beacon": {"in one connection": _inner, "no orders": lambda: _inner(dst_payload=0, src_payload=9000)},
    "slow_scan": {"a port an hour": _slow_scan},
    "rare_peer": {"address and program": _new_peer},
    "silence": {"a host": _stopped},
}  # fmt: skip
VOLUME_QUIET: Mapping[str, Mapping[str, Case]] = {
    "flood": {
        "visitors": _visitors, "film": _film, "few": lambda: _syn_flood()[:200],
        "answered": lambda: _udp_flood(dst_packets=5, history="Dd"), "logs": lambda: [
            {**row, "dst_port": 514} for row in _udp_flood()],
    },
    "slow_http": {
        "answered": lambda: _held(dst_payload=2000), "short": lambda: _held(duration=0.4),
        "six": lambda: _held()[:6],
    },
    "amplification": {"short answers": lambda: [{**row, "dst_payload": 120} for row in _misused()]},
    "dns_tunnel": {
        "look-ups": _look_ups, "steady but short": _steady_asker,
        "a few texts": lambda: _orders(14),
        "reverse": lambda: _many_labels("1.168.192.in-addr.arpa", 3),
        "no answers": lambda: [{**row, "dst_packets": 0, "dst_payload": 0} for row in _long_questions()],
    },
    "dga": {
        "typing errors": _typing_errors, "few": lambda: _generated(10),
        "they exist": lambda: [{**row, "dns_rcode": "NOERROR"} for row in _generated()],
    },
    "icmp_tunnel": {
        "ping": lambda: [_pings(src_payload=3360, dst_payload=3360, src_len_std=0, dst_len_std=0)],
        "few": lambda: [_pings(src_packets=4, dst_packets=4)],
    },
    "upload": {
        "small": lambda: _upload(3_000_000), "download too": lambda: [
            {**row, "dst_payload": 20_000_000} for row in _upload()],
        "inside": lambda: [{**row, "dst_ip": VICTIM} for row in _upload()],
        "a few pieces": lambda: _pieces(3), "soon over": lambda: _pieces(5, 2_400_000),
        "as others do": lambda: _with_others(15_000_000),
        "three times as usual": lambda: _after_usual(12_000_000),
    },
    "long_connection": {
        "one hour": lambda: _long(HOUR), "push": lambda: _long(dst_port=5228),
        "everybody's": lambda: [{**row, "src_ip": f"192.168.1.{n}"} for n in range(3) for row in _long()],
    },
    "connection_beacon": {
        "mail": lambda: [{**row, "dst_port": 993} for row in _inner()],
        "pauses": lambda: _inner(src_iat_max=600.0), "a film": lambda: _inner(src_packets=5000),
        "kept alive": lambda: _inner(dst_payload=0, src_payload=60),
    },
    "slow_scan": {
        "talks elsewhere": lambda: _slow_scan() + [call(SCANNER, "192.168.2.9", n * 900.0) for n in range(9)],
        "fast": lambda: _slow_scan(1.0), "few": lambda: _slow_scan()[:9],
    },
    "rare_peer": {"no history": lambda: _new_peer()[-15:], "known": lambda: _new_peer(3 * DAY)},
    "silence": {"no history": lambda: _stopped()[:40], "still there": _a_week},
}  # fmt: skip

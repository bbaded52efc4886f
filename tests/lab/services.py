"""Start the town's servers inside their hosts: web, DNS, ssh, mail, ftp, proxy, time. What uses them is `staff`'s work.

Every server runs in the foreground with a configuration of its own, written into the town's folder.
"""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

from .plan import ADVERSARIES, NAMES, RESOLVER, SITES, UPSTREAM_DNS, Site, host
from .town import Town

NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  types {{ text/html html; text/css css; application/javascript js; image/jpeg jpg; image/svg+xml svg; }}
  default_type application/octet-stream; access_log off; gzip on; server_tokens off; keepalive_timeout 20s;
  client_max_body_size 256m; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  ssl_certificate {cert}; ssl_certificate_key {key}; ssl_protocols {tls};
  server {{
    listen 80 default_server; listen 443 ssl http2 default_server; server_name {name}; root {root};
    location /login {{ return 401 "wrong name or password\\n"; }}
    location /api {{ default_type application/json; return 200 '{{"status":"ok","next":30}}'; }}
    location /upload {{ client_body_in_file_only clean; proxy_request_buffering on; proxy_pass http://127.0.0.1:9; }}
  }}
}}
"""

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
Subsystem sftp internal-sftp
"""


def make_authority(folder: Path) -> Path:
    """Create the town's certificate authority; returns the path of its certificate."""
    key, cert = folder / "ca.key", folder / "ca.crt"
    _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
             "-subj", "/O=Town lab/CN=Town lab CA", "-keyout", str(key), "-out", str(cert))  # fmt: skip
    return cert


def issue_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for `name` signed by the town's authority: (certificate, key)."""
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", f"/CN={name}",
             "-addext", f"subjectAltName=DNS:{name}", "-CA", str(folder / "ca.crt"), "-CAkey", str(folder / "ca.key"),
             "-keyout", str(key), "-out", str(cert))  # fmt: skip
    return cert, key


def _openssl(*words: str) -> None:
    done = subprocess.run(["openssl", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"openssl {words[0]} failed: {done.stderr.strip()}")


def write_pages(root: Path, weight: int, seed: int) -> None:
    """A front page with a style sheet, a script, pictures and links, of about `weight` bytes together."""
    rng = random.Random(seed)
    root.mkdir(parents=True, exist_ok=True)
    words = [f"word{rng.randrange(5000)}" for _ in range(weight // 40)]
    pictures = [f"picture{index}.jpg" for index in range(3)]
    for picture in pictures:
        (root / picture).write_bytes(rng.randbytes(weight // 5))
    (root / "style.css").write_text("".join(f".c{index} {{ margin: {index}px }}\n" for index in range(40)))
    (root / "script.js").write_text("fetch('/api?page=' + location.pathname);\n")
    body = "".join(f'<img src="{picture}">' for picture in pictures)
    for page in ("index", "news", "help"):
        rng.shuffle(words)
        (root / f"{page}.html").write_text(
            f'<!doctype html><title>{page}</title><link rel="stylesheet" href="style.css">'
            f'<script src="script.js"></script><p>{" ".join(words)}</p>{body}<a href="news.html">news</a>'
        )


def start_web(town: Town, name: str, site: Site) -> None:
    """nginx on 80 and 443 of a host, with the site's TLS versions and pages."""
    folder = town.folder / f"nginx.{name}"
    folder.mkdir()
    write_pages(folder / "pages", site.weight, seed=len(site.name) + site.weight)
    cert, key = issue_certificate(town.folder, site.name)
    conf = folder / "nginx.conf"
    conf.write_text(
        NGINX.format(folder=folder, cert=cert, key=key, tls=site.tls, name=site.name, root=folder / "pages")
    )
    town.spawn(name, "nginx", "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(conf))


def start_dns(town: Town) -> None:
    """unbound for the segment, forwarding to dnsmasq, which knows the town's Internet and hands tunnels on."""
    folder = town.folder / "unbound"
    folder.mkdir()
    conf = folder / "unbound.conf"
    conf.write_text(UNBOUND.format(folder=folder, address=RESOLVER, upstream=UPSTREAM_DNS))
    town.spawn("resolver", "unbound", "-d", "-c", str(conf))
    records = [f"--host-record={name},{address}" for name, address in NAMES.items()]
    records += ["--address=/beacon.metricsbox.example/203.0.113.10", f"--server=/t.pixelstats.example/{_dns_tunnel()}"]
    town.spawn("upstream", "dnsmasq", "-k", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--local=/example/",
               "--local-ttl=60", "--pid-file=", "--user=root", "--bind-interfaces", "--interface=eth0",
               *records)  # fmt: skip


def _dns_tunnel() -> str:
    return next(far.address for far in ADVERSARIES if far.name == "dnsout")


def start_ssh(town: Town, *names: str) -> None:
    """sshd on hosts; root of the namespace enters with the key `<folder>/id`, and by no password."""
    key, folder = town.folder / "id", town.folder
    Path("/run/sshd").mkdir(exist_ok=True)
    for path in (key, folder / "hostkey"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    conf = folder / "sshd.conf"
    conf.write_text(SSHD.format(key=folder / "hostkey", folder=folder, authorized=f"{key}.pub"))
    for name in names:
        town.spawn(name, "/usr/sbin/sshd", "-D", "-e", "-f", str(conf))


def start_all(town: Town) -> None:
    """Start what the hosts of this town are for, and wait until they listen."""
    make_authority(town.folder)
    present = {known.name for known in town.hosts}
    if "resolver" in present:
        start_dns(town)
    for index, site in enumerate(SITES):
        if f"web{index}" in present:
            start_web(town, f"web{index}", site)
    if "www" in present:
        start_web(town, "www", Site("www.town.example", host("www").address, "TLSv1.2 TLSv1.3", 14_000))
    if "c2" in present:
        start_web(town, "c2", Site("assets.pixelstats.example", host("c2").address, "TLSv1.2 TLSv1.3", 600))
    start_ssh(town, *(name for name in ("files", "www") if name in present))
    for name, port in (("resolver", 53), ("upstream", 53), ("www", 443), ("web0", 443), ("files", 22), ("c2", 443)):
        if name in present:
            town.wait_for(name, port)

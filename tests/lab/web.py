"""The town's web: certificates of its own authority, pages, and nginx on 80 and 443 of a host."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

from .plan import SITES, WWW, Site, host
from .town import Town

NGINX = """
daemon off; worker_processes 1; user root; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  types {{ text/html html; text/css css; application/javascript js; image/jpeg jpg; image/svg+xml svg; }}
  default_type application/octet-stream; access_log off; gzip on; server_tokens off; keepalive_timeout 20s;
  client_max_body_size 256m; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  ssl_certificate {cert}; ssl_certificate_key {key}; ssl_protocols {tls};
  server {{
    listen 80 default_server; listen [::]:80 default_server ipv6only=on;
    listen 443 ssl http2 default_server; listen [::]:443 ssl http2 default_server ipv6only=on;
    server_name {name}; root {root};
    location /api {{ default_type application/json; return 200 '{{"status":"ok","next":30}}'; }}
    location /login {{ default_type text/html; return 200 '<p>wrong name or password</p>'; }}
    location /members {{ auth_basic "members"; auth_basic_user_file {folder}/members; try_files /index.html =404; }}
    location /upload/ {{ dav_methods PUT; create_full_put_path on; }}
  }}
}}
"""


def make_authority(folder: Path) -> Path:
    """Create the town's certificate authority; returns the path of its certificate."""
    key, cert = folder / "ca.key", folder / "ca.crt"
    _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
             "-subj", "/O=Town lab/CN=Town lab CA", "-keyout", str(key), "-out", str(cert))  # fmt: skip
    _openssl("genrsa", "-out", str(folder / "servers.key"), "2048")
    return cert


def issue_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for `name` signed by the town's authority: (certificate, key); all servers share one key."""
    cert, key = folder / f"{name}.crt", folder / "servers.key"
    _openssl("req", "-x509", "-key", str(key), "-days", "30", "-subj", f"/CN={name}",
             "-addext", f"subjectAltName=DNS:{name}", "-addext", "basicConstraints=critical,CA:FALSE",
             "-CA", str(folder / "ca.crt"), "-CAkey", str(folder / "ca.key"), "-out", str(cert))  # fmt: skip
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


def start_site(town: Town, name: str, site: Site) -> None:
    """nginx on a host, with the site's TLS versions and pages; `/members` takes kimura's password."""
    folder = town.folder / f"nginx.{name}"
    folder.mkdir()
    write_pages(folder / "pages", site.weight, seed=len(site.name) + site.weight)
    (folder / "members").write_text("kimura:{PLAIN}himitsu\n")
    cert, key = issue_certificate(town.folder, site.name)
    conf = folder / "nginx.conf"
    pages = folder / "pages"
    conf.write_text(NGINX.format(folder=folder, cert=cert, key=key, tls=site.tls, name=site.name, root=pages))
    town.spawn(name, "nginx", "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(conf))


def start_sites(town: Town) -> list[str]:
    """Start every web server that this town has, good or bad; returns the names of their hosts."""
    both = "TLSv1.2 TLSv1.3"
    sites = {f"web{index}": site for index, site in enumerate(SITES)} | {
        "www": Site(WWW, host("www").address, both, 14_000),
        "c2": Site("assets.pixelstats.example", host("c2").address, both, 600),
        "c2b": Site("api.metricsbox.example", host("c2b").address, "TLSv1.2", 900),
        "c2c": Site("img.fastcache.example", host("c2c").address, both, 400),
        "drop": Site("files.dropzone.example", host("drop").address, both, 2_000),
    }
    present = {known.name for known in town.hosts}
    started = [name for name in sites if name in present]
    for name in started:
        start_site(town, name, sites[name])
    return started

"""Starts the real Prometheus and Alertmanager with the shipped configuration made quick, and receivers of every chat.

What is changed of the configuration: addresses, secrets, and how long everything waits. Nothing is left running.
"""

from __future__ import annotations

import json
import shutil
import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import yaml

ROOT = Path(__file__).parents[1]
CHATS = ("slack", "mattermost", "discord", "email", "teams", "lineworks", "chatwork", "webhook")
PASSWORD = "smtp secret"


def free_port() -> int:
    """A TCP port on loopback that is free now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


def until(what: Callable[[], Any], seconds: float = 60.0) -> Any:
    """What the call gives once that is true; fails when it is not within so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if got := what():
            return got
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s")


@dataclass
class Received:
    """One message that a chat got, in its own format."""

    chat: str
    content: Any
    headers: dict[str, str]

    @property
    def text(self) -> str:
        """All of it, to look for words in."""
        return self.content if isinstance(self.content, str) else json.dumps(self.content, ensure_ascii=False)


@dataclass
class Chats:
    """Local servers that stand for the chats, and what they received."""

    http: int = 0
    smtp: int = 0
    received: list[Received] = field(default_factory=list)
    away: bool = False
    """Whether the chats refuse messages for now."""
    refused: int = 0

    def about(self, word: str, chat: str = "") -> list[Received]:
        """Messages that hold the word."""
        return [one for one in self.received if word in one.text and chat in ("", one.chat)]


@contextmanager
def chats() -> Iterator[Chats]:
    """A server for everything that comes over HTTP, and one for mail."""
    box = Chats()

    class Chat(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
            if box.away:
                box.refused += 1
                self.send_error(503)
                return
            form = self.headers.get("Content-Type") == "application/x-www-form-urlencoded"
            content = "" if not body else parse_qs(body)["body"][0] if form else json.loads(body)
            box.received.append(
                Received(
                    self.path.strip("/").split("/")[0],
                    content,
                    {key.lower(): value for key, value in self.headers.items()},
                )
            )
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            pass

    class Mail(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 test\r\n")
            headers = {}
            while line := self.rfile.readline():
                word = line.split()[0].upper() if line.split() else b""
                if word == b"EHLO":
                    self.wfile.write(b"250-test\r\n250 AUTH PLAIN\r\n")
                elif word == b"AUTH":
                    headers["credentials"] = line.split()[-1].decode()
                    self.wfile.write(b"235 ok\r\n")
                elif word == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    lines = iter(self.rfile.readline, b".\r\n")
                    box.received.append(Received("email", b"".join(lines).decode(), headers))
                    self.wfile.write(b"250 ok\r\n")
                else:
                    self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")

    class MailServer(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with ThreadingHTTPServer(("127.0.0.1", 0), Chat) as http, MailServer(("127.0.0.1", 0), Mail) as smtp:
        box.http, box.smtp = http.server_port, smtp.server_address[1]
        for server in (http, smtp):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        yield box
        http.shutdown()
        smtp.shutdown()


@contextmanager
def service(command: Sequence[Any], ready: str, log: Path) -> Iterator[None]:
    """A program from when it answers at the address `ready` until the end of the context."""
    with log.open("wb") as sink, subprocess.Popen([*map(str, command)], stdout=sink, stderr=sink) as process:
        try:
            until(lambda: process.poll() is not None or _answers(ready), 120)
            assert process.poll() is None, log.read_text()
            yield
        finally:
            process.terminate()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def relay(folder: Path) -> Iterator[int]:
    """The relay; gives its port."""
    port = free_port()
    command = [sys.executable, "-m", "monitor.alerts.relay", "--listen", f"127.0.0.1:{port}", "--secrets", folder]
    with service(command, f"http://127.0.0.1:{port}/healthy", folder / "relay.log"):
        yield port


@contextmanager
def alertmanager(
    folder: Path, box: Chats, *, change: Callable[[dict[str, Any]], None] = lambda settings: None, lang: str = "en"
) -> Iterator[str]:
    """Alertmanager and the relay with every chat chosen; `change` may alter the settings. Gives its address."""
    shutil.copytree(ROOT / "deploy/alertmanager", folder)
    secrets = folder / "secrets"
    secrets.mkdir()
    for chat in CHATS:
        path = "discord/slack" if chat == "discord" else chat
        (secrets / f"{chat}_url").write_text(f"http://127.0.0.1:{box.http}/{path}\n")
    (secrets / "heartbeat_url").write_text(f"http://127.0.0.1:{box.http}/heartbeat\n")
    (secrets / "chatwork_token").write_text("chatwork secret\n")
    (secrets / "smtp_password").write_text(PASSWORD)
    file = folder / "alertmanager.yml"
    choose = [sys.executable, folder / "choose", *CHATS, "heartbeat", "--lang", lang, "--secrets", secrets, "-o", file]
    subprocess.run(choose, check=True, timeout=60)
    with relay(secrets) as port:
        text = file.read_text("utf-8").replace("relay:9095", f"127.0.0.1:{port}")
        settings = yaml.safe_load(text.replace("webhook.example.lg.jp/alerts", f"127.0.0.1:{box.http}/webhook"))
        settings["global"] |= {"smtp_smarthost": f"127.0.0.1:{box.smtp}", "smtp_require_tls": False}
        for route in (settings["route"], *settings["route"]["routes"]):
            route |= {"group_wait": "1s", "group_interval": "1s"}
        change(settings)
        file.write_text(yaml.safe_dump(settings))
        here = f"127.0.0.1:{free_port()}"
        command = [
            "prometheus-alertmanager",
            f"--config.file={file}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address={here}",
            "--cluster.listen-address=",
            "--data.retention=240h",
        ]
        with service(command, f"http://{here}/-/ready", folder / "alertmanager.log"):
            yield here


@contextmanager
def prometheus(folder: Path, alerting: str = "127.0.0.1:1") -> Iterator[tuple[str, Path]]:
    """Prometheus that scrapes each second; gives its address and the file that names the sensors."""
    shutil.copytree(ROOT / "deploy/prometheus", folder)
    for file in (folder / "rules").glob("*.yml"):
        text = file.read_text("utf-8").replace("keep_firing_for: 5m", "keep_firing_for: 8s")
        file.write_text(text, "utf-8")
    file = folder / "prometheus.yml"
    settings = yaml.safe_load(file.read_text("utf-8"))
    settings["global"] |= {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    settings["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [alerting]}]}]
    settings["scrape_configs"] = [one for one in settings["scrape_configs"] if one["job_name"] == "monitor"]
    file.write_text(yaml.safe_dump(settings))
    targets = folder / "targets/monitor.yml"
    targets.write_text("[]\n")
    here = f"127.0.0.1:{free_port()}"
    command = [
        "prometheus",
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={here}",
        "--rules.alert.resend-delay=2s",  # Alertmanager is only found five seconds after the start
        "--log.level=warn",
    ]
    with service(command, f"http://{here}/-/ready", folder / "prometheus.log"):
        yield here, targets


def tell(address: str, *alerts: dict[str, Any]) -> None:
    """Hand alerts to Alertmanager as Prometheus does."""
    request = urllib.request.Request(
        f"http://{address}/api/v2/alerts", json.dumps(alerts).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200

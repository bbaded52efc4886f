"""A small HTTP server beside Alertmanager that passes its webhooks on to chats which it cannot speak to itself.

    python -m monitor.alerts.relay --secrets DIR [--listen 127.0.0.1:9095]

POST /teams, /lineworks, /chatwork (`?lang=ja`) and /heartbeat. Addresses are secrets: DIR holds `teams_url`,
`lineworks_url`, `chatwork_url`, `chatwork_token`, `heartbeat_url`, one line each, read at each message. It keeps
nothing: a chat that takes no message is an error to Alertmanager, which tries again. What is sent is built in `chat`.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from monitor.alerts.chat import CHATS, LANGUAGES, Request, message

PATIENCE = 10.0
"""Seconds that a chat may take to answer; Alertmanager waits longer."""
LARGEST = 4 << 20
"""Bytes of a notification."""
HEARTBEAT = "heartbeat"


class Relay(ThreadingHTTPServer):
    """The server; its secrets are files of a folder."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], secrets: Path) -> None:
        """Raises OSError when the address cannot be had."""
        self.secrets = secrets
        super().__init__(address, _Notification)

    def secret(self, name: str) -> str:
        """First line of a secret's file. Raises LookupError that names the file, never what is in it."""
        file = self.secrets / name
        try:
            value = file.read_text("utf-8").strip()
        except OSError as error:
            raise LookupError(f"{file}: cannot be read: {error.strerror}") from error
        if not value:
            raise LookupError(f"{file}: is empty")
        return value

    def send(self, chat: str, payload: object, language: str) -> None:
        """Pass a notification on. Raises ValueError (no notification), LookupError (no secret), OSError (not taken)."""
        if chat == HEARTBEAT:
            _post(self.secret("heartbeat_url"), Request(b"", {}))
            return
        url = self.secret(f"{chat}_url")
        token = self.secret("chatwork_token") if chat == "chatwork" else ""
        _post(url, CHATS[chat](message(payload, language), token))


class _Notification(BaseHTTPRequestHandler):
    """One POST of Alertmanager."""

    server: Relay
    timeout = 30

    def do_POST(self) -> None:
        """Take it, pass it on, and answer as the chat did: 2xx done, 4xx never, 5xx try again."""
        url = urlsplit(self.path)
        chat = url.path.strip("/")
        language = parse_qs(url.query).get("lang", ["en"])[0]
        length = int(self.headers.get("Content-Length") or 0)
        if chat not in (*CHATS, HEARTBEAT) or language not in LANGUAGES or not 0 <= length <= LARGEST:
            self._answer(HTTPStatus.BAD_REQUEST, f"known: {', '.join((*CHATS, HEARTBEAT))}; lang: en, ja")
            return
        try:
            body = self.rfile.read(length)
            self.server.send(chat, json.loads(body) if body else None, language)
        except ValueError as error:
            self._answer(HTTPStatus.BAD_REQUEST, str(error))
        except LookupError as error:
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
        except OSError as error:
            self._answer(HTTPStatus.BAD_GATEWAY, f"{chat} did not take the message: {_why(error)}")
        else:
            self._answer(HTTPStatus.OK, "sent")

    def do_GET(self) -> None:
        """Health check of the container."""
        self._answer(HTTPStatus.OK if self.path == "/healthy" else HTTPStatus.NOT_FOUND, "relay")

    def _answer(self, status: HTTPStatus, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if status >= HTTPStatus.BAD_REQUEST:
            print(f"relay: {urlsplit(self.path).path}: {text}", file=sys.stderr, flush=True)

    def log_message(self, format: str, *args: object) -> None:
        """Successful requests are not logged."""


def _post(url: str, request: Request) -> None:
    if urlsplit(url).scheme not in ("http", "https"):
        raise LookupError("the secret's file holds no http(s) address")
    posted = urllib.request.Request(url, request.body, request.headers, method="POST")  # noqa: S310  (checked above)
    with urllib.request.urlopen(posted, timeout=PATIENCE) as answer:  # noqa: S310
        answer.read()


def _why(error: OSError) -> str:
    """The error without the address, which is a secret."""
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}"
    return str(getattr(error, "reason", None) or error.strerror or type(error).__name__)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="monitor.alerts.relay", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--listen", default="127.0.0.1:9095", help="address:port (default: %(default)s)")
    parser.add_argument("--secrets", type=Path, required=True, help="folder of the secrets' files")
    given = parser.parse_args(arguments)
    address, _, port = given.listen.rpartition(":")
    with Relay((address, int(port)), given.secrets) as relay:
        print(f"relay: listening on {address}:{relay.server_port}", file=sys.stderr, flush=True)
        relay.serve_forever()


if __name__ == "__main__":
    main()

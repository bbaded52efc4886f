"""A small ClickHouse server for tests: its HTTP interface (https://clickhouse.com/docs/interfaces/http), with faults.

What answers is chDB in this process or a real server elsewhere (`clickhouse_engines`); faults are in `server_faults`.
It runs in a process of its own, since a process can hold only one chDB engine and the one under test may need it.

    python clickhouse_server.py FOLDER USER PASSWORD [--tls] [--port PORT] [--before URL]

It prints its port; with `--tls` FOLDER/../ca.pem is to be trusted; with `--before` it stands before the server at that
URL, which has to know the user.
"""

from __future__ import annotations

import argparse
import os
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

from clickhouse_engines import Answer, Embedded, RealServer, refusal
from server_faults import ERRORS, Faults, certificate, reset


class Handler(BaseHTTPRequestHandler):
    """One request: a fault when one is due, else the engine's answer."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    engine: Embedded | RealServer
    faults = Faults()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        """/ping, or a query in the URL."""
        asked = urlsplit(self.path)
        if asked.path == "/ping":
            self._answer(Answer(200, b"Ok.\n"))
        elif asked.path == "/fault":
            given = dict(parse_qsl(asked.query))
            self._answer(Answer(200, b"Ok.\n"))
            self.faults.switch_on(given["kind"], int(given["requests"]), float(given["seconds"]))
        elif asked.path == "/calm":
            self._answer(Answer(200 if self.faults.calm() else 503))
        else:
            self._answer(self.engine.answer("GET", self.path, self.headers, b""))

    def do_POST(self) -> None:
        """A query in the body, or in the URL with the rows of an insert in the body."""
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length // 2) if length else self._chunks()
        fault = self.faults.take() if b"INSERT" in unquote_to_bytes(self.path) + body[:100] else ""
        if fault == "reset":
            self._hang_up()
            return
        body += self.rfile.read(length - len(body)) if length else b""
        if fault in ERRORS:
            self._answer(refusal(*ERRORS[fault]))
            return
        if fault == "slow":
            time.sleep(self.faults.seconds)
        answer = self.engine.answer("POST", self.path, self.headers, body)
        if fault == "unanswered":
            self._hang_up()
        else:
            self._answer(answer)

    def _hang_up(self) -> None:
        reset(self.connection)
        self.close_connection = True
        self.wfile = self.rfile = open(os.devnull, "r+b")  # noqa: SIM115  (the base class closes it)

    def _chunks(self) -> bytes:
        body = b""
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return body
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, answer: Answer) -> None:
        self.send_response(answer.status)
        if self.faults.bad_certificate:
            self.send_header("Connection", "close")
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)


class Server(ThreadingHTTPServer):
    """Takes connections, with TLS where it is told to."""

    good: ssl.SSLContext | None = None
    bad: ssl.SSLContext | None = None
    request_queue_size = 64

    def get_request(self) -> tuple[Any, Any]:
        """Accept; the handshake is left to the handler's thread."""
        connection, peer = super().get_request()
        context = self.bad if Handler.faults.bad_certificate else self.good
        if context is None:
            return connection, peer
        return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), peer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""


def _secure(folder: Path) -> None:
    """Certificates: one of an authority that the client may trust, and one of nobody."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    authority = certificate([])
    (folder / "ca.pem").write_bytes(authority[0].public_bytes(Encoding.PEM))
    for name, signer in (("good", authority), ("bad", None)):
        signed, key = certificate(["127.0.0.1"], signer)
        text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + signed.public_bytes(Encoding.PEM)
        (folder / f"{name}.pem").write_bytes(text)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / f"{name}.pem")
        setattr(Server, name, context)


def _listen(port: int) -> Server:
    for _ in range(100):
        try:
            server = Server(("127.0.0.1", port), Handler)
        except OSError:
            time.sleep(0.05)
        else:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            return server
    raise OSError(f"port {port} does not become free")


def _refuse_when_told(server: Server) -> None:
    while True:
        Handler.faults.refusing.wait()
        server.shutdown()
        server.server_close()
        time.sleep(Handler.faults.seconds)
        Handler.faults.refusing.clear()
        server = _listen(server.server_port)


def main() -> None:
    """Serve until standard input closes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("user")
    parser.add_argument("password")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--before", metavar="URL")
    given = parser.parse_args()
    Handler.engine = RealServer(given.before) if given.before else Embedded(given.folder, given.user, given.password)
    if given.tls:
        _secure(given.folder.parent)
    server = _listen(given.port)
    threading.Thread(target=_refuse_when_told, args=(server,), daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    Handler.engine.close()


if __name__ == "__main__":
    main()

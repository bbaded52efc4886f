"""A small ClickHouse server for tests: its HTTP interface (https://clickhouse.com/docs/interfaces/http) before chDB.

Real SQL, real formats, real error codes; one database, one user. It runs in a process of its own, since a process can
hold only one chDB engine and the one under test may need it. Faults are in `server_faults`.

    python clickhouse_server.py FOLDER USER PASSWORD [tls | PORT]

It prints its port; with `tls` FOLDER/ca.pem is to be trusted.
"""

from __future__ import annotations

import os
import re
import ssl
import sys
import tempfile
import threading
import time
from base64 import b64decode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

import chdb
from server_faults import ERRORS, Faults, certificate, reset

_TRANSPORT = {
    "query", "database", "session_id", "session_timeout", "client_protocol_version", "wait_end_of_query", "compress",
    "enable_http_compression", "send_progress_in_http_headers", "http_headers_progress_interval_ms", "query_id", "role",
    "user", "password", "cancel_http_readonly_queries_on_client_close",
}  # fmt: skip
_INSERT = re.compile(rb"\s*INSERT\s+INTO\s.*?\sFORMAT\s+(\w+)\s", re.IGNORECASE | re.DOTALL)
_FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)
_CODE = re.compile(r"Code: (\d+)")


class Handler(BaseHTTPRequestHandler):
    """One request: authenticate, run, answer with the body or with the error and its code."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    engine: chdb.state.sqlitelike.Connection
    lock = threading.Lock()
    user = password = ""
    faults = Faults()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        """/ping, or a query in the URL."""
        asked = urlsplit(self.path)
        if asked.path == "/ping":
            self._answer(200, b"Ok.\n")
        elif asked.path == "/fault":
            given = dict(parse_qsl(asked.query))
            self._answer(200, b"Ok.\n")
            self.faults.switch_on(given["kind"], int(given["requests"]), float(given["seconds"]))
        elif asked.path == "/calm":
            self._answer(200 if self.faults.calm() else 503, b"")
        else:
            self._serve(b"")

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
            status, code, said = ERRORS[fault]
            text = f"Code: {code}. DB::Exception: {said}" if code else said
            self._answer(status, text.encode(), code=code)
            return
        if fault == "slow":
            time.sleep(self.faults.seconds)
        self._serve(body, answer=fault != "unanswered")

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

    def _serve(self, body: bytes, *, answer: bool = True) -> None:
        if not self._known():
            said = f"{self.user}: Authentication failed: password is incorrect. (AUTHENTICATION_FAILED)"
            self._answer(403, f"Code: 516. DB::Exception: {said}".encode(), code=516)
            return
        asked = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        query = asked.get("query", "").encode()
        query = query + b"\n" + body if query else body
        params = {name.removeprefix("param_"): value for name, value in asked.items() if name.startswith("param_")}
        settings = {k: v for k, v in asked.items() if k not in _TRANSPORT and not k.startswith("param_")}
        try:
            with self.lock:
                result = self._run(query, asked.get("database", "default"), params, settings)
        except RuntimeError as error:
            code = _CODE.search(str(error))
            self._answer(
                500 if not code or code[1] != "60" else 404, str(error).encode(), code=int(code[1]) if code else 0
            )
            return
        if answer:
            self._answer(200, *result)
        else:
            self._hang_up()

    def _run(
        self, query: bytes, database: str, params: dict[str, str], settings: dict[str, str]
    ) -> tuple[bytes, int, str]:
        engine = self.engine
        engine.query(f"USE `{database}`")
        for name, value in settings.items():
            engine.query(f"SET {name} = '{value}'")
        try:
            return self._answered(query, params)
        finally:  # settings are a request's own: a token that stayed would swallow the next insert
            for name in settings:
                engine.query(f"SET {name} = DEFAULT")

    def _answered(self, query: bytes, params: dict[str, str]) -> tuple[bytes, int, str]:
        insert = _INSERT.match(query)
        if insert:
            return self._insert(query, insert), 0, ""
        text = query.decode()
        named = _FORMAT.search(text)
        kind = named[1] if named else self.headers.get("X-ClickHouse-Format", "TabSeparated")
        body = self.engine.query(text, kind, params={name: _plain(value) for name, value in params.items()}).bytes()
        return body or b"", 0, kind if body else ""

    def _insert(self, query: bytes, insert: re.Match[bytes]) -> bytes:
        """Rows follow the FORMAT word; the engine reads them from a file."""
        with tempfile.NamedTemporaryFile() as rows:
            rows.write(query[insert.end() :])
            rows.flush()
            head, kind = query[: insert.start(1)].decode(), insert[1].decode()
            head = re.sub(r"\sFORMAT\s*$", "", head, flags=re.IGNORECASE)
            self.engine.query(f"{head} FROM INFILE '{rows.name}' FORMAT {kind}")
        return b""

    def _known(self) -> bool:
        given = self.headers.get("Authorization", "")
        if given.startswith("Basic "):
            return b64decode(given[6:]).decode() == f"{self.user}:{self.password}"
        return (self.headers.get("X-ClickHouse-User"), self.headers.get("X-ClickHouse-Key")) == (
            self.user,
            self.password,
        )

    def _answer(self, status: int, body: bytes, code: int = 0, kind: str = "") -> None:
        self.send_response(status)
        if self.faults.bad_certificate:
            self.send_header("Connection", "close")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-ClickHouse-Summary", "{}")
        if code:
            self.send_header("X-ClickHouse-Exception-Code", str(code))
        if kind:
            self.send_header("X-ClickHouse-Format", kind)
        self.end_headers()
        self.wfile.write(body)


def _plain(value: str) -> str:
    """Parameters come in the escaped form of TabSeparated."""
    return re.sub(r"\\(.)", lambda found: {"t": "\t", "n": "\n"}.get(found[1], found[1]), value)


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
    folder, Handler.user, Handler.password = sys.argv[1:4]
    Handler.engine = chdb.connect(folder)
    option = sys.argv[4] if sys.argv[4:] else ""
    if option == "tls":
        _secure(Path(folder).parent)
    server = _listen(int(option) if option.isdigit() else 0)
    threading.Thread(target=_refuse_when_told, args=(server,), daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    with Handler.lock:
        Handler.engine.close()


if __name__ == "__main__":
    main()

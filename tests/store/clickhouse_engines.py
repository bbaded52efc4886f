"""What answers behind the tests' ClickHouse server: chDB in the same process, or a real server at a URL.

chDB gives real SQL, real formats and real error codes; the interface around it is `clickhouse_server`'s. A real server
is handed each request as it came, and its answer goes back as it is.
"""

from __future__ import annotations

import http.client
import re
import tempfile
import threading
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

import chdb

_TRANSPORT = {
    "query", "database", "session_id", "session_timeout", "client_protocol_version", "wait_end_of_query", "compress",
    "enable_http_compression", "send_progress_in_http_headers", "http_headers_progress_interval_ms", "query_id", "role",
    "user", "password", "cancel_http_readonly_queries_on_client_close",
}  # fmt: skip
_INSERT = re.compile(rb"\s*INSERT\s+INTO\s.*?\sFORMAT\s+(\w+)\s", re.IGNORECASE | re.DOTALL)
_FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)
_CODE = re.compile(r"Code: (\d+)")
_HOP = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}
"""Headers that are between two neighbours only (RFC 9110, 7.6.1), or that the next one writes itself."""


class Answer(NamedTuple):
    """An HTTP answer; its length is up to who sends it."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


def refusal(status: int, code: int, said: str) -> Answer:
    """An error as ClickHouse words it; code 0: one that is not ClickHouse's, but of something before it."""
    if not code:
        return Answer(status, said.encode())
    return Answer(status, f"Code: {code}. DB::Exception: {said}".encode(), {"X-ClickHouse-Exception-Code": str(code)})


class Embedded:
    """chDB with one user."""

    def __init__(self, folder: Path, user: str, password: str) -> None:
        self._engine = chdb.connect(str(folder))
        self._user, self._password = user, password
        self._lock = threading.Lock()

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Authenticate, run, answer with the result or with the error and its code."""
        if not self._known(headers):
            said = f"{self._user}: Authentication failed: password is incorrect. (AUTHENTICATION_FAILED)"
            return refusal(403, 516, said)
        asked = dict(parse_qsl(urlsplit(path).query, keep_blank_values=True))
        query = asked.get("query", "").encode()
        query = query + b"\n" + body if query else body
        params = {name.removeprefix("param_"): value for name, value in asked.items() if name.startswith("param_")}
        settings = {k: v for k, v in asked.items() if k not in _TRANSPORT and not k.startswith("param_")}
        try:
            with self._lock:
                return self._run(query, asked.get("database", "default"), params, settings, headers)
        except RuntimeError as error:
            found = _CODE.search(str(error))
            code = found[1] if found else "0"
            told = {"X-ClickHouse-Exception-Code": code} if found else {}
            return Answer(404 if code == "60" else 500, str(error).encode(), told)

    def _run(
        self, query: bytes, database: str, params: dict[str, str], settings: dict[str, str], headers: Mapping[str, str]
    ) -> Answer:
        engine = self._engine
        engine.query(f"USE `{database}`")
        for name, value in settings.items():
            engine.query(f"SET {name} = '{value}'")
        try:
            return self._answered(query, params, headers.get("X-ClickHouse-Format", "TabSeparated"))
        finally:  # settings are a request's own: a token that stayed would swallow the next insert
            for name in settings:
                engine.query(f"SET {name} = DEFAULT")

    def _answered(self, query: bytes, params: dict[str, str], kind: str) -> Answer:
        summary = {"X-ClickHouse-Summary": "{}"}
        insert = _INSERT.match(query)
        if insert:
            self._insert(query, insert)
            return Answer(200, b"", summary)
        text = query.decode()
        named = _FORMAT.search(text)
        kind = named[1] if named else kind
        body = self._engine.query(text, kind, params={name: _plain(value) for name, value in params.items()}).bytes()
        return Answer(200, body, {**summary, "X-ClickHouse-Format": kind}) if body else Answer(200, b"", summary)

    def _insert(self, query: bytes, insert: re.Match[bytes]) -> None:
        """Rows follow the FORMAT word; the engine reads them from a file."""
        with tempfile.NamedTemporaryFile() as rows:
            rows.write(query[insert.end() :])
            rows.flush()
            head, kind = query[: insert.start(1)].decode(), insert[1].decode()
            head = re.sub(r"\sFORMAT\s*$", "", head, flags=re.IGNORECASE)
            self._engine.query(f"{head} FROM INFILE '{rows.name}' FORMAT {kind}")

    def _known(self, headers: Mapping[str, str]) -> bool:
        given = headers.get("Authorization", "")
        if given.startswith("Basic "):
            return b64decode(given[6:]).decode() == f"{self._user}:{self._password}"
        said = (headers.get("X-ClickHouse-User"), headers.get("X-ClickHouse-Key"))
        return said == (self._user, self._password)

    def close(self) -> None:
        """Once the query that runs has ended."""
        with self._lock:
            self._engine.close()


def _plain(value: str) -> str:
    """Parameters come in the escaped form of TabSeparated."""
    return re.sub(r"\\(.)", lambda found: {"t": "\t", "n": "\n"}.get(found[1], found[1]), value)


class RealServer:
    """A ClickHouse server at `url` (http://host:port), asked on a connection a request."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url).netloc
        if urlsplit(url).scheme != "http" or not self._address:
            raise ValueError(f"http://host:port is wanted, not {url!r}")

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """The server's own answer."""
        connection = http.client.HTTPConnection(self._address, timeout=600)
        try:
            connection.request(method, path, body, _passed_on(headers))
            said = connection.getresponse()
            return Answer(said.status, said.read(), _passed_on(said.headers))
        finally:
            connection.close()

    def close(self) -> None:
        """It is not ours to end."""


def _passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HOP}

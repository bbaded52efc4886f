from __future__ import annotations

import hellos
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.flows import http
from monitor.flows.names import DONE, MORE, new_rows, read_names

REQUEST = (
    b"POST /a/b.php?token=s3cret#top HTTP/1.1\r\nhOST:  town.example.jp:8080 \r\n"
    b"Authorization: Basic c2VjcmV0\r\nUser-Agent: curl/8.0 (x)\r\nCookie: sid=s3cret\r\n\r\nbody"
)


def request(target: str, host: str = "h.example") -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def test_request() -> None:
    names = http.parse(REQUEST)
    assert (names.http_method, names.http_uri) == ("POST", "/a/b.php")
    assert (names.server_name, names.user_agent) == ("town.example.jp", "curl/8.0 (x)")


def test_query_is_kept_only_when_told() -> None:
    assert http.parse(REQUEST, keep_query=True).http_uri == "/a/b.php?token=s3cret"


@pytest.mark.parametrize(
    ("target", "host", "server_name", "uri"),
    [
        ("/", "h.example", "h.example", "/"),
        ("/", "[2001:db8::1]:80", "2001:db8::1", "/"),
        ("*", "h.example", "h.example", "*"),
        ("http://user:pw@in.example:81/x?y", "proxy.example", "in.example", "/x"),
        ("http://in.example", "proxy.example", "in.example", None),
        ("/go/http://user:pw@in.example/x@y", "h.example", "h.example", "/go/http://in.example/x@y"),
        ("/two words", "h.example", "h.example", "/two words"),
    ],
)
def test_targets(target: str, host: str, server_name: str, uri: str | None) -> None:
    names = http.parse(request(target, host))
    assert (names.server_name, names.http_uri) == (server_name, uri)


@pytest.mark.parametrize("keep_query", [False, True])
def test_no_credentials_are_kept(keep_query: bool) -> None:
    row = new_rows(1, http.FLAG_KEEP_QUERY if keep_query else 0)[0]
    for payload in (
        b"GET http://user:pa55@h.example/http://me:pa55@x/ HTTP/1.0\r\nAuthorization: Basic pa55\r\n\r\n",
        b"GET //user:pa55@x/a HTTP/1.1\r\nHost: y.example\r\n\r\n",
        b"GET /a///user:pa55@x/a HTTP/1.1\r\nHost: y.example\r\n\r\n",
        b"CONNECT user:pa55@h.example:443 HTTP/1.1\r\nProxy-Authorization: Basic pa55\r\n\r\n",
    ):
        assert http.client(np.frombuffer(payload, np.uint8), 0, len(payload), row) in (DONE, MORE)
        assert b"pa55" not in row["text"].tobytes()


def test_connect_gives_the_inner_host_and_hello() -> None:
    row = new_rows(1)[0]
    up = b"CONNECT inner.example:443 HTTP/1.1\r\nHost: inner.example:443\r\n\r\n" + hellos.records(
        hellos.chrome_hello()
    )
    down = b"HTTP/1.1 200 Connection established\r\n\r\n" + hellos.records(
        hellos.server_hello([hellos.extension(43, b"\3\4")])
    )
    assert http.client(np.frombuffer(up, np.uint8), 0, len(up), row) == DONE
    assert http.server(np.frombuffer(down, np.uint8), 0, len(down), row) == DONE
    names = read_names(row)
    assert (names.http_method, names.server_name, names.http_status) == ("CONNECT", "inner.example", 200)
    assert (names.alpn, names.tls_version) == ("h2", 0x0304)
    assert names.ja4 is not None


def test_shorter_requests_are_incomplete_and_keep_what_is_whole() -> None:
    for size in range(REQUEST.index(b"\r\n\r\n") + 3):
        with pytest.raises(ValueError, match="incomplete"):
            http.parse(REQUEST[:size])
    row = new_rows(1)[0]
    half = REQUEST[: REQUEST.index(b"User-Agent") + 14]
    assert http.client(np.frombuffer(half, np.uint8), 0, len(half), row) == MORE
    assert (read_names(row).server_name, read_names(row).user_agent) == ("town.example.jp", None)


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        (b"HTTP/1.1 404 Not Found\r\n\r\n", 404),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n", 201),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", 101),
        (b"HTTP/1.0 200\r\n\r\n", 200),
    ],
)
def test_responses(payload: bytes, status: int) -> None:
    assert http.parse(payload, from_client=False).http_status == status


def test_http2_without_tls() -> None:
    assert http.parse(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0").service == "http2"
    assert http.parse(bytes.fromhex("00000c 04 00 00000000 000300000064"), from_client=False).service == "http2"


def test_http_0_9() -> None:
    assert http.parse(b"GET /old\r\n").http_uri == "/old"


@pytest.mark.parametrize(
    "payload",
    [
        b"OPTIONS sip:x@y SIP/2.0\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\n\r\n",
        b"get / http/1.1\r\n\r\n",
        b"EHLO me\r\n",
        b"HELLO\r\n",
        b"\0GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_others_are_not_http(payload: bytes) -> None:
    with pytest.raises(ValueError, match="not http"):
        http.parse(payload)


@given(st.binary(max_size=80), st.sampled_from([b"GET ", b"GET http://", b"CONNECT ", b"HTTP/1.1 ", b""]))
def test_any_bytes_are_a_result_or_value_error(rest: bytes, first: bytes) -> None:
    for from_client in (True, False):
        try:
            http.parse(first + rest + b"\r\n\r\n", from_client)
        except ValueError:
            continue

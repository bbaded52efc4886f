from __future__ import annotations

import hellos
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.flows import recognise, starttls
from monitor.flows.names import FLAG_STARTTLS, Names

HELLO = hellos.records(hellos.chrome_hello(b"mail.example.jp"))
ANSWER = hellos.records(hellos.server_hello([hellos.extension(43, b"\3\4")]))


@pytest.mark.parametrize(
    ("lines", "service"),
    [
        (b"EHLO me.example\r\nSTARTTLS\r\n", "smtp"),
        (b"helo me\r\n", "smtp"),
        (b"AUTH TLS\r\n", "ftp"),
        (b"FEAT\r\n", "ftp"),
        (b"CAPA\r\nSTLS\r\n", "pop3"),
        (b"a001 CAPABILITY\r\na002 STARTTLS\r\n", "imap"),
        (b'1 ID ("name" "x")\r\n', "imap"),
        (b"NICK someone\r\nUSER a b c d\r\n", "irc"),
        (b"<?xml version='1.0'?><stream:stream to='x'><starttls xmlns='y'/>", "xmpp"),
    ],
)
def test_client(lines: bytes, service: str) -> None:
    assert starttls.parse(lines).service == service
    names = recognise.parse(lines + HELLO)
    assert (names.service, names.server_name, names.flags) == (service, "mail.example.jp", FLAG_STARTTLS)


@pytest.mark.parametrize(
    ("lines", "service"),
    [
        (b"220 mx.example ESMTP Postfix\r\n250-mx\r\n250 STARTTLS\r\n220 go\r\n", "smtp"),
        (b"220-pure-FTPd\r\n220 hello\r\n234 TLS\r\n", "ftp"),
        (b"220 ready\r\n", "ftp"),
        (b"+OK POP3 ready\r\n+OK\r\n", "pop3"),
        (b"* OK IMAP4rev1\r\na OK\r\n", "imap"),
        (b"200 news.example InterNetNews ready - posting ok\r\n", "nntp"),
        (b":irc.example NOTICE * :*** Looking up\r\n", "irc"),
        (b"<?xml version='1.0'?><stream:stream from='x'>", "xmpp"),
    ],
)
def test_server(lines: bytes, service: str) -> None:
    assert starttls.parse(lines, from_client=False).service == service
    assert recognise.parse(lines + ANSWER, from_client=False).tls_version == 0x0304


def test_port_decides_what_two_have_in_common() -> None:
    assert recognise.parse(b"USER anonymous\r\n", dst_port=21).service == "ftp"
    assert recognise.parse(b"USER me\r\n", dst_port=110).service == "pop3"
    assert recognise.parse(b"220 ready\r\n", from_client=False, dst_port=25).service == "smtp"


def test_nothing_of_the_lines_is_kept() -> None:
    names = recognise.parse(b"a1 LOGIN someone pa55word\r\n" + HELLO)
    assert names == Names(
        service="imap",
        server_name=names.server_name,
        alpn="h2",
        ja4=names.ja4,
        tls_version=0x0304,
        flags=FLAG_STARTTLS,
    )


@pytest.mark.parametrize("payload", [b"hello\r\n", b"220\r\n", b"EHLO \x01\r\n", b"12 apples\r\n", b"+OKAY"])
def test_others_are_not(payload: bytes) -> None:
    for from_client in (True, False):
        with pytest.raises(ValueError, match="no known text protocol"):
            starttls.parse(payload, from_client)


@given(
    st.binary(max_size=100),
    st.sampled_from([b"", b"EHLO a\r\n", b"220 x ESMTP\r\n", b"* OK \x16\x03\x01"]),
    st.booleans(),
)
def test_any_bytes_are_a_result_or_value_error(octets: bytes, first: bytes, from_client: bool) -> None:
    try:
        starttls.parse(first + octets, from_client)
    except ValueError:
        return

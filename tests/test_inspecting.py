"""Looking into a flow: what tshark sees in it, decrypted with the keys; and what is left without tshark."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import packets
import pytest
from commands import Run
from packets import START, tcp, tcp_session, udp, write_pcap

CLIENT, SERVER = "10.0.0.5", "203.0.113.9"
HOSTILE = "curl\x1b]0;owned\x07\u202e<script>alert(1)</script>"
needs_tshark = pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed (tests/install-tools)")


def web(path: Path) -> Path:
    """An HTTP exchange with a hostile user agent, and a DNS look-up beside it."""
    request = f"GET /secret.zip HTTP/1.1\r\nHost: files.example\r\nUser-Agent: {HOSTILE}\r\n\r\n".encode()
    response = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
    rows = list(tcp_session(START, CLIENT, SERVER, 50000, 80, request, response))
    query = b"\x12\x34\1\0\0\1\0\0\0\0\0\0\5files\7example\0\0\1\0\1"
    answer = query[:2] + b"\x81\x80\0\1\0\1" + query[8:] + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + bytes([203, 0, 113, 9])
    rows += [
        (START + 5, udp(CLIENT, "10.0.0.53", 4000, 53, query)),
        (START + 9, udp("10.0.0.53", CLIENT, 53, 4000, answer)),
    ]
    return write_pcap(path, sorted(rows))


def flow_id(run: Run, capture: Path, port: int) -> str:
    _, out, _ = run("flows", capture)
    return next(row["community_id"] for line in out.splitlines() if (row := json.loads(line))["dst_port"] == port)


def inspected(run: Run, *arguments: object) -> dict[str, list[dict[str, Any]]]:
    status, out, err = run("inspect", *arguments, "--format", "json")
    assert status == 0, err
    kinds: dict[str, list[dict[str, Any]]] = {}
    for line in out.splitlines():
        one = json.loads(line)
        kinds.setdefault(one["kind"], []).append(one)
    return kinds


async def _exit_status(program: str) -> int:
    return await (await asyncio.create_subprocess_exec(program)).wait()


@needs_tshark
def test_an_exchange_is_taken_apart(run: Run, tmp_path: Path) -> None:
    capture = web(tmp_path / "web.pcap")
    found = inspected(run, capture, "--flow", flow_id(run, capture, 80))
    (flow,) = found["flow"]
    assert found["carved"][0]["packets"] == len(found["packet"]) == flow["src_packets"] + flow["dst_packets"]
    assert [layer["layer"] for layer in found["packet"][3]["layers"]][:4] == ["eth", "ip", "tcp", "http"]
    assert "GET /secret.zip" in str(found["packet"][3]["info"])
    # pyshark takes over the watch on the process's children: whoever embeds us must still be able to start a program
    assert asyncio.run(_exit_status("true")) == 0
    assert any("Time to Live: 64" in field for field in found["packet"][0]["layers"][1]["fields"])
    assert [(one.get("method"), one.get("uri"), one.get("status")) for one in found["http"]] == [
        ("GET", "http://files.example/secret.zip", None), (None, None, "200")
    ]  # fmt: skip
    (stream,) = found["stream"]
    assert stream["ends"] == [f"{CLIENT}:50000", f"{SERVER}:80"]
    assert [turn["said"][-5:] for turn in stream["turns"]][-1] == "hello"


@needs_tshark
def test_a_look_up_is_told(run: Run, tmp_path: Path) -> None:
    capture = web(tmp_path / "web.pcap")
    asked, answered = inspected(run, capture, "--flow", flow_id(run, capture, 53))["dns"]
    assert (asked["name"], answered["a"], answered["response"]) == ("files.example", SERVER, "True")


@needs_tshark
def test_what_is_from_the_wire_does_nothing_to_the_terminal(run: Run, tmp_path: Path) -> None:
    capture = web(tmp_path / "web.pcap")
    status, out, _ = run("inspect", capture, "--flow", flow_id(run, capture, 80), "--tree")
    assert status == 0
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "secret.zip" in out


def test_without_tshark_our_own_columns_are_shown(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    capture = web(tmp_path / "web.pcap")
    flow = flow_id(run, capture, 80)
    monkeypatch.setenv("PATH", str(tmp_path))
    status, out, err = run("inspect", capture, "--flow", flow)
    assert (status, f"{CLIENT}:50000 → {SERVER}:80" in out) == (0, True)
    assert "apt install tshark" in err


@needs_tshark
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_is_read_with_its_keys_and_the_certificate_shown(run: Run, tmp_path: Path, version: ssl.TLSVersion) -> None:
    keys = tmp_path / "keys.log"
    capture = write_pcap(tmp_path / "tls.pcap", tls_session(tmp_path, keys, version))
    flow = flow_id(run, capture, 443)
    assert "http" not in inspected(run, capture, "--flow", flow)
    found = inspected(run, capture, "--flow", flow, "--keys", keys)
    assert [one.get("uri") for one in found["http"]] == ["https://intra.example/minutes", None]
    (certificate,) = found["certificate"]
    assert (certificate["subject"], certificate["names"]) == ("CN=intra.example", ["intra.example"])
    assert certificate["self_signed"] is True
    assert any("minutes" in turn["said"] for one in found["stream"] for turn in one["turns"])


def tls_session(folder: Path, keys: Path, version: ssl.TLSVersion) -> list[packets.Packet]:
    """A real TLS session between two ends in memory, as TCP segments; the client logs its keys."""
    certify(folder)
    server_side, client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    server_side.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    client_side.load_verify_locations(folder / "cert.pem")
    client_side.keylog_filename = str(keys)
    client_side.minimum_version = client_side.maximum_version = version
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_side.wrap_bio(to_client, to_server, server_hostname="intra.example")
    server = server_side.wrap_bio(to_server, to_client, server_side=True)
    said: list[tuple[bool, bytes]] = []
    inbox = {True: to_server, False: to_client}

    def step(action: Callable[[], None]) -> None:
        """Act as far as what has arrived allows."""
        with suppress(ssl.SSLWantReadError):
            action()

    for _ in range(3):
        for mine, end in ((True, client), (False, server)):
            step(end.do_handshake)
            sent = inbox[mine].read()
            inbox[mine].write(sent)
            if sent:
                said.append((mine, sent))
    for mine, end, other, text in (
        (True, client, server, b"GET /minutes HTTP/1.1\r\nHost: intra.example\r\n\r\n"),
        (False, server, client, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    ):
        end.write(text)
        sent = inbox[mine].read()
        inbox[mine].write(sent)
        said.append((mine, sent))
        other.read(1000)
    return segments(said)


def segments(said: list[tuple[bool, bytes]]) -> list[packets.Packet]:
    out = [
        (START, tcp(CLIENT, SERVER, 50000, 443, "S", seq=99)),
        (START + 1, tcp(SERVER, CLIENT, 443, 50000, "SA", seq=499, ack=100)),
    ]
    sequence = {True: 100, False: 500}
    for mine, content in said:
        for at in range(0, len(content), 1400):
            piece = content[at : at + 1400]
            src, dst, sport, dport = (CLIENT, SERVER, 50000, 443) if mine else (SERVER, CLIENT, 443, 50000)
            frame = tcp(src, dst, sport, dport, "PA", piece, seq=sequence[mine], ack=sequence[not mine])
            out.append((START + 1000 * len(out), frame))
            sequence[mine] += len(piece)
    return out


def certify(folder: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "intra.example")]),
    )
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now - timedelta(1), now + timedelta(9)
    )
    signed = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("intra.example")]), critical=False).sign(
        key, hashes.SHA256()
    )
    (folder / "cert.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(*form))

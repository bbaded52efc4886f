"""The microscope: Wireshark's dissectors over a few packets, through pyshark; trees, streams, names, certificates.

Hundreds of packets a second, so never on the way of live traffic: what is given here was carved before.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import subprocess
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

_COLUMNS: Final = '"Source","%s","Destination","%d","Protocol","%p","Length","%L","Info","%i"'
_STREAM_BYTES: Final = 65_536
"""Bytes of each direction of a stream that are kept."""
_STREAMS: Final = 20
_WAIT: Final = 120.0
"""s that tshark may take for one stream."""

_DNS: Final = {
    "name": "dns.qry.name", "type": "dns.qry.type", "rcode": "dns.flags.rcode", "a": "dns.a", "aaaa": "dns.aaaa",
    "cname": "dns.cname", "ptr": "dns.ptr.domain_name", "mx": "dns.mx.mail_exchange", "txt": "dns.txt",
    "seconds": "dns.time",
}  # fmt: skip
_HTTP: Final = {
    "method": "http.request.method", "uri": "http.request.full_uri", "user_agent": "http.user_agent",
    "status": "http.response.code", "server": "http.server", "content_type": "http.content_type",
    "content_length": "http.content_length_header",
}  # fmt: skip
_HTTP2: Final = {
    "method": "http2.headers.method", "authority": "http2.headers.authority", "uri": "http2.headers.path",
    "user_agent": "http2.headers.user_agent", "status": "http2.headers.status",
}  # fmt: skip


def _no_news(record: logging.LogRecord) -> bool:
    """Drop asyncio's warning of a tshark that had ended before it was waited for: pyshark polls it, too."""
    return not str(record.msg).startswith("Unknown child process pid")


@contextmanager
def dissected(path: Path, preferences: dict[str, str], options: Sequence[str]) -> Iterator[Any]:
    """Packets of a capture file, by pyshark; `preferences` are Wireshark's, `options` are tshark's.

    In an event loop of its own: left to itself, pyshark makes the thread's loop the keeper of the process's children
    for good, and no other loop could start a program any more.
    """
    import pyshark

    logging.getLogger("asyncio").addFilter(_no_news)
    loop = asyncio.new_event_loop()
    capture = pyshark.FileCapture(
        str(path),
        keep_packets=False,
        override_prefs=preferences,
        custom_parameters=list(options),
        eventloop=loop,
    )  # fmt: skip
    try:
        yield capture
    finally:
        with suppress(Exception):  # pyshark raises when tshark has ended before it was told to
            capture.close()
        capture._running_processes.clear()  # else it closes itself again when it is collected, without a loop
        loop.close()


class Dissector:
    """One small capture under the microscope. What it gives is from the wire: to be escaped before it is shown."""

    def __init__(self, path: Path, *, keys: Path | None = None, most: int = 1000) -> None:
        """`keys`: TLS key log file (SSLKEYLOGFILE); `most`: packets to dissect."""
        self._path = path
        self._options = ["-o", f"tls.keylog_file:{keys}"] if keys else []
        self._keys = keys
        self._most = most
        self._streams: dict[str, dict[int, None]] = {"tcp": {}, "udp": {}, "tls": {}}
        self.findings: list[dict[str, Any]] = []
        """What the packets so far held of `dns`, `http`, `certificate` and `expert`, each an object with its `kind`."""

    @staticmethod
    def available() -> bool:
        """Whether tshark is installed."""
        return shutil.which("tshark") is not None

    def packets(self) -> Iterator[dict[str, Any]]:
        """Packets in order, with their columns and layers; each layer with its fields as Wireshark words them."""
        preferences = {"tls.keylog_file": str(self._keys)} if self._keys else {}
        columns = self._columns()
        try:
            with dissected(self._path, preferences, ["-n", "-c", str(self._most)]) as packets:
                for packet, row in zip(packets, columns, strict=False):
                    number = int(packet.number)
                    layers = [_layer(layer) for layer in packet.layers]
                    self._look(number, packet)
                    yield {"kind": "packet", "number": number, "time": packet.sniff_timestamp, **row, "layers": layers}
        finally:
            columns.close()

    def _columns(self) -> Generator[dict[str, str]]:
        """The packet list's columns, a row a packet."""
        arguments = ["-n", "-c", str(self._most), "-o", f"gui.column.format:{_COLUMNS}", "-T", "tabs"]
        process = subprocess.Popen(
            ["tshark", "-r", self._path, *self._options, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="backslashreplace",
        )
        names = ("source", "destination", "protocol", "length", "info")
        with process:
            for line in process.stdout or ():
                cells = line.rstrip("\n").replace("\t→\t", "\t", 1).split("\t", len(names) - 1)
                yield dict(zip(names, map(str.strip, cells), strict=False))
            process.kill()

    def _look(self, number: int, packet: Any) -> None:
        """Note the streams that a packet belongs to, and what it holds."""
        for layer in packet.layers:
            name = layer.layer_name
            if name in ("tcp", "udp"):
                for text in _values(layer, f"{name}.stream"):
                    self._streams[name].setdefault(int(text))
            if name == "tls" and self._keys:
                self._streams["tls"] |= dict.fromkeys(list(self._streams["tcp"])[-1:])
            self._collect(number, layer)

    def _collect(self, number: int, layer: Any) -> None:
        name = layer.layer_name
        for kind, fields in (("dns", _DNS), ("http", _HTTP), ("http2", _HTTP2)):
            if name == kind:
                found = {word: said for word, field in fields.items() if (said := ", ".join(_values(layer, field)))}
                if found:
                    if kind == "dns":
                        found["response"] = str(_values(layer, "dns.flags.response") in (["1"], ["True"]))
                    self.findings.append({"kind": "http" if kind == "http2" else kind, "packet": number, **found})
        for text in _values(layer, "tls.handshake.certificate"):
            self.findings.append({"kind": "certificate", "packet": number, **_certificate(text)})
        messages = zip(
            _values(layer, "_ws.expert.message"),
            _values(layer, "_ws.expert.severity", shown=True),
            _values(layer, "_ws.expert.group", shown=True),
            strict=False,
        )
        for message, severity, group in messages:
            word = severity.rpartition(": ")[2]
            if word != "Chat":
                where = {"packet": number, "severity": word, "group": group.rpartition(": ")[2], "message": message}
                self.findings.append({"kind": "expert", **where})

    def streams(self) -> Iterator[dict[str, Any]]:
        """The streams followed: both ends, and what was said in turn, as bytes; decrypted where keys were given."""
        for kind in ("tls", "tcp", "udp"):
            for number in list(self._streams[kind])[:_STREAMS]:
                if kind == "tcp" and number in self._streams["tls"]:
                    continue
                followed = self._follow(kind, number)
                if followed["turns"]:
                    yield followed

    def _follow(self, kind: str, number: int) -> dict[str, Any]:
        arguments = ["-q", "-n", *self._options, "-z", f"follow,{kind},raw,{number}"]
        done = subprocess.run(
            ["tshark", "-r", self._path, *arguments], capture_output=True, text=True, errors="replace", timeout=_WAIT
        )
        nodes, turns = ["", ""], []
        room = [_STREAM_BYTES, _STREAM_BYTES]
        for line in done.stdout.splitlines():
            if line.startswith("Node "):
                nodes[int(line[5] == "1")] = line[8:].strip()
            elif line and not line.startswith(("=", "Follow", "Filter")):
                side = int(line.startswith("\t"))
                with suppress(ValueError):
                    said = bytes.fromhex(line.strip())[: room[side]]
                    room[side] -= len(said)
                    if said:
                        turns.append((nodes[side], said))
        return {"kind": "stream", "protocol": kind, "number": number, "ends": nodes, "turns": turns, "cut": 0 in room}


def _layer(layer: Any) -> dict[str, Any]:
    """A layer's name and its fields in words, without those that Wireshark hides."""
    fields = [
        entry.showname or entry.show
        for container in getattr(layer, "_all_fields", {}).values()
        for entry in container.all_fields
        if not getattr(entry, "hide", False) and (entry.showname or entry.show)
    ]
    return {"layer": layer.layer_name, "fields": fields}


def _values(layer: Any, name: str, *, shown: bool = False) -> list[str]:
    """All values of a field of that full name."""
    container = getattr(layer, "_all_fields", {}).get(name)
    if container is None:
        return []
    return [str((entry.showname if shown else entry.show) or "") for entry in container.all_fields]


def _certificate(text: str) -> dict[str, Any]:
    """What an X.509 certificate (DER in hex, colons between) says; of one that is broken only its fingerprint."""
    import hashlib

    from cryptography import x509

    try:
        content = bytes.fromhex(text.replace(":", ""))
    except ValueError:
        return {"problem": "cannot be read"}
    facts: dict[str, Any] = {"sha256": hashlib.sha256(content).hexdigest()}
    try:
        one = x509.load_der_x509_certificate(content)
        facts |= {
            "subject": one.subject.rfc4514_string(),
            "issuer": one.issuer.rfc4514_string(),
            "not_before": one.not_valid_before_utc,
            "not_after": one.not_valid_after_utc,
            "serial": f"{one.serial_number:x}",
            "self_signed": one.subject == one.issuer,
            "names": _names(one),
        }
    except ValueError as error:
        facts["problem"] = str(error)
    return facts


def _names(certificate: Any) -> Sequence[str]:
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [str(entry.value) for entry in found.value]

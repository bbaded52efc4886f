"""A machine of the office: it asks, calls and mails from its own address, with real TLS, HTTP and DNS libraries.

For Debian's Python. What is done with it is in `habits` (people) and `calls` (programs).
"""

from __future__ import annotations

import asyncio
import imaplib
import poplib
import random
import smtplib
import socket
import ssl
import time
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp  # type: ignore[import-not-found,unused-ignore]
import dns.asyncquery  # type: ignore[import-not-found,unused-ignore]
import dns.message  # type: ignore[import-not-found,unused-ignore]
import dns.rdatatype  # type: ignore[import-not-found,unused-ignore]
from aiohttp.abc import AbstractResolver  # type: ignore[import-not-found,unused-ignore]

from .plan import MAIL, MAIL_NAME

BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36 "
    "Edg/120.0.0.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:115.0) Gecko/20100101 Firefox/115.0",
)
_CIPHERS = ("DEFAULT", "HIGH:!aNULL", "ECDHE+AESGCM", "ECDHE+AESGCM:ECDHE+CHACHA20", "HIGH:!aNULL:!CHACHA20")


@cache
def tls(folder: Path, software: str, old: bool = False) -> ssl.SSLContext:
    """The TLS of one software: what it offers differs from others', as makers differ."""
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    if software != "browser":
        context.set_ciphers(_CIPHERS[sum(software.encode()) % len(_CIPHERS)])
    if software == "browser" or len(software) % 2:
        context.set_alpn_protocols(["http/1.1"])
    if old:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


class Machine:
    """One address and what runs on it."""

    def __init__(self, address: str, folder: Path, rng: random.Random, resolver: str) -> None:
        self.address, self.folder, self.rng, self.resolver = address, folder, rng, resolver
        self.browser = rng.choice(BROWSERS)
        self._known: dict[str, tuple[float, str]] = {}
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def ask(self, name: str, kind: str) -> dns.message.Message:
        """One question to the resolver; OSError or dns.exception.Timeout when there is no answer."""
        question = dns.message.make_query(name, kind)
        return await dns.asyncquery.udp(question, self.resolver, timeout=4, source=self.address)

    async def look_up(self, name: str) -> str:
        """Address of a name, from the cache while it lasts; asks for IPv6 beside it, as stub resolvers do."""
        until, address = self._known.get(name, (0.0, ""))
        if time.monotonic() < until:
            return address
        answer, _ = await asyncio.gather(self.ask(name, "A"), self.ask(name, "AAAA"))
        for found in answer.answer:
            if found.rdtype == dns.rdatatype.A:
                address = str(found[0])
                self._known[name] = (time.monotonic() + max(found.ttl, 60), address)
                return address
        raise OSError(f"no such name: {name}")

    def session(self, software: str, *, old: bool = False, agent: str | None = None) -> aiohttp.ClientSession:
        """The connections that one software keeps."""
        if software not in self._sessions:
            connector = aiohttp.TCPConnector(
                local_addr=(self.address, 0), resolver=_Resolver(self), ssl=tls(self.folder, software, old),
                limit_per_host=6, keepalive_timeout=55, use_dns_cache=False,
            )  # fmt: skip
            headers = {"User-Agent": agent or (self.browser if software == "browser" else software)}
            self._sessions[software] = aiohttp.ClientSession(
                connector=connector, headers=headers, timeout=aiohttp.ClientTimeout(total=120)
            )
        return self._sessions[software]

    async def get(self, url: str, software: str = "browser", **words: Any) -> int:
        """Fetch and throw away; returns the number of bytes."""
        size = 0
        async with self.session(software).get(url, **words) as answer:
            async for part in answer.content.iter_chunked(65_536):
                size += len(part)
        return size

    async def send(self, method: str, url: str, body: bytes, software: str = "browser") -> None:
        """POST or PUT a body."""
        async with self.session(software).request(method, url, data=body) as answer:
            await answer.read()

    async def line(
        self, address: str, port: int, context: ssl.SSLContext | None = None, name: str | None = None
    ) -> Any:
        """A TCP connection from this address, with or without TLS: (reader, writer)."""
        opened = asyncio.open_connection(
            address, port, local_addr=(self.address, 0), ssl=context, server_hostname=name if context else None
        )
        return await asyncio.wait_for(opened, 20)

    async def run(self, *argv: str, timeout: float = 120) -> int:
        """A program to its end; returns its exit status."""
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(*argv, stdin=quiet, stdout=quiet, stderr=quiet)
        try:
            return await asyncio.wait_for(process.wait(), timeout)
        except TimeoutError:
            process.kill()
            return await process.wait()

    async def curl(self, names: list[str], url: str, *words: str) -> int:
        """curl under this address; the names it needs are looked up before, as it cannot ask from there itself."""
        found = [f"{name}:{port}:{await self.look_up(name)}" for name in names for port in (80, 443)]
        known = [word for one in found for word in ("--resolve", one)]
        return await self.run("curl", "-sS", "--cacert", str(self.folder / "ca.crt"), "--interface", self.address,
                              "-o", "/dev/null", "--max-time", "100", *known, *words, url)  # fmt: skip

    def read_mail(self, password: str, letters: int) -> None:
        """imaplib: log in, look for unseen letters, read some. Blocks: run it in a thread."""
        box = _Imap(self.address, tls(self.folder, "mail"))
        try:
            box.login(f"user{self.address.replace('.', '-')}", password)
            box.select("INBOX", readonly=True)
            box.search(None, "UNSEEN")
            for number in range(letters):
                box.fetch(str(1 + number), "(RFC822)")
        finally:
            box.logout()

    def fetch_mail(self) -> None:
        """poplib: log in, count, leave. Blocks."""
        box = _Pop(self.address, tls(self.folder, "pop"))
        box.user("user")
        box.pass_("shokuin")
        box.stat()
        box.quit()

    def send_mail(self, size: int, server: str = MAIL) -> None:
        """smtplib with STARTTLS, to the town's mail server. Blocks."""
        with smtplib.SMTP(server, 25, "pc.town.example", 30, (self.address, 0)) as line:
            line.starttls(context=_trusting(self.folder))
            line.sendmail(
                "pc@town.example", ["all@partner.example"], "Subject: minutes\r\n\r\n" + "A line.\r\n" * (size // 9)
            )

    def datagram(self, port: int = 0, group: bool = False) -> socket.socket:
        """A UDP socket of this address."""
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((self.address, port))
        made.setblocking(False)
        if group:
            made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(self.address))
        return made


class _Resolver(AbstractResolver):  # type: ignore[misc,unused-ignore]
    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[dict[str, Any]]:
        """One address."""
        address = await self.machine.look_up(host)
        return [{"hostname": host, "host": address, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}]

    async def close(self) -> None:
        """Nothing is held."""


@cache
def _trusting(folder: Path) -> ssl.SSLContext:
    """Between mail servers, certificates are not checked."""
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    context.check_hostname = False
    return context


class _Imap(imaplib.IMAP4_SSL):
    def __init__(self, source: str, context: ssl.SSLContext) -> None:
        self._source = source
        super().__init__(MAIL, 993, ssl_context=context, timeout=30)

    def _create_socket(self, timeout: float | None) -> ssl.SSLSocket:
        plain = socket.create_connection((MAIL, 993), timeout, (self._source, 0))
        return self.ssl_context.wrap_socket(plain, server_hostname=MAIL_NAME)  # type: ignore[attr-defined,no-any-return,unused-ignore]


class _Pop(poplib.POP3_SSL):
    def __init__(self, source: str, context: ssl.SSLContext) -> None:
        self._source = source
        super().__init__(MAIL, 995, context=context, timeout=30)

    def _create_socket(self, timeout: float) -> ssl.SSLSocket:
        plain = socket.create_connection((MAIL, 995), timeout, (self._source, 0))
        return self.context.wrap_socket(plain, server_hostname=MAIL_NAME)  # type: ignore[attr-defined,no-any-return,unused-ignore]

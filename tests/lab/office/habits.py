"""What people at their desks do now and then: read sites, mail, files, print, meet, watch, upload, mistype.

Each habit is a coroutine of one machine; how often is said in `DESK`. Background programs are in `calls`.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import accumulate

from .machine import Machine
from .plan import ABSENT_PRINTER, IPP_PORT, MEETING, PRINTERS, RAW_PRINT_PORT, STUN_PORT, Office, Page

Habit = Callable[["Desk"], Awaitable[None]]
BODY = os.urandom(4 << 20)
_TOOLS = asyncio.Semaphore(6)  # programs that run at once in one floor
_MEETINGS = asyncio.Semaphore(2)


class Desk:
    """A person and the machine in front of them: favourite sites, and the popular ones by Zipf's law."""

    def __init__(self, machine: Machine, office: Office, pages: list[Page]) -> None:
        self.machine, self.rng, self.pages = machine, machine.rng, pages
        self.favourites = self.rng.sample(range(len(pages)), k=5)
        self.printer = self.rng.choice(PRINTERS)

    def page(self) -> Page:
        """One of the favourites, or any: the second most popular half as often as the first, and so on."""
        if self.rng.random() < 0.4:
            return self.pages[self.rng.choice(self.favourites)]
        return self.rng.choices(self.pages, cum_weights=_ZIPF[: len(self.pages)])[0]


_ZIPF = list(accumulate(1 / rank for rank in range(1, 1000)))


async def read_pages(desk: Desk) -> None:
    """Some pages of one site, with all that they load, a reading pause after each."""
    page, machine, rng = desk.page(), desk.machine, desk.rng
    scheme = "http" if sum(page.name.encode()) % 12 == 0 else "https"
    for number in range(min(8, 1 + int(rng.expovariate(0.6)))):
        await machine.get(f"{scheme}://{page.name}/p{number}/obj{(sum(page.name.encode()) + number) % 15 * 4}.html")
        if number == 0 and rng.random() < 0.15:
            name = rng.choice(("ocsp", "crl"))
            await machine.get(f"http://{name}.rootca.example/v/obj{rng.randrange(60)}.js", "CryptoAPI/10.0")
        parts = page.objects if number == 0 else page.objects[:: rng.randint(1, 4)]
        kinds = ("html", "jpg", "js", "css")
        fetched = [machine.get(f"{scheme}://{part}/a/obj{n}.{kinds[n % 4]}") for part, n in parts]
        await asyncio.gather(*fetched, return_exceptions=True)
        await asyncio.sleep(rng.lognormvariate(2.8, 1.0))


async def read_by_http2(desk: Desk) -> None:
    """A page by curl, which speaks HTTP/2."""
    page = desk.page()
    async with _TOOLS:
        await desk.machine.curl(
            [page.name], f"https://{page.name}/a/obj[0-12:4].html", "--http2", "-A", desk.machine.browser
        )


async def write_mail(desk: Desk) -> None:
    """A letter, sometimes with an attachment."""
    size = round(desk.rng.lognormvariate(8.5, 1.8))
    await asyncio.to_thread(desk.machine.send_mail, min(size, 5_000_000))


async def open_mailbox(desk: Desk) -> None:
    """Letters read; one log-in in forty has a mistyped password first."""
    if desk.rng.random() < 0.025:
        await asyncio.gather(asyncio.to_thread(desk.machine.read_mail, "shokiun", 0), return_exceptions=True)
        await asyncio.sleep(6)
    await asyncio.to_thread(desk.machine.read_mail, "shokuin", desk.rng.randint(0, 5))


async def share_files(desk: Desk) -> None:
    """Documents read from the file share, and written back."""
    site = "https://share.town.example"
    for _ in range(desk.rng.randint(1, 4)):
        await desk.machine.get(f"{site}/docs/obj{4 * desk.rng.randrange(15)}.html", "WebDAV-MiniRedir/10.0")
        await asyncio.sleep(desk.rng.uniform(0.2, 5))
    size = min(len(BODY), round(desk.rng.lognormvariate(11.5, 1.5)))
    name = desk.machine.address.replace(".", "-")
    await desk.machine.send("PUT", f"{site}/put/{name}.xlsx", BODY[:size], "WebDAV-MiniRedir/10.0")


async def print_pages(desk: Desk) -> None:
    """By IPP or raw; now and then on the printer that is off."""
    body = BODY[: min(len(BODY), round(desk.rng.lognormvariate(12, 1)))]
    if desk.rng.random() < 0.05:
        await desk.machine.line(ABSENT_PRINTER, RAW_PRINT_PORT)
    elif desk.rng.random() < 0.5:
        _, out = await desk.machine.line(desk.printer, RAW_PRINT_PORT)
        out.write(body)
        await out.drain()
        out.close()
    else:
        await desk.machine.send("POST", f"http://{desk.printer}:{IPP_PORT}/ipp/print", body, "Internet Print Provider")


async def meet(desk: Desk) -> None:
    """A call of some minutes: STUN, then a voice packet every 30 ms each way."""
    if _MEETINGS.locked():
        return
    async with _MEETINGS:
        loop, rng = asyncio.get_running_loop(), desk.rng
        await desk.machine.look_up("relay.meetnow.example")
        with desk.machine.datagram() as line:
            line.connect((MEETING, STUN_PORT))
            line.send(b"\x00\x01\x00\x00\x21\x12\xa4\x42" + rng.randbytes(12))
            await asyncio.wait_for(loop.sock_recv(line, 2048), 5)
            begin, ssrc, seconds = loop.time(), rng.randbytes(4), min(1500, rng.lognormvariate(5.5, 0.8))
            for number in range(int(seconds / 0.03)):
                head = struct.pack(">BBHI", 0x80, 111, number & 0xFFFF, number * 1440) + ssrc
                line.send(head + BODY[number % 1000 : number % 1000 + rng.randint(60, 160)])
                await asyncio.sleep(max(0.0, begin + number * 0.03 - loop.time()))
                with suppress(BlockingIOError):
                    line.recv(2048)


async def watch_film(desk: Desk) -> None:
    """Segments of six seconds each, fetched as they are played."""
    ahead = 3
    for number in range(round(min(150, desk.rng.lognormvariate(3.2, 0.9)))):
        await desk.machine.get("https://stream.videotube.example/v/segment.ts")
        if number >= ahead:
            await asyncio.sleep(6 - desk.rng.uniform(0.0, 0.4))


async def fetch_big(desk: Desk) -> None:
    """A big file from some site."""
    size = desk.rng.choices(("big3", "big12", "big30"), (6, 3, 1))[0]
    await desk.machine.get(f"https://{desk.page().name}/f/{size}.bin")


async def sync_up(desk: Desk) -> None:
    """Documents go to the cloud drive: mostly small, some not."""
    for _ in range(desk.rng.randint(1, 3)):
        size = min(25_000_000, round(desk.rng.lognormvariate(12.5, 1.6)))
        await desk.machine.send("PUT", "https://upload.clouddrive.example/put/x", (BODY * 7)[:size], "CloudDrive/180")


async def send_big(desk: Desk) -> None:
    """A hand-over of plans or films by a service for big files."""
    size = desk.rng.randint(20, 80)
    await desk.machine.send("PUT", "https://transfer.bigfile.example/put/plan.zip", (BODY * (size // 4))[: size << 20])


async def mistype(desk: Desk) -> None:
    """Names that do not exist: a slip, an old link, an intranet word, what the browser makes of it."""
    words = ("intranet", "kyuuyo", "wpad", "printsrv2", "old-portal", "www.nothtimes", "soumuka", "fileserver")
    for _ in range(desk.rng.randint(1, 3)):
        word = desk.rng.choice(words)
        for suffix in (".town.example", ".example"):
            await desk.machine.ask(word + suffix, "A")


async def old_link(desk: Desk) -> None:
    """A server that is gone: nobody answers, three times."""
    for _ in range(desk.rng.randint(1, 3)):
        await asyncio.gather(desk.machine.get("https://old.portal.example/"), return_exceptions=True)
        await asyncio.sleep(2)


async def fetch_ftp(desk: Desk) -> None:
    """A public document by anonymous ftp."""
    async with _TOOLS:
        await desk.machine.curl(["ftp.town.example"], "ftp://10.20.2.21/agenda.txt")


async def by_proxy(desk: Desk) -> None:
    """A site through the town's proxy."""
    async with _TOOLS:
        await desk.machine.curl(
            ["proxy.town.example"], f"http://{desk.page().name}/a/obj4.html", "-x", "http://10.20.2.80:8888"
        )


DESK: dict[Habit, float] = {
    read_pages: 60, read_by_http2: 8, write_mail: 5, open_mailbox: 6, share_files: 9, print_pages: 2.5, meet: 0.5,
    watch_film: 1.2, fetch_big: 0.5, sync_up: 2, send_big: 0.06, mistype: 3, old_link: 0.4, fetch_ftp: 0.4,
    by_proxy: 1.5,
}  # fmt: skip
PHONE: dict[Habit, float] = {read_pages: 8, watch_film: 1, mistype: 0.3}


def discover(machine: Machine, rng: random.Random) -> None:
    """What machines ask the room: mDNS, SSDP, LLMNR."""
    mdns = b"\0\0\0\0\0\1\0\0\0\0\0\0\x04_ipp\x04_tcp\x05local\0\0\x0c\0\1"
    ssdp = b'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 3\r\nST: ssdp:all\r\n\r\n'
    llmnr = rng.randbytes(2) + b"\0\0\0\1\0\0\0\0\0\0\x04wpad\0\0\1\0\1"
    for where, data in (
        (("224.0.0.251", 5353), mdns),
        (("239.255.255.250", 1900), ssdp),
        (("224.0.0.252", 5355), llmnr),
    ):
        with machine.datagram(5353 if where[1] == 5353 else 0, group=True) as line:
            line.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
            line.sendto(data, where)

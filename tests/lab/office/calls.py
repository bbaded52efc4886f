"""What programs do by themselves: call home, keep lines open, ask the time, fetch updates, poll mailboxes.

One coroutine a program and machine, which goes on for ever; a failed call is tried again at its next turn.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Awaitable, Callable

import aiohttp  # type: ignore[import-not-found,unused-ignore]

from tests.lab.plan import host

from .habits import BODY, discover
from .machine import Machine, tls
from .plan import MAIL, MAIL_NAME, PUSH, PUSH_PORT, SYSLOG_PORT, WATCH, Program

Deed = Callable[[], Awaitable[object]]
_CLOCK = host("clock").address


async def every(machine: Machine, period: float, jitter: float, deed: Deed, first: float | None = None) -> None:
    """A timer that strays by `jitter` of its period; it begins anywhere in the first one, or after `first` s."""
    await asyncio.sleep(machine.rng.uniform(0, period) if first is None else first)
    while True:
        due = time.monotonic() + period * (1 + machine.rng.uniform(-jitter, jitter))
        await tried(deed)
        await asyncio.sleep(max(0.0, due - time.monotonic()))


async def tried(deed: Deed) -> None:
    """A deed that may fail, as things do."""
    FAILED[""] = FAILED.get("", 0) + 1
    try:
        await asyncio.wait_for(deed(), 2000)
    except Exception as error:  # noqa: BLE001  (whatever goes wrong, people and programs go on)
        name = f"{getattr(deed, '__qualname__', deed)}: {type(error).__name__}"
        FAILED[name] = FAILED.get(name, 0) + 1


FAILED: dict[str, int] = {}
"""How many deeds there were (under the empty name), and how many failed, by what went wrong."""


async def call_home(machine: Machine, program: Program) -> None:
    """A program of the catalogue."""
    session = machine.session(program.name, old=program.old, agent=program.name)
    scheme = "http" if program.plain else "https"
    kinds = ("html", "jpg", "js", "css")

    async def call() -> None:
        keep = {} if program.keeps else {"Connection": "close"}
        if program.up:
            url, body = f"{scheme}://{program.site}/call", BODY[: round(program.up * machine.rng.uniform(0.9, 1.2))]
            async with session.post(url, data=body, headers=keep) as answer:
                await answer.read()
        else:
            url = f"{scheme}://{program.site}/v/obj{program.down}.{kinds[program.down % 4]}"
            async with session.get(url, headers=keep) as answer:
                await answer.read()

    await every(machine, program.period, program.jitter, call)


async def ask_time(machine: Machine, period: float, own_port: bool) -> None:
    """SNTP (RFC 4330)."""

    async def ask() -> None:
        await machine.look_up("time.example")
        with machine.datagram(123 if own_port else 0) as line:
            line.connect((_CLOCK, 123))
            line.send(b"\x23" + bytes(39) + struct.pack(">Q", int((time.time() + 2208988800) * 2**32)))
            await asyncio.wait_for(asyncio.get_running_loop().sock_recv(line, 512), 5)

    await every(machine, period, 0.0, ask)


async def poll_imap(machine: Machine, period: float) -> None:
    """A mail program that looks every few minutes."""
    await every(machine, period, 0.0, lambda: asyncio.to_thread(machine.read_mail, "shokuin", 0))


async def poll_pop(machine: Machine, period: float) -> None:
    """The same by POP3."""
    await every(machine, period, 0.0, lambda: asyncio.to_thread(machine.fetch_mail))


async def idle_imap(machine: Machine) -> None:
    """IMAP IDLE (RFC 2177): one connection for hours, renewed every nine minutes."""

    async def stay() -> None:
        reader, out = await machine.line(MAIL, 993, tls(machine.folder, "mail"), MAIL_NAME)
        try:
            for number, words in enumerate((b"LOGIN user shokuin", b"SELECT INBOX")):
                out.write(b"a%d %s\r\n" % (number, words))
                await reader.readuntil(b"\na%d OK" % number)
            for number in range(10, 100):
                out.write(b"a%d IDLE\r\n" % number)
                await asyncio.sleep(540)
                out.write(b"DONE\r\n")
                await reader.readuntil(b"\na%d OK" % number)
        finally:
            out.close()

    await every(machine, 30, 0.5, stay)


async def keep_push(machine: Machine, period: float) -> None:
    """A device's line to its maker's push service, with a keep-alive now and then."""

    async def stay() -> None:
        await machine.look_up("push.mobile.example")
        reader, out = await machine.line(PUSH, PUSH_PORT, tls(machine.folder, "push"), "push.mobile.example")
        try:
            out.write(BODY[:400])
            while True:
                out.write(b"\x00\x0a" + machine.rng.randbytes(10))
                try:
                    while await asyncio.wait_for(reader.read(4096), period):
                        pass
                    return
                except TimeoutError:
                    continue
        finally:
            out.close()

    await every(machine, 60, 0.5, stay)


async def keep_chat(machine: Machine) -> None:
    """A chat over WebSocket: pings every 45 s, something said now and then."""

    async def stay() -> None:
        line = machine.session("chat", agent="TeamTalk/4")
        async with line.ws_connect("https://chat.teamtalk.example/room", heartbeat=45, timeout=20) as room:

            async def talk() -> None:
                while True:
                    await asyncio.sleep(machine.rng.expovariate(1 / 400))
                    await room.send_str("x" * round(machine.rng.lognormvariate(4, 1)))

            talking = asyncio.create_task(talk())
            try:
                async for message in room:
                    if message.type == aiohttp.WSMsgType.ERROR:
                        return
            finally:
                talking.cancel()

    await every(machine, 60, 0.5, stay)


async def update(machine: Machine) -> None:
    """The system's updates: asked for by TLS, fetched in clear from the delivery network, as the largest maker does."""

    async def look() -> None:
        await machine.send("POST", "https://update.winos.example/call", BODY[:7000], "Update-Agent/10")
        if machine.rng.random() < 0.12:
            file = "driver.exe" if machine.rng.random() < 0.04 else "update.cab"
            url = f"http://dl.delivery.winos.example/files/{machine.rng.getrandbits(64):x}/{file}"
            for part in range(machine.rng.randint(1, 4)):
                await machine.get(
                    url, "Delivery-Optimization/10", headers={"Range": f"bytes={part << 19}-{((part + 1) << 19) - 1}"}
                )

    await every(machine, 3600, 0.2, look)


async def switch_on(machine: Machine) -> None:
    """The minute after the power button: is there an Internet, who is in charge, what time, what news."""
    discover(machine, machine.rng)
    for name, kind in (
        ("wpad.town.example", "A"),
        ("_ldap._tcp.dc._msdcs.town.example", "SRV"),
        ("pc.town.example", "SOA"),
    ):
        await tried(lambda name=name, kind=kind: machine.ask(name, kind))  # type: ignore[misc]
    await tried(lambda: machine.get("http://ncsi.winos.example/v/connecttest.txt", "NCSI"))
    for name in ("login.idprovider", "api.officesuite", "cdn.officesuite", "safebrowse.browser"):
        await tried(
            lambda name=name: machine.get(
                f"https://{name}.example/v/obj{sum(name.encode()) % 15 * 4}.html", "OfficeSuite/16"
            )
        )  # type: ignore[misc]


async def radio(machine: Machine) -> None:
    """A station heard for an hour: one download that is read as slowly as it plays."""

    async def hear() -> None:
        url = "https://radio.streamcast.example/s/big12.bin"
        async with machine.session("radio", agent="Player/2").get(
            url, timeout=aiohttp.ClientTimeout(total=None)
        ) as answer:
            while await answer.content.read(16_000):
                await asyncio.sleep(1)

    await every(machine, 2400, 0.3, hear)


async def log_lines(machine: Machine) -> None:
    """syslog to the monitoring host."""

    async def tell() -> None:
        with machine.datagram() as line:
            line.sendto(b"<30>Nov 25 12:00:00 server cron[77]: (root) CMD (true)", (WATCH, SYSLOG_PORT))

    await every(machine, 20, 0.9, tell)

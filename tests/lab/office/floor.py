"""Keep the machines of one namespace busy until told to end: whose they are decides what they do.

A script for Debian's Python. Usage: python3 -m tests.lab.office.floor HOST HOSTS SEED FOLDER
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import signal
import sys
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.lab.plan import RESOLVER, UPSTREAM_DNS, WWW, host

from . import calls, habits
from .calls import FAILED, every, tried
from .machine import Machine
from .plan import FAR_SERVERS, LINUXES, OWN_SERVERS, PRINTERS, PROGRAMS, SHARE, Office

Life = Coroutine[Any, Any, None]


def staff(machine: Machine, index: int, office: Office, pages: list[Any]) -> list[Life]:
    """A desk (four in five), a machine left on, or a phone, with the programs that it has."""
    rng = machine.rng
    kind = rng.choices(("desk", "left on", "phone"), (78, 12, 10))[0]
    desk = habits.Desk(machine, office, pages)
    lives: list[Life] = [calls.ask_time(machine, rng.choice((1024, 1024, 2048, 3600)), rng.random() < 0.6)]
    if kind == "phone":
        lives += [calls.keep_push(machine, rng.choice((600, 900, 1680))), _work(desk, habits.PHONE, 240)]
        return lives + ([calls.keep_chat(machine)] if rng.random() < 0.5 else [])
    for number, program in enumerate(PROGRAMS):
        whose = random.Random(office.seed * 100 + number).sample(
            range(office.hosts), k=min(office.hosts, max(1, round(program.share)))
        )
        if rng.random() < program.share if program.share < 1 else index in whose:
            lives.append(calls.call_home(machine, program))
    lives += [calls.update(machine), every(machine, 600, 0.3, lambda: _discover(machine))]
    mail = rng.choices(("imap", "idle", "pop", "web"), (20, 12, 5, 63))[0]
    if mail == "imap":
        lives.append(calls.poll_imap(machine, rng.choice((300, 300, 600))))
    elif mail == "idle":
        lives.append(calls.idle_imap(machine))
    elif mail == "pop":
        lives.append(calls.poll_pop(machine, 600))
    if rng.random() < 0.3:
        lives.append(calls.keep_chat(machine))
    if rng.random() < 0.15:
        lives.append(calls.keep_push(machine, 900))
    if kind == "desk":
        lives.append(_work(desk, habits.DESK, 150))
        if rng.random() < 0.01:
            lives.append(calls.radio(machine))
    if index % 400 == 7:
        lives.append(_administer(machine))
    arrives = rng.uniform(60, 3000) if rng.random() < 0.25 else rng.uniform(0, 240)
    return [_from(arrives, machine, lives)]


def linuxes(machine: Machine) -> list[Life]:
    """Servers: packages, logs, the time, each night's copies, which in this session are at any time."""
    rng = machine.rng

    async def packages() -> None:
        await machine.get("http://deb.mirror.example/debian/dists/obj4.html", "Debian APT-HTTP/1.3 (2.6.1)")
        for _ in range(rng.choice((0, 0, 1, 6))):
            await machine.get(
                f"http://deb.mirror.example/debian/pool/{rng.randrange(99)}/package.deb", "Debian APT-HTTP/1.3 (2.6.1)"
            )

    async def copy() -> None:
        words = (
            "head -c",
            f"{rng.randint(5, 60) << 20}",
            "/dev/zero | ssh",
            *_ssh_words(machine),
            f"root@{host('files').address}",
            "'cat >/dev/null'",
        )
        await machine.run("sh", "-c", " ".join(words), timeout=600)

    return [
        calls.ask_time(machine, 1024, True), calls.log_lines(machine), every(machine, 1800, 0.3, packages),
        every(machine, 5400, 0.2, copy),
    ]  # fmt: skip


def watch(machine: Machine) -> list[Life]:
    """The monitoring host: pings, ports, pages and names of all that is ours, and pages of others, each minute."""
    servers = [own for known in OWN_SERVERS for own in known.addresses] + [
        host(name).address for name in ("www", "mail", "ftp", "proxy", "files", "resolver")
    ]
    ports = [(address, 22) for address in (*LINUXES, host("files").address)] + [(one, 631) for one in PRINTERS]
    ports += [
        (SHARE, 443),
        (host("mail").address, 25),
        (host("mail").address, 993),
        (host("ftp").address, 21),
        ("10.20.2.80", 8888),
    ]

    async def ping() -> None:
        for address in servers:
            await machine.run("ping", "-q", "-c", "2", "-i", "0.2", "-W", "1", "-I", machine.address, address)

    async def look() -> None:
        for address, port in ports:
            await tried(lambda address=address, port=port: _banner(machine, address, port))  # type: ignore[misc]

    async def pages() -> None:
        for site in ("www.town.example", "share.town.example", *[page.name for page in PAGES[:6]]):
            await tried(
                lambda site=site: machine.get(
                    f"https://{site}/x/obj4.html" if "town" not in site else f"https://{site}/", "Watch/5"
                )
            )  # type: ignore[misc]
            await tried(lambda site=site: machine.ask(site, "A"))  # type: ignore[misc]

    return [every(machine, 60, 0.0, ping), every(machine, 60, 0.0, look), every(machine, 120, 0.0, pages)]


def citizens(machine: Machine) -> list[Life]:
    """Visitors of the town's site, each for some pages, then gone for long."""

    async def visit() -> None:
        for page in ("index.html", "style.css", "script.js", "picture0.jpg", "news.html", "help.html")[
            : machine.rng.randint(2, 6)
        ]:
            await machine.get(f"https://{WWW}/{page}")
            await asyncio.sleep(machine.rng.uniform(0.05, 4))

    return [every(machine, 900, 0.9, visit)]


def mx(machine: Machine) -> list[Life]:
    """Letters from outside."""
    return [
        every(machine, 15, 0.9, lambda: asyncio.to_thread(machine.send_mail, round(machine.rng.lognormvariate(9, 1.3))))
    ]


async def _work(desk: habits.Desk, kinds: dict[habits.Habit, float], think: float) -> None:
    """One thing after another with pauses between, and a longer one now and then."""
    rng = desk.rng
    while True:
        await asyncio.sleep(rng.expovariate(1 / think) if rng.random() < 0.97 else rng.uniform(600, 1800))
        habit = rng.choices(list(kinds), list(kinds.values()))[0]
        await tried(_named(habit, desk))


def _named(habit: habits.Habit, desk: habits.Desk) -> calls.Deed:
    def deed() -> Any:
        return habit(desk)

    deed.__qualname__ = getattr(habit, "__name__", "habit")
    return deed


async def _from(moment: float, machine: Machine, lives: list[Life]) -> None:
    """Whoever comes later, switches on then."""
    await asyncio.sleep(moment)
    await calls.switch_on(machine)
    await asyncio.gather(*lives)


async def _discover(machine: Machine) -> None:
    habits.discover(machine, machine.rng)


async def _banner(machine: Machine, address: str, port: int) -> None:
    reader, out = await machine.line(address, port)
    if port in (21, 22, 25):
        await asyncio.wait_for(reader.readline(), 5)
    out.close()


def _ssh_words(machine: Machine) -> list[str]:
    return ["-b", machine.address, "-i", str(machine.folder / "id"), "-o", "StrictHostKeyChecking=no", "-o",
            "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"]  # fmt: skip


async def _administer(machine: Machine) -> None:
    """An administrator: shells of minutes on single servers, and a run over many twice an hour."""
    rng = machine.rng

    async def shell() -> None:
        work = f"for i in $(seq {rng.randint(2, 40)}); do date; sleep {rng.randint(1, 9)}; done"
        await machine.run("ssh", *_ssh_words(machine), f"root@{rng.choice(LINUXES)}", work, timeout=900)

    async def rollout() -> None:
        for address in rng.sample(LINUXES, k=rng.randint(6, 20)):
            await machine.run("ssh", *_ssh_words(machine), f"root@{address}", "uname -a; df; seq 200")

    await asyncio.gather(every(machine, 500, 0.8, shell), every(machine, 2400, 0.5, rollout))


PAGES: list[Any] = []


async def _main() -> None:
    name, hosts, seed, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    office = Office(hosts, seed)
    PAGES.extend(office.pages)
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(24))
    known = {one.name: one for one in (*office.floors, *OWN_SERVERS, *FAR_SERVERS, host("mx"))}[name]
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    lives: list[Life] = []
    resolver = RESOLVER if known.side == "segment" else UPSTREAM_DNS
    for number, address in enumerate(known.addresses):
        machine = Machine(address, folder, random.Random(f"{seed} {address}"), resolver)
        if name.startswith("floor"):
            index = [one.name for one in office.floors].index(name) * 250 + number
            lives += staff(machine, index, office, PAGES)
        else:
            lives += {"linuxes": linuxes, "watch": watch, "citizens": citizens, "mx": mx}[name](machine)
    tasks = [asyncio.create_task(life) for life in lives]
    await ended.wait()
    (folder / f"deeds.{name}.json").write_text(json.dumps(FAILED, indent=1))
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(_main())

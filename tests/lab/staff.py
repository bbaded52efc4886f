"""Benign behaviour: what the segment's staff and the town's visitors do with real programs while a session lasts."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from .plan import SITES, host
from .town import Town

Habit = Callable[[Town, str, random.Random], None]


def read_site(town: Town, name: str, rng: random.Random) -> None:
    """curl a page of a site and some of what it shows, over one connection, TLS by the site's choice."""
    site = rng.choice(SITES)
    paths = rng.sample(["index.html", "news.html", "help.html", "style.css", "picture0.jpg", "picture1.jpg"], k=3)
    scheme = "http" if rng.random() < 0.15 else "https"
    urls = [word for path in paths for word in ("-o", "/dev/null", f"{scheme}://{site.name}/{path}")]
    version = rng.choice(["--http1.1", "--http2"])
    town.run(name, "curl", "-sS", version, "--cacert", str(town.folder / "ca.crt"), *urls, timeout=30)


def look_up(town: Town, name: str, rng: random.Random) -> None:
    """dig a few names, now and then one that does not exist."""
    names = [rng.choice(SITES).name, "time.example"] + (["intranet.town.example"] if rng.random() < 0.2 else [])
    for wanted in rng.sample(names, k=rng.randint(1, len(names))):
        town.run(name, "dig", "+tries=1", wanted, rng.choice(["A", "AAAA", "MX"]), timeout=8)


def work_on_files(town: Town, name: str, rng: random.Random) -> None:
    """ssh to the file server: a short command, or a longer look around."""
    ssh = ["ssh", "-i", str(town.folder / "id"), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    work = rng.choice(
        ["true", "ls -l /usr/bin", "sleep 4; ls -l /usr/lib", "for i in 1 2 3 4 5; do date; sleep 1; done"]
    )
    town.run(name, *ssh, f"root@{host('files').address}", work, timeout=40)


def visit_town(town: Town, name: str, rng: random.Random) -> None:
    """A citizen reads the town's public pages."""
    urls = [f"https://www.town.example/{path}" for path in ("index.html", "style.css", "picture0.jpg")]
    words = [word for url in urls[: rng.randint(1, 3)] for word in ("-o", "/dev/null", url)]
    town.run(name, "curl", "-sS", "--cacert", str(town.folder / "ca.crt"), *words, timeout=30)


STAFF_HABITS: tuple[tuple[Habit, int], ...] = ((read_site, 6), (look_up, 2), (work_on_files, 1))
VISITOR_HABITS: tuple[tuple[Habit, int], ...] = ((visit_town, 1),)


class Day:
    """Keeps everyone busy until stopped: one thread a person, think times drawn from an exponential distribution."""

    def __init__(self, town: Town, *, think: float = 4.0, seed: int = 1) -> None:
        self.town, self.think = town, think
        self._stop = threading.Event()
        self._threads = []
        for index, person in enumerate(town.hosts):
            habits = {"staff": STAFF_HABITS, "visitor of the public web server": VISITOR_HABITS}.get(person.role)
            if habits:
                rng = random.Random(seed * 1000 + index)
                self._threads.append(threading.Thread(target=self._live, args=(person.name, habits, rng), daemon=True))

    def start(self) -> None:
        """Begin, each person after a moment of their own."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let everyone finish what they do, and come home."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=45)

    def _live(self, name: str, habits: tuple[tuple[Habit, int], ...], rng: random.Random) -> None:
        deeds, weights = [deed for deed, _ in habits], [weight for _, weight in habits]
        while not self._stop.wait(rng.expovariate(1 / self.think)):
            rng.choices(deeds, weights)[0](self.town, name, rng)


def now() -> float:
    """The recorder's clock: seconds since the epoch, of the machine that also stamps the packets."""
    return time.time()

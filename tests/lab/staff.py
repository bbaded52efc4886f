"""Benign behaviour: what staff, servers and visitors do with real programs while a session lasts.

A habit is one deed that is done now and then; `Day` gives everybody their habits. Adversaries are in `attacks`.
"""

from __future__ import annotations

import random
import sys
import threading
from collections import Counter
from collections.abc import Callable
from types import TracebackType

from .plan import SITES, WWW, host
from .town import Town

Habit = Callable[[Town, str, random.Random], int]
PAGES = ("index.html", "news.html", "help.html", "style.css", "picture0.jpg", "picture1.jpg")
_ONE_BROWSER = threading.Semaphore(1)  # a browser start costs seconds of a processor


def curl(town: Town, name: str, *words: str, timeout: float = 30.0) -> int:
    """Run curl, which trusts the town's authority and shows nothing; returns its exit status."""
    return town.run(name, "curl", "-sS", "--cacert", str(town.folder / "ca.crt"), *words, timeout=timeout).returncode


def _fetches(urls: list[str]) -> list[str]:
    return [word for url in urls for word in ("-o", "/dev/null", url)]


def read_site(town: Town, name: str, rng: random.Random) -> int:
    """curl a page of a site and some of what it shows, over one connection, TLS by the site's choice."""
    site = rng.choice(SITES)
    scheme = "http" if rng.random() < 0.15 else "https"
    words = _fetches([f"{scheme}://{site.name}/{page}" for page in rng.sample(PAGES, k=rng.randint(1, 4))])
    return curl(town, name, rng.choice(["--http1.1", "--http2"]), *words)


def browse(town: Town, name: str, rng: random.Random) -> int:
    """A headless Chromium loads a page with everything on it, at most one browser at a time in the town."""
    if not _ONE_BROWSER.acquire(blocking=False):
        return read_site(town, name, rng)
    try:
        profile = town.folder / f"chromium.{name}"
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                 "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--disable-default-apps",
                 "--disable-extensions", "--ignore-certificate-errors",
                 "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE *.example",  # it asks nobody else for anything
                 f"--user-data-dir={profile}", "--timeout=4000"]  # fmt: skip
        url = f"https://{rng.choice(SITES).name}/{rng.choice(['index.html', 'news.html'])}"
        return town.run(name, "chromium", *flags, "--dump-dom", url, timeout=20).returncode
    finally:
        _ONE_BROWSER.release()


def look_up(town: Town, name: str, rng: random.Random) -> int:
    """dig a few names, now and then one that does not exist."""
    names = [rng.choice(SITES).name, "time.example"] + (["intranet.town.example"] if rng.random() < 0.2 else [])
    wanted = rng.sample(names, k=rng.randint(1, len(names)))
    return max(town.run(name, "dig", "+tries=1", each, rng.choice(["A", "AAAA", "MX"])).returncode for each in wanted)


def work_on_files(town: Town, name: str, rng: random.Random) -> int:
    """ssh to the file server: a short command, or a longer look around."""
    work = rng.choice(["true", "seq 2000", "sleep 4; seq 9000", "for i in 1 2 3 4 5; do date; sleep 1; done"])
    return ssh(town, name, host("files").address, work)


def ssh(town: Town, name: str, address: str, work: str, *options: str) -> int:
    """Run a command on another host of the town with the town's key; returns ssh's exit status."""
    words = ["-i", str(town.folder / "id"), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    return town.run(name, "ssh", *words, "-o", "BatchMode=yes", *options, f"root@{address}", work).returncode


def send_mail(town: Town, name: str, rng: random.Random) -> int:
    """A letter to a colleague through the town's mail server, mostly under STARTTLS."""
    return _swaks(town, name, "mail.town.example", rng)


def relay_mail(town: Town, name: str, rng: random.Random) -> int:
    """The mail server hands a letter to another town's."""
    return _swaks(town, name, "mx.partner.example", rng)


def _swaks(town: Town, name: str, server: str, rng: random.Random) -> int:
    letter = "Regarding the minutes of the meeting.\n" * rng.randint(5, 200)
    tls = ["--tls"] if rng.random() < 0.8 else []
    words = ["--server", server, "--helo", f"{name}.town.example", "--from", f"{name}@town.example"]
    done = town.run(name, "swaks", *words, "--to", "tanaka@partner.example", *tls, "--body", letter, "--suppress-data")
    return done.returncode


def use_proxy(town: Town, name: str, rng: random.Random) -> int:
    """A site read through the town's proxy, by CONNECT or in clear."""
    scheme = rng.choice(["http", "https"])
    url = f"{scheme}://{rng.choice(SITES).name}/{rng.choice(PAGES)}"
    return curl(town, name, "-x", f"http://{host('proxy').address}:8888", *_fetches([url]))


def fetch_agenda(town: Town, name: str, rng: random.Random) -> int:
    """Anonymous ftp of a public document."""
    mode = rng.choice(["--ftp-pasv", "--disable-epsv"])
    return curl(town, name, mode, *_fetches(["ftp://ftp.town.example/agenda.txt"]))


def ask_time(town: Town, name: str, rng: random.Random) -> int:
    """A few NTP exchanges, by chronyd, which only prints the offset."""
    pid = f"pidfile {town.folder}/chronyd.{name}.pid"
    words = ["-t", "8", "-Q", pid, "cmdport 0", "bindcmdaddress /", "user root"]
    return town.run(name, "chronyd", *words, "server time.example iburst maxsamples 4", timeout=12).returncode


def visit_town(town: Town, name: str, rng: random.Random) -> int:
    """A citizen reads the town's public pages, by IPv4 or IPv6."""
    urls = [f"https://{WWW}/{page}" for page in rng.sample(PAGES, k=rng.randint(1, 3))]
    return curl(town, name, rng.choice(["-4", "-4", "-6"]), *_fetches(urls))


def poll_groupware(town: Town, name: str, rng: random.Random) -> int:
    """The groupware client asks for news: benign and regular, what a beacon hunt must not report."""
    return curl(town, name, "-A", "GroupwareClient/3.1", *_fetches(["https://groupware.example/api?news"]))


STAFF_HABITS: dict[Habit, float] = {
    read_site: 6, browse: 2, look_up: 2, work_on_files: 1, send_mail: 1, use_proxy: 1, fetch_agenda: 0.4, ask_time: 0.4
}  # fmt: skip
HABITS: dict[str, dict[Habit, float]] = {
    "staff": STAFF_HABITS,
    "visitor of the public web server": {visit_town: 1},
    "mail server": {relay_mail: 1},
    "public web server": {ask_time: 1},
}
POLLERS = ("sato", "matsumoto", "inoue", "kimura")
POLL = 12.0  # seconds between two questions of a groupware client


class Day:
    """Keeps everyone busy while the `with` lasts: one thread a person, exponentially distributed think times."""

    def __init__(self, town: Town, *, think: float = 6.0, seed: int = 1) -> None:
        self.town, self.think = town, think
        self.deeds: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        for index, person in enumerate(town.hosts):
            rng = random.Random(seed * 1000 + index)
            if habits := HABITS.get(person.role):
                self._threads.append(threading.Thread(target=self._live, args=(person.name, habits, rng), daemon=True))
            if person.name in POLLERS:
                self._threads.append(threading.Thread(target=self._poll, args=(person.name, rng), daemon=True))

    def __enter__(self) -> Day:
        """Begin, each person after a moment of their own."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Let everyone finish what they do, come home, and say what failed; wait for nobody after an error."""
        self._stop.set()
        if error is None:
            for thread in self._threads:
                thread.join()
            print(f"benign: {dict(self.deeds)}; failed: {dict(+self.failures)}", file=sys.stderr)

    def _do(self, deed: Habit, name: str, rng: random.Random) -> None:
        failed = deed(self.town, name, rng) != 0
        self.deeds[deed.__name__] += 1
        self.failures[deed.__name__] += failed

    def _live(self, name: str, habits: dict[Habit, float], rng: random.Random) -> None:
        while not self._stop.wait(rng.expovariate(1 / self.think)):
            self._do(rng.choices(list(habits), list(habits.values()))[0], name, rng)

    def _poll(self, name: str, rng: random.Random) -> None:
        while not self._stop.wait(POLL):
            self._do(poll_groupware, name, rng)

"""What the office consists of: floors of staff addresses, servers, data centres, sites, and programs that call home.

Standard library only: the floors' programs read it under Debian's own Python. All of it follows from two numbers, the
addresses of the staff and the seed. Addresses are of the town's own ranges (`lab.plan`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.lab.plan import Host

PER_FLOOR = 250
"""Addresses of one namespace; each program binds its own."""
STUN_PORT, PUSH_PORT, RAW_PRINT_PORT, SYSLOG_PORT, IPP_PORT = 3478, 5228, 9100, 514, 631

PRINTERS = tuple(f"10.20.2.{101 + n}" for n in range(12))
ABSENT_PRINTER = "10.20.2.113"  # in everybody's settings, but switched off
LINUXES = tuple(f"10.20.2.{130 + n}" for n in range(20))
SHARE, WATCH = "10.20.2.30", "10.20.2.90"
PUSH, CHAT, MEETING = "198.18.30.1", "198.18.30.2", "198.18.30.3"
GONE = "198.18.16.200"  # an address of a data centre that nobody has any more
MAIL, MAIL_NAME = "10.20.2.25", "mail.town.example"

OWN_SERVERS = (
    Host("printers", "segment", "printers", PRINTERS),
    Host("share", "segment", "file share by WebDAV", (SHARE,)),
    Host("linuxes", "segment", "servers under Linux", LINUXES),
    Host("watch", "segment", "monitoring host", (WATCH,)),
)
FAR_SERVERS = (
    Host("push", "internet", "push service", (PUSH,), 35),
    Host("chat", "internet", "chat service", (CHAT,), 12),
    Host("meeting", "internet", "video meetings", (MEETING,), 15),
    Host("citizens", "internet", "visitors", tuple(f"192.0.2.{40 + n}" for n in range(150)), 14),
)
_BOTH = "TLSv1.2 TLSv1.3"
CENTRES = {
    Host(f"dc{n}", "internet", "data centre", tuple(f"198.18.{16 + n}.{k}" for k in range(1, 17)), delay): tls
    for n, (delay, tls) in enumerate(
        ((5, _BOTH), (9, "TLSv1.3"), (18, "TLSv1.2"), (45, _BOTH), (70, _BOTH), (110, "TLSv1.2"))
    )
}

_FIRST = ("north", "sakura", "green", "river", "daily", "open", "smart", "blue", "kita", "metro", "prime", "civic",
          "hikari", "union", "alpha", "rapid", "mirai", "cloud")  # fmt: skip
_SECOND = ("times", "shop", "bank", "travel", "forum", "press", "market", "health", "school", "works", "media", "maps",
           "recipe", "sports", "auto")  # fmt: skip
THIRD_PARTIES = tuple(
    f"{name}.example"
    for name in (
        "cdn.fastedge", "fonts.typeserve", "stats.pagecount", "ads.bidnet", "tags.sitetag", "img.adserve", "js.libhost",
        "pixel.socialnet", "video.embedtube", "consent.cookiebar", "maps.tileserve", "api.commentbox", "cdn.pictures",
        "metrics.speedmark", "sync.bidnet", "rtb.adexchange", "static.socialnet", "cdn.scriptbox", "log.pagecount",
        "captcha.humantest",
    )
)  # fmt: skip
SERVICES = tuple(
    f"{name}.example"
    for name in (
        "edr.guardsuite", "cloud.guardsuite", "telemetry.winos", "update.winos", "dl.delivery.winos", "ncsi.winos",
        "ocsp.rootca", "crl.rootca", "weather.widget", "notify.clouddrive", "upload.clouddrive", "api.clouddrive",
        "feed.newsreader", "deb.mirror", "update.browser", "safebrowse.browser", "transfer.bigfile", "stream.videotube",
        "radio.streamcast", "portal.groupcal", "login.idprovider", "api.officesuite", "update.officesuite",
        "presence.officesuite", "cdn.officesuite", "mail.webfree", "dl.printvendor", "dl.pdfreader",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Program:
    """A program that calls home: where and how often (s), how far its timer strays (share), and whose it is.

    `share` of the staff has it when below 1, else so many machines. `up`, `down`: bytes; `keeps`: one connection for
    all calls; `old`: TLS 1.2 at most; `plain`: HTTP without encryption.
    """

    name: str
    site: str
    period: float
    jitter: float
    share: float
    up: int = 0
    down: int = 1
    keeps: bool = False
    old: bool = False
    plain: bool = False


PROGRAMS = (
    Program("GuardSuite-Agent/7.2", "edr.guardsuite.example", 300, 0.0, 0.92, up=900),
    Program("WinOS-Telemetry/10", "telemetry.winos.example", 900, 0.1, 0.8, up=4_000),
    Program("GroupCal/3.1", "portal.groupcal.example", 180, 0.02, 0.4),
    Program("OfficeSuite-Presence/16", "presence.officesuite.example", 60, 0.05, 0.12, up=300, keeps=True),
    Program("Widgets/2", "weather.widget.example", 1_800, 0.05, 0.3, down=5),
    Program("BrowserUpdate/120", "update.browser.example", 2_700, 0.2, 0.6, up=1_200),
    Program("SafeBrowse/4", "safebrowse.browser.example", 1_800, 0.1, 0.6, down=7),
    Program("CloudDrive/180", "notify.clouddrive.example", 62, 0.03, 0.05, keeps=True),
    Program("NewsReader/1.9", "feed.newsreader.example", 600, 0.01, 0.03, down=11),
    # what a department, or one person, has
    Program("CadLicence/2021", "licence.cadworks.example", 120, 0.0, 6, up=250, old=True),
    Program("GeoPlugin/5", "tiles.geoplan.example", 300, 0.1, 9, down=20),
    Program("UpsAgent/1.0", "cloud.powerguard.example", 60, 0.02, 2, up=180, old=True),
    Program("TimeClock/3", "terminal.timeclock.example", 60, 0.0, 5, up=120, plain=True),
    Program("DoorControl/2", "sites.doorlock.example", 30, 0.01, 3, up=200),
    Program("SolarLogger", "push.sunmeter.example", 300, 0.0, 1, up=600, plain=True),
    Program("Signage/8", "player.signage.example", 60, 0.05, 8, down=3),
    Program("Camera/1.4", "relay.camcloud.example", 20, 0.02, 4, up=150, keeps=True),
    Program("TaxUpdate/2026", "update.taxsoft.example", 600, 0.0, 7),
    Program("Dictation/11", "speech.dictate.example", 240, 0.3, 4, up=400),
    Program("Mozilla/5.0 Ticker", "quotes.stockpage.example", 15, 0.1, 1, down=2, keeps=True),
    Program("Mozilla/5.0 Webmail", "mail.webfree.example", 60, 0.02, 12, down=2),
    Program("Backup/6", "control.safevault.example", 900, 0.02, 20, up=2_000, old=True),
    Program("MapServer-Sync/1", "sync.landregister.example", 600, 0.05, 2, up=30_000, down=25),
    Program("RemoteSupport/15", "keepalive.helpnow.example", 40, 0.02, 3, up=60),
    Program("TonerWatch/2", "meter.printvendor.example", 1_800, 0.1, 10, up=1_500),
)


@dataclass(frozen=True)
class Page:
    """A site's front: its name, and the objects that a visit loads: (name of the server, number of the object)."""

    name: str
    objects: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Office:
    """The office of `hosts` staff addresses that a seed makes."""

    hosts: int
    seed: int

    @property
    def floors(self) -> tuple[Host, ...]:
        """One namespace for each 250 addresses, 10.20.16.0/24 and on."""
        whole, rest = divmod(self.hosts, PER_FLOOR)
        sizes = [PER_FLOOR] * whole + ([rest] if rest else [])
        return tuple(
            Host(f"floor{n}", "segment", "floor", tuple(f"10.20.{16 + n}.{k}" for k in range(1, size + 1)))
            for n, size in enumerate(sizes)
        )

    @property
    def pages(self) -> list[Page]:
        """The sites in the order of their popularity, each with a page that stays as it is."""
        rng = random.Random(self.seed)
        domains = [f"{first}{second}.example" for first in _FIRST for second in _SECOND]
        rng.shuffle(domains)
        made = []
        for domain in domains:
            www = f"www.{domain}"
            hosts = [www] * 3 + ([f"cdn.{domain}"] * 3 if rng.random() < 0.5 else [])
            hosts += rng.sample(THIRD_PARTIES, k=rng.randint(1, 6))
            count = min(24, max(2, round(rng.lognormvariate(1.9, 0.6))))
            made.append(Page(www, tuple((rng.choice(hosts), rng.randrange(60)) for _ in range(count))))
        return made

    @property
    def names(self) -> dict[str, str]:
        """Address of each name of a data centre: popular names alone on theirs, the others many on one."""
        rng = random.Random(self.seed + 1)
        homes = [address for centre in CENTRES for address in centre.addresses]
        modern = {program.site for program in PROGRAMS if not program.old}
        older = [address for centre, tls in CENTRES.items() if "TLSv1.2" in tls for address in centre.addresses]
        dated = {program.site for program in PROGRAMS if program.old} - modern
        served = {part for page in self.pages for part, _ in page.objects} | {page.name for page in self.pages}
        served |= {*THIRD_PARTIES, *SERVICES, *(program.site for program in PROGRAMS)}
        return {name: rng.choice(older if name in dated else homes) for name in sorted(served)}


OTHER_NAMES = {
    "push.mobile.example": PUSH,
    "chat.teamtalk.example": CHAT,
    "relay.meetnow.example": MEETING,
    "share.town.example": SHARE,
    "old.portal.example": GONE,
    "watch.town.example": WATCH,
}

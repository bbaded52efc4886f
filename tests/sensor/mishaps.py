"""Mishaps that meet a sensor at random moments, and what must be true of its store, spool and counts afterwards.

Each moment plays COUNT flows of one packet, whose addresses tell them apart for ever. Clocks are in `clock_step`.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from packets import udp
from recorded_frames import pcap
from summary import ending
from wire import ROOT, Sensor, Wire, run, sensor, stored

COUNT = RATE = 2000
"""Flows of a moment, and packets a second."""
PORT = 4000
SETTINGS = """
[flows]
udp = 1
[live]
hunt_interval = 2
[store]
batch_seconds = 0.3
[evidence]
max_bytes = 67108864
"""
PASSWORD = "correct horse"


class Place:
    """A wire, and the folder of a sensor on it, its store and its spool."""

    def __init__(self, line: Wire, folder: Path, kind: str, seed: int) -> None:
        self.line, self.folder = line, folder
        self.chance = random.Random(f"{kind} {seed}")
        self.disk = folder / "disk"
        self.store = f"chdb://{self.disk / 'store'}"
        self.settings = SETTINGS.replace("[store]", f'[store]\nspool = "{self.disk / "spool"}"')
        self.moment = 0
        self.received = 0

    @contextmanager
    def sensor(self) -> Iterator[Sensor]:
        """A sensor with two workers."""
        self.folder.mkdir(exist_ok=True)
        with sensor(self.line, self.folder, "--workers", "2", store=self.store, settings=self.settings) as live:
            yield live.listening()

    def seen(self) -> int:
        """Packets that the interface has received, by its own count."""
        path = "/sys/class/net/span0/statistics/rx_packets"
        return int(run(*self.line.on(self.line.sensor, "cat", path)))

    def play(self, strike: Callable[[], None], latest: float = 1.0) -> None:
        """Send the next flows, which takes a second, and strike at some moment of `latest` seconds."""
        self.moment += 1
        source = ((self.moment, n >> 8, n & 255) for n in range(COUNT))
        frames = [(at, udp("10.{}.{}.{}".format(*way), "198.51.100.9", 9, PORT)) for at, way in enumerate(source)]
        capture = pcap(self.folder / "moment.pcap", frames)
        command = self.line.on(self.line.sender, "tcpreplay", "-q", f"--pps={RATE}", "-i", "wire0", capture)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as playing:
            time.sleep(self.chance.uniform(0.05, latest))
            strike()
            assert playing.wait(60) is not None

    def rows(self) -> Counter[str]:
        """Addresses of the stored flows and how often each is there."""
        sql = f"SELECT IPv6NumToString(src_ip) AS ip FROM flows WHERE dst_port = {PORT}"
        return Counter(str(row["ip"]) for row in stored(self.store, sql, within=self.line.on(self.line.sensor)))

    def whole(self) -> None:
        """AssertionError when anything on the disk is not as it was written, or is left over."""
        spool = self.disk / "spool"
        assert sorted(path.name for path in spool.iterdir()) == ["lock"]
        checked = stored(self.store, "CHECK TABLE flows SETTINGS check_query_single_value_result = 1",
                         within=self.line.on(self.line.sensor))  # fmt: skip
        assert [set(row.values()) for row in checked] == [{1}]
        for kept in (self.disk / "evidence").glob("*.pcap.zst"):
            packets = int(kept.name.split("-")[3])
            unpacked = self.folder / "evidence.pcap"
            run("zstd", "-dqf", kept, "-o", unpacked)
            assert run("capinfos", "-rcM", unpacked).split()[-1] == str(packets)


def worker(place: Place, live: Sensor) -> None:
    """kill -9 of one of the workers; wait until it is replaced."""
    victim = place.chance.choice(live.workers())
    before = len(re.findall("died", live.log.read_text()))
    os.kill(victim, signal.SIGKILL)
    live.says(rf"(?s)(died.*){{{before + 1}}}")


def interface(place: Place, live: Sensor) -> None:
    """The cable is out for a moment."""
    link = ("ip", "-n", place.line.sensor, "link", "set", "span0")
    run(*link, "down")
    time.sleep(place.chance.uniform(0.05, 1.5))
    run(*link, "up")


def full(place: Place, live: Sensor) -> None:
    """Nothing more fits on the disk of store, spool and evidence for some seconds."""
    filler = place.disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError:
            pass
    time.sleep(place.chance.uniform(0.3, 3))
    filler.unlink()


class Server:
    """The tests' ClickHouse in the sensor's namespace; it can be killed and started again at its port."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._port = 18123
        self._engine = place.folder / "engine"
        self.start()
        place.store = f"http://writer@127.0.0.1:{self._port}/traffic"

    def start(self) -> None:
        """AssertionError when it does not listen."""
        script = ROOT / "tests" / "store" / "clickhouse_server.py"
        command = [sys.executable, str(script), str(self._engine), "writer", PASSWORD, "--port", str(self._port)]
        self._process = subprocess.Popen(
            self._place.line.on(self._place.line.sensor, *command), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == str(self._port).encode()

    def kill(self) -> None:
        """With kill -9."""
        self._process.kill()
        self._process.wait()

    def away(self, place: Place, live: Sensor) -> None:
        """It is killed and stays away for some seconds."""
        self.kill()
        time.sleep(place.chance.uniform(0.2, 3))
        self.start()


def endure(place: Place, strike: Callable[[Place, Sensor], None], moments: int, each: int = 4) -> Counter[str]:
    """Let one sensor after another meet `each` mishaps and end; the flows that were lost in all, by reason."""
    lost: Counter[str] = Counter()
    while place.moment < moments:
        with place.sensor() as live:
            before = place.seen()
            for _ in range(min(each, moments - place.moment)):
                place.play(lambda live=live: strike(place, live))  # type: ignore[misc]
                time.sleep(place.chance.uniform(0, 2.5))
            settle(live, place, before)
            received = place.seen() - before
            assert live.stop() < 10
            log = live.log.read_text()
            end = ending(log)
            assert "Traceback" not in log, log
            assert end.balanced(), log
            assert end.packets == received, log
            assert set(end.dropped) <= {"worker_died"}, log
            assert end.flows + end.dropped.get("worker_died", 0) == received, log
            lost += Counter(end.lost) + Counter({"block": end.dropped.get("worker_died", 0)})
            place.received += received
    assert end.spooled == end.set_aside == 0, log
    rows = place.rows()
    assert set(rows.values()) == {1}
    assert len(rows) + sum(lost.values()) == place.received
    place.whole()
    print(f"{moments} moments: {place.received} flows = {len(rows)} stored + lost {dict(lost)}")
    return lost


def settle(live: Sensor, place: Place, before: int) -> None:
    """Wait until every packet is metered and every flow stored or lost: nothing waits for the end, or for a clock."""
    deadline = time.monotonic() + 90
    while True:
        counts = live.metrics(place.line)
        received = place.seen() - before
        lost = sum(value for name, value in counts.items() if name.startswith("monitor_flows_lost_total{"))
        skipped = counts.get('monitor_packets_dropped_total{reason="worker_died"}', 0)
        stored_now = counts['monitor_store_rows_total{outcome="written",table="flows"}']
        if counts["monitor_packets_total"] == received == stored_now + lost + skipped:
            return
        assert time.monotonic() < deadline, (counts, received, live.log.read_text())
        time.sleep(0.3)

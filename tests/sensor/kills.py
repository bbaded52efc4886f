"""kill -9 of the main process at random moments: while flows come, end, wait, are stored, and become incidents.

What the next start says of the loss is held against the store and the spool as the killed sensor left them.
"""

from __future__ import annotations

import itertools
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

from mishaps import COUNT, RATE, Place
from summary import ending
from wire import Sensor, stored

SLACK = 0.3
"""Seconds of packets by which the loss that is told may be off: turns of kernel and sensor."""
LATEST = 6.0
"""Seconds from the first packet of a moment until the kill at the latest; flows are stored and judged after three."""
EVENTS = "SELECT ordinal, previous, hash, incident_id, event FROM incidents WHERE run_id = '' ORDER BY ordinal"

_SPOOLED = """\
import pickle, sys
from pathlib import Path
from monitor.store.segment import decode, read_header, read_rows
found = []
for path in sorted(Path(sys.argv[1]).glob("*.segment")):
    found += decode(read_rows(path, read_header(path)))["src_ip"].to_pylist()
sys.stdout.buffer.write(pickle.dumps(found))
"""


def spooled(place: Place) -> set[str]:
    """Addresses of the flows that wait in the spool, every file of which must be whole."""
    command = [sys.executable, "-c", _SPOOLED, str(place.disk / "spool")]
    found: list[bytes] = pickle.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return {"::ffff:" + ".".join(map(str, address[-4:])) for address in found}


def kill(place: Place, live: Sensor) -> int:
    """Kill the main process, its workers end by themselves; the packets that had come (more come while they end)."""
    workers = live.workers()
    os.kill(live.process.pid, signal.SIGKILL)
    seen = place.seen()
    live.process.wait()
    for _ in range(200):  # turns, not a deadline: what is held up with us is not late
        if not any(running(pid) for pid in workers):
            return seen
        time.sleep(0.05)
    raise AssertionError(f"a worker outlives the main process; it said:\n{live.log.read_text()[-2000:]}")


def running(pid: int) -> bool:
    """Whether the process is there; one that has ended may wait for whoever adopted it to ask for its status."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def told(live: Sensor) -> int:
    """Flows that were lost with the run before, by the word of this one; each packet that waited was to be one."""
    found = live.says(r"([\d,]+) flows in its memory and ([\d,]+) packets in its rings are lost")
    return sum(int(count.replace(",", "")) for count in found.groups())


class Aftermath:
    """What the kills so far have left."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.stored: set[str] = set()
        self.events: list[dict[str, object]] = []
        self.missing: list[int] = []
        self.stored_before_a_kill = 0

    def look(self, received: int | None = None) -> None:
        """Nothing is doubled, torn or gone; count what is missing of the `received` flows of this moment."""
        rows = self._place.rows()
        assert set(rows.values()) <= {1}, "stored twice"
        assert self.stored <= set(rows), "what was stored is gone"
        events = stored(self._place.store, EVENTS, within=self._place.line.on(self._place.line.sensor))
        assert events[: len(self.events)] == self.events, "an incident's event is gone, or another"
        assert [event["ordinal"] for event in events] == list(range(1, len(events) + 1))
        assert all(after["previous"] == before["hash"] for before, after in itertools.pairwise(events))
        self.stored, self.events = set(rows), events
        if received is not None:
            ours = f"::ffff:10.{self._place.moment}."
            self.stored_before_a_kill += any(address.startswith(ours) for address in rows)
            kept = set(rows) | spooled(self._place)
            self.missing.append(received - sum(address.startswith(ours) for address in kept))


def killed(place: Place, moments: int) -> None:
    """kill -9 of the main process at each moment."""
    after, said = Aftermath(place), list[int]()
    for moment in range(moments):
        with place.sensor() as live:
            if moment:
                said.append(told(live))
            before, received = place.seen(), 0

            def strike(live: Sensor = live, before: int = before) -> None:
                nonlocal received
                received = kill(place, live) - before

            place.play(strike, LATEST)
        after.look(received)
    with place.sensor() as live:
        said.append(told(live))
        assert live.stop() < 10
        assert ending(live.log.read_text()).spooled == 0
        assert "Traceback" not in live.log.read_text()
    after.look()
    place.whole()
    print(f"{moments} kills, each within {LATEST:g} s of {COUNT} flows: {len(after.stored)} stored")
    print(f"{after.stored_before_a_kill} after flows of theirs were stored; {len(after.events)} events of incidents")
    print(f"lost, and told by the next start: {list(zip(after.missing, said, strict=True))}")
    off = [word - loss for word, loss in zip(said, after.missing, strict=True)]
    assert min(off) >= -SLACK * RATE, off
    late = [more for more in off if more > SLACK * RATE]  # reached the disk after the last word of them
    assert len(late) <= 1 + moments // 10, off
    if moments > 5:
        assert after.events
        assert 0 < after.stored_before_a_kill < moments

"""Record a session of an office in which nothing bad happens: many staff addresses, for an hour or more (root).

python -m tests.lab.office.record --hosts 1750 --minutes 62 --seed 1 -o build/lab/office.pcapng
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sys
import time
from pathlib import Path

from tests.lab.compact import compact
from tests.lab.plan import ABSENT, INTERNET_SERVICES, SERVERS, STAFF, WEB, Host
from tests.lab.record import Recorder
from tests.lab.staff import Day
from tests.lab.town import Town

from .plan import CENTRES, FAR_SERVERS, OWN_SERVERS, Office
from .servers import script, start_office

BUSY = ("linuxes", "watch", "citizens", "mx")
"""Hosts beside the floors whose machines begin something themselves."""
THINK = 90.0  # s between two deeds of those who have a namespace, and so a real browser, for themselves


def everyone(office: Office) -> list[Host]:
    """All machines of the session: the town without adversaries, and the office."""
    few = [person for person in STAFF if person.name not in ABSENT]
    return [*few, *SERVERS, *WEB, *INTERNET_SERVICES, *OWN_SERVERS, *FAR_SERVERS, *CENTRES, *office.floors]


def record(office: Office, minutes: float, output: Path) -> bool:
    """Record; False when the recorder lost packets. The capture is cut as the lab's own (`compact`), not packed."""
    output.parent.mkdir(parents=True, exist_ok=True)
    raw = output.with_suffix(".raw")
    with Town(everyone(office)) as town:
        town.acquaint(address for known in (*office.floors, *OWN_SERVERS) for address in known.addresses)
        start_office(town, office)
        with Recorder(town, raw) as recorder:
            for name in [*(floor.name for floor in office.floors), *BUSY]:
                script(town, name, "floor", name, str(office.hosts), str(office.seed), str(town.folder))
            with Day(town, think=THINK, seed=office.seed):
                time.sleep(minutes * 60)
            town.end("floor")
        for told in sorted(town.folder.glob("deeds.*.json")):
            print(told.name, told.read_text(), file=sys.stderr)
        for log in [*town.folder.glob("floor.*.log"), town.folder / "dovecot" / "log"]:
            print(log.name, log.read_text(errors="replace")[-600:], file=sys.stderr)
    packets = compact(raw, output)
    raw.unlink()
    print(f"{output}: {packets} packets, {output.stat().st_size / 1e6:.0f} MB, {recorder.lost} lost", file=sys.stderr)
    return not recorder.lost


def main() -> None:
    """Parse the command line and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=1750, help="staff addresses")
    parser.add_argument("--minutes", type=float, default=62)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, default=Path("build/lab/office.pcapng"))
    asked = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("record: laying out network namespaces needs root")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("record: asked to end; taking the town down"))
    if not record(Office(asked.hosts, asked.seed), asked.minutes, asked.output):
        sys.exit(1)


if __name__ == "__main__":
    main()

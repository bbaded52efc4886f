"""Ground truth of a recording: what was done, by whom, to whom, and exactly when; written as YAML, one line an entry.

Times are those of the first and last packet on the mirror that belong to the behaviour, found by its display filter.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from .plan import EVERYONE


@dataclass(frozen=True)
class Behaviour:
    """One thing done: `host` is whom an incident should name, `peer` the other end; times in seconds (epoch, UTC)."""

    behaviour: str
    host: str
    peer: str
    start: float
    end: float
    tool: str
    note: str
    filter: str
    packets: int = 0


def measured(behaviour: Behaviour, capture: Path, slack: float = 2.0) -> Behaviour:
    """The same with start, end and packet count as the capture shows them; ValueError when it shows none."""
    times = packet_times(capture, behaviour.filter, behaviour.start - slack, behaviour.end + slack)
    if not times:
        raise ValueError(f"{capture}: no packet of {behaviour.behaviour} ({behaviour.tool}): {behaviour.filter}")
    return replace(behaviour, start=times[0], end=times[-1], packets=len(times))


def packet_times(capture: Path, display_filter: str, start: float, end: float) -> list[float]:
    """Times of the packets that tshark's filter selects between two moments, both included."""
    window = f"frame.time_epoch >= {start:.6f} && frame.time_epoch <= {end:.6f}"
    argv = ["tshark", "-n", "-r", str(capture), "-Y", f"({display_filter}) && {window}"]
    done = subprocess.run(
        [*argv, "-T", "fields", "-e", "frame.time_epoch"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise OSError(f"tshark failed on {capture}: {done.stderr.strip()}")
    return sorted(float(line) for line in done.stdout.split())


def write(path: Path, capture: str, behaviours: list[Behaviour]) -> None:
    """Write the ground truth of `capture`: its address plan and its behaviours in order of time."""
    lines = [
        "# Ground truth of a recording of the lab town; docs/lab.md says how it is made.",
        f"capture: {capture}",
        "hosts:",
        *(
            f"  {known.name}: {json.dumps({'address': known.address, 'side': known.side, 'role': known.role})}"
            for known in EVERYONE
        ),
        "behaviours:",
    ]
    for behaviour in sorted(behaviours, key=lambda entry: entry.start):
        entry = asdict(behaviour) | {"start": _stamp(behaviour.start), "end": _stamp(behaviour.end)}
        lines.append(f"  - {json.dumps(entry)}")
    path.write_text("\n".join(lines) + "\n")


def read(path: Path) -> list[Behaviour]:
    """The behaviours of a ground-truth file that `write` made."""
    found = []
    for line in path.read_text().splitlines():
        if line.startswith("  - {"):
            entry = json.loads(line.removeprefix("  - "))
            times = {key: datetime.fromisoformat(entry[key]).timestamp() for key in ("start", "end")}
            found.append(Behaviour(**(entry | times)))
    return found


def _stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds")

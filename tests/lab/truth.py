"""Ground truth of a recording: what was done, by whom, to whom, and exactly when; written as YAML, one line an entry.

Times are those of the first and last packet on the mirror that belong to the behaviour, found by its display filter.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from .plan import EVERYONE, Host


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


def measured(behaviour: Behaviour, capture: Path, slack: float = 2.0) -> Behaviour | None:
    """The same with start, end and packet count as the capture shows them; None when it shows no packet of it."""
    times = packet_times(behaviour, capture, slack)
    return replace(behaviour, start=times[0], end=times[-1], packets=len(times)) if times else None


def packet_times(behaviour: Behaviour, capture: Path, slack: float = 0.0) -> list[float]:
    """Times of the packets that its filter selects between its start and end, widened by `slack` seconds."""
    window = f"frame.time_epoch >= {behaviour.start - slack:.6f} && frame.time_epoch <= {behaviour.end + slack:.6f}"
    with tempfile.NamedTemporaryFile(suffix=".pcap") as piece:  # tshark is slow: it sees only the packets of the host
        cut = ["tcpdump", "--time-stamp-precision=nano", "-n", "-r", str(capture), "-w", piece.name]
        _run(*cut, f"host {behaviour.host}")
        argv = ["-r", piece.name, "-Y", f"({behaviour.filter}) && {window}", "-T", "fields", "-e", "frame.time_epoch"]
        return sorted(float(line) for line in _run("tshark", "-n", *argv).split())


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


def write(path: Path, capture: str, behaviours: list[Behaviour]) -> None:
    """Write the ground truth of `capture`: its address plan and its behaviours in order of time."""
    lines = [
        "# Ground truth of a recording of the lab town; docs/lab.md says how it is made.",
        f"capture: {capture}",
        "hosts:",
        *(f"  {known.name}: {json.dumps(_plan(known))}" for known in EVERYONE),
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


def _plan(known: Host) -> dict[str, str]:
    return {"address": known.address, "address6": known.address6, "side": known.side, "role": known.role}


def _stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds")

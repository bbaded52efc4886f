"""A capture played over a wire gives what `monitor replay` gives for the file: flows, scores, incidents."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from recorded_frames import BEGIN, END, pcap, town
from wire import MONITOR, Sensor, Wire, needs_root, run, sensor, stored, wire

pytestmark = [pytest.mark.root, needs_root]

NEAR = 1000
"""µs that a time may differ."""
NAMED_BY_TIME = {"flow_id", "run_id", "model_version", "shape", "shape_other"}
TIMES = {"start", "end", "duration", "rtt", "splt_iat"} | {
    f"{side}_iat_{what}" for side in ("src", "dst") for what in ("min", "mean", "std", "max")
}
SCORES = {"score", "p_value", "reasons"}
HEALTH = (
    "SELECT measure, label, argMax(value, at) AS latest FROM sensor_health "
    "WHERE match(measure, 'packet|tcp_|unnamed') GROUP BY measure, label ORDER BY measure, label"
)
"""What both the sensor and the replay wrote down of the mirror."""
Row = dict[str, Any]


def record(line: Wire, capture: Path, into: Path) -> None:
    """Play the capture while tcpdump records the same wire."""
    command = ["tcpdump", "-i", "span0", "-s", "0", "-B", "65536", "--immediate-mode", "-w", into]
    with subprocess.Popen(line.on(line.sensor, *command), stderr=subprocess.PIPE, text=True) as dump:
        assert dump.stderr is not None
        assert any("listening" in line for line in dump.stderr)
        line.play(capture)
        time.sleep(0.2)
        dump.terminate()
        assert "0 packets dropped by kernel" in dump.stderr.read()


def replayed(capture: Path, folder: Path) -> tuple[list[Row], list[Row]]:
    """Flows and incidents of a replay of the file."""
    url = f"chdb://{folder / 'replayed'}"
    run(MONITOR, "replay", capture, "--store", url, "--format", "json")
    return stored(url), stored(url, "SELECT * FROM current_incidents")


def hunted(line: Wire, live: Sensor, packet: Path) -> list[Row]:
    """Incidents of a stopped sensor; a busy machine may leave its hunts to the next start, which a packet wakes."""
    if "the hunts do not end in time" in live.log.read_text():
        again = sensor(line, live.folder / "again", store=live.store, settings="[live]\nhunt_interval = 1\n")
        with again as second:
            second.listening()
            line.play(packet)
            while not second.metrics(line).get("monitor_last_hunt_timestamp_seconds", 0) > 0:  # NaN: not yet
                time.sleep(1)
            second.stop()
    return stored(live.store, "SELECT * FROM current_incidents")


def facts(row: Row) -> tuple[Any, ...]:
    """All columns that no clock decides."""
    left = NAMED_BY_TIME | TIMES | SCORES
    return tuple(tuple(v) if isinstance(v, list) else v for name, v in row.items() if name not in left)


def by_start(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (repr(facts(row)), row["start"]))


def micros(row: Row) -> list[float]:
    """Every time of a flow in µs."""
    found = [row["start"].timestamp() * 1e6, row["end"].timestamp() * 1e6]
    found += [row[name] * 1e6 for name in sorted(TIMES - {"start", "end", "splt_iat"})]
    return found + [float(value) for value in row["splt_iat"]]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_wire_gives_what_the_file_gives(mixed: Path, tmp_path: Path, workers: int) -> None:
    """Every column equal but times, which are those of tcpdump on the same wire within a millisecond."""
    recorded = tmp_path / "recorded.pcap"
    with wire() as line, sensor(line, tmp_path / "live", "--workers", str(workers)) as live:
        live.listening()
        record(line, mixed, recorded)
        counts = live.metrics(line)
        assert live.stop() < 10
        flows, health = stored(live.store), stored(live.store, HEALTH)
        incidents = hunted(line, live, pcap(tmp_path / "packet.pcap", town(BEGIN, END)[:1]))
    sent = int(run("capinfos", "-rcM", mixed).split()[-1])
    assert f"{sent:,} packets = " in live.log.read_text()
    assert [line for line in live.log.read_text().splitlines() if "mirror: " in line], "no word of the mirror"
    assert counts["monitor_kernel_drops_total"] == 0
    file_flows, file_incidents = replayed(mixed, tmp_path)
    assert Counter(map(facts, flows)) == Counter(map(facts, file_flows))
    wire_flows, _ = replayed(recorded, tmp_path / "wire")
    for ours, theirs in zip(by_start(flows), by_start(wire_flows), strict=True):
        assert facts(ours) == facts(theirs)
        assert max(abs(a - b) for a, b in zip(micros(ours), micros(theirs), strict=True)) < NEAR, (ours, theirs)
        assert ours["score"] == pytest.approx(theirs["score"], abs=0.05)
    assert health == stored(f"chdb://{tmp_path / 'replayed'}", HEALTH)
    assert {row["measure"]: row["latest"] for row in health}["packets"] == sent
    told = [{(row["detector"], row["host"], row["peer"]) for row in rows} for rows in (incidents, file_incidents)]
    assert told[0] == told[1]

"""The evidence ring: packets of an incident are had back whole, and what is missing is said."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from packets import Packet, batch, tcp, udp
from recorded_frames import pcap
from wire import MONITOR, ROOT, needs_root, run, sensor, stored, wire

from monitor.capture import EvidenceRing, evidence_of, open_captures
from monitor.flows import FlowMeter, PacketIndex, index_keys
from monitor.settings import FlowSettings

SECOND = 1_000_000
START = 1_700_000_000 * SECOND


def ring(folder: Path, index: PacketIndex, most: int = 1 << 30) -> EvidenceRing:
    return EvidenceRing(folder, name="w0", max_bytes=most, snaplen=262_144, link=1, take_index=index.take)


def keep(folder: Path, packets: list[Packet], most: int = 1 << 30, lost: int = 0) -> None:
    """Keep packets, ten at a time, as a worker does."""
    index, meter = PacketIndex(), FlowMeter(FlowSettings(max_flows=1024))
    evidence = ring(folder, index, most)
    for begin in range(0, len(packets), 10):
        part = batch(packets[begin : begin + 10])
        for _ in meter.push(part):
            pass
        evidence.come(int(part.time[-1]))
        index.add(meter.decoded)
        evidence.take(part, lost if begin == 0 else 0)
        while evidence._jobs.qsize() > 4:
            time.sleep(0.01)
    evidence.close()


def talk(count: int, seconds: int, size: int = 100) -> list[Packet]:
    """Packets of a hundred clients in turn, one a step over so many seconds."""
    step = seconds * SECOND // count
    fill = np.random.default_rng(1).bytes
    return [(START + n * step, udp(f"10.1.1.{n % 100}", "192.0.2.1", 5000, 53, fill(size))) for n in range(count)]


def test_what_was_kept_is_what_came(tmp_path: Path) -> None:
    """Every byte and time, in files of half a minute that any tool reads; the index leads to the right ones."""
    packets = talk(1000, 300)
    keep(tmp_path, packets)
    found = evidence_of(tmp_path, None, None)
    assert found.status == "complete"
    assert len(found.files) >= 9
    back = [
        (int(t), part.data[o : o + c].tobytes())
        for part in open_captures(found.files)
        for t, o, c in zip(part.time, part.offset, part.captured, strict=True)
    ]
    assert back == packets
    assert evidence_of(tmp_path, None, None, index_keys((), ["10.1.1.5"])).files == found.files
    assert not evidence_of(tmp_path, None, None, index_keys((), ["10.1.1.100"])).files
    (row,) = (r for b in FlowMeter(FlowSettings()).records([batch(packets[:1])]) for r in b.to_pylist())
    assert len(evidence_of(tmp_path, None, None, index_keys([row["community_id"]])).files) == len(found.files)


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    """Overwritten, lost, not there yet, not listening: each in its words."""
    packets = talk(3000, 600, size=1000)
    keep(tmp_path, packets, most=1_500_000, lost=150)
    end = packets[-1][0]
    used = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert used <= 1_700_000
    assert evidence_of(tmp_path, end - 30 * SECOND, end).status == "complete"
    assert evidence_of(tmp_path, START, end).status == "partly overwritten"
    assert evidence_of(tmp_path, START, START + SECOND).status.startswith("outside the window")
    assert evidence_of(tmp_path, end + SECOND, None).status.startswith("outside the window")
    keep(tmp_path / "lossy", packets[:300], lost=100)
    assert evidence_of(tmp_path / "lossy", START, end).status == "capture loss 25.00%"
    begin = START - 3600 * SECOND
    assert evidence_of(tmp_path / "lossy", begin, end).status.startswith("the sensor did not listen all the time")


def test_a_full_disk_costs_evidence_only(tmp_path: Path) -> None:
    """What does not fit is counted; nothing raises, nothing waits, no half file stays."""
    if os.geteuid() != 0:
        pytest.skip("mounts a small file system: needs root")
    run("mount", "-t", "tmpfs", "-o", "size=256k", "none", tmp_path)
    try:
        index = PacketIndex()
        evidence = ring(tmp_path, index)
        began = time.monotonic()
        for packet in talk(2000, 600, size=1000):
            evidence.come(packet[0])
            evidence.take(batch([packet]), 0)
            time.sleep(0.001)
        evidence.close()
        assert time.monotonic() - began < 10
        assert evidence.lost > 1000
        assert not list(tmp_path.glob("*.part"))
    finally:
        run("umount", tmp_path)


@pytest.mark.root
@needs_root
def test_an_incident_of_the_wire_is_carved_from_the_ring(tmp_path: Path) -> None:
    """From the incident to its packets in one command, with hash, filter and status."""
    scan = [(n * 2000, tcp("10.1.0.9", f"10.2.{n // 250}.{n % 250 + 1}", 40_000 + n, 22, "S")) for n in range(1000)]
    mixed = pcap(tmp_path / "scan.pcap", sorted(scan + [(t - START, frame) for t, frame in talk(200, 2)]))
    settings = "[evidence]\nmax_bytes = 100_000_000\n"
    with wire() as line, sensor(line, tmp_path / "live", "--workers", "2", settings=settings) as live:
        live.listening()
        line.play(mixed)
        time.sleep(0.5)
        live.stop()
    incident = next(row for row in stored(live.store, "SELECT * FROM current_incidents") if row["host"] == "10.1.0.9")
    output = tmp_path / "incident.pcapng"
    command = [MONITOR, "carve", "--incident", incident["incident_id"], "-o", output, "--format", "json"]
    command += ["--config", live.folder / "monitor.toml", "--store", live.store]
    environment = {**os.environ, "MONITOR_STORE__SPOOL": str(live.folder / "spool")}
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT, env=environment
    )
    facts = json.loads(done.stdout)
    host = incident["host"]
    count = len(run("tshark", "-r", mixed, "-Y", f"ip.addr == {host} && ip.addr == {incident['peer']}").splitlines())
    assert facts["packets"] >= count > 0
    carved = run("tshark", "-r", output, "-T", "fields", "-e", "ip.addr")
    assert carved.count(f"{host},") == facts["packets"]
    assert facts["status"] == "the sensor did not listen all the time"  # a minute before the incident is wanted too
    assert done.returncode == 3
    assert facts["sha256"] == run("sha256sum", output).split()[0]

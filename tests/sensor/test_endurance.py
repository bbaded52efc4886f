"""What happens to a sensor in its life: workers die, interfaces come and go, settings change, it is told to end."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from packets import ethernet, ip, tcp_session, udp
from recorded_frames import pcap
from summary import ending
from wire import MONITOR, ROOT, Sensor, Wire, needs_root, run, sensor, stored, wire

pytestmark = [pytest.mark.root, needs_root]

COUNT = 400


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("endurance")


@pytest.fixture(scope="module")
def capture(folder: Path) -> Path:
    """Packets of as many flows."""
    frames = [
        (number * 1000, udp(f"10.1.{number % 200}.7", "198.51.100.9", 9, 4000 + number)) for number in range(COUNT)
    ]
    return pcap(folder / "packets.pcap", frames)


@pytest.fixture(scope="module")
def line() -> Iterator[Wire]:
    with wire() as made:
        yield made


@pytest.fixture(scope="module")
def live(line: Wire, folder: Path) -> Iterator[Sensor]:
    """Two workers, and settings that the tests change."""
    with sensor(line, folder, "--workers", "2", settings="[flows]\nudp = 1\n[live]\nhunt_interval = 1\n") as made:
        yield made.listening()


def total(live: Sensor, line: Wire, name: str = "monitor_packets_total") -> float:
    return live.metrics(line)[name]


def until(true: Callable[[], bool], patience: float = 20.0) -> None:
    """Wait for it."""
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def hears(live: Sensor, line: Wire, capture: Path) -> None:
    """All that is sent now is metered."""
    before = total(live, line)
    line.play(capture, "-t")
    until(lambda: total(live, line) >= before + COUNT)


def asks_for_a_page(line: Wire, folder: Path, port: int) -> None:
    """A request whose target has a query, from that port."""
    request = b"GET /permit?name=mori HTTP/1.1\r\nHost: town.example\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    line.play(pcap(folder / f"page-{port}.pcap", tcp_session(0, "10.1.0.9", "198.51.100.9", port, 80, request, answer)))


def test_a_killed_worker_is_replaced_and_what_it_held_is_counted(live: Sensor, line: Wire, capture: Path) -> None:
    """Packets wait in the ring meanwhile: only flows in memory are lost, and their number is known."""
    hears(live, line, capture)
    time.sleep(0.5)
    victim = live.workers()[0]
    os.kill(victim, signal.SIGKILL)
    hears(live, line, capture)
    live.says(r"worker \d died \(status -9\)")
    counts = live.metrics(line)
    assert counts["monitor_worker_restarts_total"] == 1
    assert counts["monitor_kernel_drops_total"] == 0
    assert len(live.workers()) == 2
    until(lambda: balanced(live.metrics(line)))
    assert 0 < counts['monitor_flows_lost_total{reason="worker_died"}'] < COUNT


def balanced(counts: dict[str, float]) -> bool:
    """Flows: each packet of ours is one, and it is stored, lost or still held."""
    rows = counts['monitor_store_rows_total{outcome="written",table="flows"}']
    lost = sum(value for name, value in counts.items() if name.startswith("monitor_flows_lost_total"))
    return rows + lost == 2 * COUNT == counts["monitor_packets_decoded_total"] and not counts["monitor_flows_active"]


def test_an_interface_may_go_down_be_renamed_or_removed(live: Sensor, line: Wire, capture: Path) -> None:
    """Each is told, and capture goes on when it can."""
    link = ("ip", "-n", line.sensor, "link")
    run(*link, "set", "span0", "down")
    live.says("span0 is down")
    run(*link, "set", "span0", "up")
    live.says("span0 is up; capture goes on")
    hears(live, line, capture)
    run(*link, "set", "span0", "name", "span1")
    live.says("span0 is now called span1")
    hears(live, line, capture)
    run(*link, "delete", "span1")
    live.says("span1 was removed")
    line.join("span1")
    live.says("span1 is back; capture goes on")
    assert "promiscuity 2 " in run("ip", "-n", line.sensor, "-d", "link", "show", "span1")
    hears(live, line, capture)


def test_hangup_takes_new_settings_and_keeps_the_old_ones_when_they_are_wrong(
    live: Sensor, line: Wire, capture: Path
) -> None:
    """Zones, and whether queries are kept, are those of the new file from then on; no packet is missed."""
    asks_for_a_page(line, live.folder, 50001)
    config = live.folder / "monitor.toml"
    good = config.read_text()
    config.write_text("[flows]\nudq = 1\n")
    live.process.send_signal(signal.SIGHUP)
    live.says("reload: .*did you mean 'udp'.*stay in force")
    zoned = '[zones]\ntown-hall = ["10.1.0.0/16"]\n'
    config.write_text(good.replace("[flows]", "[flows]\nkeep_query = true") + zoned)
    live.process.send_signal(signal.SIGHUP)
    live.says("reload: settings, zones and model are in force")
    hears(live, line, capture)
    asks_for_a_page(line, live.folder, 50002)


def test_a_second_sensor_on_the_same_store_says_so(live: Sensor, line: Wire) -> None:
    """An embedded store serves one process at a time."""
    command = line.on(line.sensor, MONITOR, "live", "-i", "lo", "--store", live.store)
    environment = {**os.environ, "MONITOR_LIVE__USER": "root", "MONITOR_STORE__SPOOL": str(live.folder / "other")}
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT, env=environment)
    assert second.returncode == 1
    assert f"in use by process {live.process.pid}" in second.stderr


def test_the_processes_hold_no_capability(live: Sensor) -> None:
    """Root or not: what listens to hostile packets can do nothing else."""
    for pid in (live.process.pid, *live.workers()):
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd")} == {0}
        assert status["NoNewPrivs"] == "1"


def test_terminate_hands_everything_over_within_ten_seconds(live: Sensor, line: Wire, capture: Path) -> None:
    """Flows that were still open are in the store, and the interface leaves promiscuous mode."""
    before = live.metrics(line)['monitor_store_rows_total{outcome="written",table="flows"}']
    hears(live, line, capture)
    assert live.stop() < 10
    end = ending(live.log.read_text())
    assert end.balanced()
    assert end.lost.keys() == {"worker_died"}
    rows = stored(live.store, "SELECT src_zone, count() AS n FROM flows GROUP BY src_zone ORDER BY src_zone")
    assert sum(int(str(row["n"])) for row in rows) >= before + COUNT
    assert rows[-1]["src_zone"] == "town-hall"
    assert int(str(rows[-1]["n"])) >= 2 * COUNT  # flows in the table at the reload are of the new zones too
    pages = stored(live.store, "SELECT src_port, http_uri FROM flows WHERE dst_port = 80 ORDER BY src_port")
    assert [row["http_uri"] for row in pages] == ["/permit", "/permit?name=mori"]
    assert "promiscuity 0 " in run("ip", "-n", line.sensor, "-d", "link", "show", "span1")


def test_a_filter_is_the_kernels(line: Wire, folder: Path) -> None:
    """What it keeps out costs nothing, tagged packets are asked for by their tag, and a wrong one is told at once."""
    inner = ip("10.1.0.1", "10.1.0.2", 17, bytes([0, 9, 0, 9, 0, 8, 0, 0]))
    plain = ethernet(inner)
    tagged = plain[:12] + bytes.fromhex("8100002a") + plain[12:]
    frames = [(n, frame) for n, frame in enumerate([plain] * 5 + [tagged] * 3)]
    with sensor(line, folder / "filter", "-i", "span1", "--filter", "vlan 42", "--store", "none") as live:
        live.listening()
        line.play(pcap(folder / "tagged.pcap", frames))
        until(lambda: total(live, line) >= 3)
        live.stop()
        assert " 3 packets = 3 decoded" in live.log.read_text()
    with sensor(line, folder / "wrong", "-i", "span1", "--filter", "prot 80", "--store", "none") as live:
        assert live.process.wait(30) == 1
        assert "filter 'prot 80' on span1" in live.log.read_text()

"""Worker, main process, store, disk or interface fail at random moments: losses are counted, what is kept is whole."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import mishaps
import pytest
from kills import killed
from mishaps import Place, Server, endure
from own_machine import KERNEL, run_there
from wire import Sensor, needs_root, run, wire

pytestmark = [pytest.mark.root, needs_root]

KINDS: dict[str, Callable[[Place, Sensor], None]] = {
    "worker": mishaps.worker,
    "interface": mishaps.interface,
    "full": mishaps.full,
}


@contextmanager
def made(kind: str, folder: Path, seed: int) -> Iterator[Place]:
    """A place whose disk is a small one of its own."""
    with wire() as line:
        place = Place(line, folder, kind, seed)
        place.disk.mkdir(parents=True)
        run("mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", place.disk)
        try:
            yield place
        finally:
            run("umount", "-l", place.disk, check=False)


def test_a_full_disk_costs_what_is_counted(tmp_path: Path) -> None:
    with made("full", tmp_path / "full", 1) as place:
        endure(place, mishaps.full, 1)


def test_a_killed_sensor_is_followed_by_one_that_knows(tmp_path: Path) -> None:
    with made("main", tmp_path / "main", 1) as place:
        killed(place, 1)


@pytest.mark.bench
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", list(KINDS))
def test_twenty_moments(kind: str, tmp_path: Path) -> None:
    with made(kind, tmp_path / kind, 20) as place:
        lost = endure(place, KINDS[kind], 20)
        assert set(lost) <= {"worker": {"worker_died", "block"}, "interface": set(), "full": {"store"}}[kind]


@pytest.mark.bench
@pytest.mark.timeout(3600)
def test_twenty_moments_of_a_store_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITOR_STORE_PASSWORD", mishaps.PASSWORD)
    with made("away", tmp_path / "away", 20) as place:
        server = Server(place)
        try:
            assert not endure(place, server.away, 20)
        finally:
            server.kill()


@pytest.mark.bench
@pytest.mark.timeout(3600)
def test_twenty_moments_of_a_kill_of_the_main_process(tmp_path: Path) -> None:
    with made("main", tmp_path / "main", 20) as place:
        killed(place, 20)


@pytest.mark.bench
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not shutil.which(KERNEL), reason="User-mode Linux is not installed (make bench does, on Debian)")
def test_twenty_moments_of_a_clock_set_back_an_hour(tmp_path: Path) -> None:
    """On a kernel of its own, whose clock stamps the packets too."""
    print(run_there(tmp_path, "20", patience=3000))

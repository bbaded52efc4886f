"""What a sensor says of itself while its store is away reaches the store with a later run."""

from __future__ import annotations

from pathlib import Path

import pytest
from packets import udp
from recorded_frames import pcap
from wire import needs_root, sensor, stored, wire

pytestmark = [pytest.mark.root, needs_root]

AWAY = "http://writer@127.0.0.1:1/traffic"
COUNT = 50


def test_an_entry_that_the_store_was_away_for_is_written_down_once_by_the_next_run(tmp_path: Path) -> None:
    frames = [(n * 1000, udp(f"10.1.0.{n}", "198.51.100.9", 9, 4000)) for n in range(1, COUNT + 1)]
    capture = pcap(tmp_path / "packets.pcap", frames)
    folder, store = tmp_path / "sensor", f"chdb://{tmp_path / 'store'}"
    kept = folder / "spool" / "health.json"
    with wire() as line:
        with sensor(line, folder, store=AWAY) as live:
            live.listening()
            line.play(capture, "-t")
            live.stop()
            assert f" {COUNT} packets = {COUNT} decoded" in live.log.read_text()
        assert kept.exists()
        with sensor(line, folder, store=store) as live:
            live.listening().stop()
        assert not kept.exists()
        sql = "SELECT at, value FROM sensor_health WHERE measure = 'packets' ORDER BY at"
        rows = stored(store, sql)
        assert max(row["value"] for row in rows) == COUNT  # type: ignore[type-var]  # by the first run's last entry
        assert rows[-1]["value"] == 0  # of the second's
        assert len({row["at"] for row in rows}) == len(rows)

"""The writer loses and doubles nothing: whatever the store does, whenever the writer dies, and says how it stands."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from flow_builder import flows
from server_faults import ERRORS, KINDS

from monitor.store import Counts, Store, StoreRefusedError, Writer, open_store
from monitor.store.patience import Patience
from monitor.store.spool import SET_ASIDE

PASSWORD = "correct horse"


def numbered(first: int, count: int) -> pa.RecordBatch:
    """Flows that a number tells apart."""
    return flows(*({"flow_id": first + i, "start": 3600.0 + (first + i) / 100} for i in range(count)))


def stored(store: Store) -> dict[str, int]:
    """How many flows the store has, how many of them differ, and the sum that the view made."""
    summed = "(SELECT sum(flows) FROM flows_by_minute) AS summed"
    asked = f"SELECT count() AS n, uniqExact(flow_id) AS distinct, {summed} FROM flows"
    return dict(store.query(asked).to_pylist()[0])


def away() -> Store:
    """Nothing listens on the port `discard`."""
    return open_store("http://127.0.0.1:9/traffic")


def balanced(counts: Counts) -> bool:
    kept = counts.written + counts.spooled + counts.waiting + counts.dropped + counts.set_aside
    return counts.taken + counts.recovered == kept


def test_the_embedded_store_takes_the_same_way(tmp_path: Path) -> None:
    with open_store(f"chdb://{tmp_path}/store") as store:
        with Writer(store, tmp_path / "spool", batch_rows=1000, senders=2) as writer:
            for first in range(0, 5500, 500):
                writer.put(numbered(first, 500))
            assert writer.flush(60)
            counts = writer.counts()
        assert (counts.taken, counts.written, counts.spool_bytes) == (5500, 5500, 0)
        assert balanced(counts)
        assert stored(store) == {"n": 5500, "distinct": 5500, "summed": 5500}


def test_few_rows_go_after_some_seconds(tmp_path: Path) -> None:
    with open_store(f"chdb://{tmp_path}/store") as store, Writer(store, tmp_path / "s", batch_seconds=0.2) as writer:
        writer.put(numbered(0, 3))
        assert writer.counts().waiting == 3
        until = time.monotonic() + 120
        while writer.counts().written < 3 and time.monotonic() < until:
            time.sleep(0.05)
        assert writer.counts().written == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_at_any_moment_loses_and_doubles_nothing(
    kind: str, secure_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_with_fault(kind, secure_server, tmp_path, monkeypatch, flows_each=200, batches=6, moments=1)


@pytest.mark.bench
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", KINDS)
def test_the_whole_matrix(kind: str, secure_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """20 random moments of each fault, 100 k flows each."""
    run_with_fault(kind, secure_server, tmp_path, monkeypatch, flows_each=5000, batches=20, moments=20)


def run_with_fault(
    kind: str,
    server: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    flows_each: int,
    batches: int,
    moments: int,
) -> None:
    monkeypatch.setenv("MONITOR_STORE_PASSWORD", PASSWORD)
    chance = random.Random(f"{kind} {moments}")
    given = [numbered(at * flows_each, flows_each) for at in range(batches)]
    for moment in range(moments):
        url = server.url.replace("traffic", f"fault_{kind}_{batches}_{moment}")
        with open_store(url, ca_file=server.ca_file) as store:
            strike, requests = chance.randrange(batches), chance.randint(1, 3)
            writer = Writer(
                lambda url=url: open_store(url, ca_file=server.ca_file),
                tmp_path / f"{kind}{moment}",
                batch_rows=flows_each,
                patience=Patience(0.02, 0.1),
            )
            for place, batch in enumerate(given):
                if place == strike:
                    server.fault(kind, requests=requests, seconds=chance.uniform(0.1, 0.4))
                writer.put(batch)
                time.sleep(chance.uniform(0, 0.02))
            until = time.monotonic() + 600  # of a machine that may be busy, or stand still for minutes
            while not writer.flush(30) and time.monotonic() < until:
                assert balanced(writer.counts())
            counts = writer.counts()
            assert (counts.written, counts.spooled, counts.dropped) == (flows_each * batches, 0, 0), (moment, counts)
            assert balanced(counts)
            assert kind not in ERRORS or counts.delayed, "the fault was not noticed"
            assert writer.close()
            assert set(stored(store).values()) == {flows_each * batches}
            server.calm()
            store._client().command(f"DROP DATABASE fault_{kind}_{batches}_{moment}")


FEEDER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[4])
from test_writer import numbered
from monitor.store import Writer, open_store
rows = int(sys.argv[3])
with open_store(sys.argv[1]) as store:
    writer = Writer(store, Path(sys.argv[2]), batch_rows=rows)
    writer.flush()
    had = store.query("SELECT count() AS n FROM flows")["n"][0].as_py()
    print("had", had, flush=True)
    for at in range(had, had + 100 * rows, rows):
        writer.put(numbered(at, rows))
        print("safe", at + rows, flush=True)
    writer.close()
"""


def test_kill_9_at_any_moment_loses_no_batch_that_was_taken(tmp_path: Path) -> None:
    assert kill_feeders(tmp_path, kills=4, rows=300)


@pytest.mark.bench
@pytest.mark.timeout(3600)
def test_kill_9_at_twenty_moments(tmp_path: Path) -> None:
    assert kill_feeders(tmp_path, kills=20, rows=1500) >= 100_000


def kill_feeders(tmp_path: Path, *, kills: int, rows: int) -> int:
    """Feed a store, die, feed on; the flows that it has in the end."""
    url, chance, safe = f"chdb://{tmp_path}/store", random.Random(9), 0
    command = [sys.executable, "-c", FEEDER, url, str(tmp_path / "spool"), str(rows), str(Path(__file__).parent)]
    env_path = str(Path(__file__).parent.parent)
    for _ in range(kills):
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**_environment(), "PYTHONPATH": env_path}
        ) as feeder:
            assert feeder.stdout
            had = feeder.stdout.readline().split()
            assert had[0] == "had"
            assert int(had[1]) >= safe, "a batch that was safe is gone"
            safe = int(had[1])
            for _ in range(chance.randint(1, 9)):
                safe = int(feeder.stdout.readline().split()[1])
            time.sleep(chance.uniform(0.0, 0.3))
            feeder.send_signal(signal.SIGKILL)
    with open_store(url) as store:
        with Writer(store, tmp_path / "spool") as writer:
            assert writer.flush(60)
        got = stored(store)
        assert got["n"] == got["distinct"] == got["summed"] >= safe > 0
        return got["n"]


def _environment() -> dict[str, str]:
    import os

    return dict(os.environ)


def test_what_waits_is_sent_by_the_next_writer(tmp_path: Path) -> None:
    with Writer(away, tmp_path / "spool", batch_rows=100) as writer:
        for first in range(0, 1000, 100):
            writer.put(numbered(first, 100))
        writer.put(numbered(1000, 50))
        assert not writer.close(5)
        counts = writer.counts()
    assert (counts.spooled, counts.written, counts.delayed > 0) == (1050, 0, True)
    assert balanced(counts)
    with open_store(f"chdb://{tmp_path}/store") as store, Writer(store, tmp_path / "spool") as writer:
        assert writer.flush(60)
        assert writer.counts().recovered == 1050
        assert balanced(writer.counts())
        assert stored(store)["distinct"] == 1050


def test_a_full_spool_keeps_the_oldest_and_counts_the_rest(tmp_path: Path) -> None:
    with Writer(away, tmp_path / "spool", batch_rows=100, limit=200_000) as writer:
        for first in range(0, 5000, 100):
            writer.put(numbered(first, 100))
        counts = writer.counts()
        assert 0 < counts.spool_bytes <= 200_000
        assert counts.dropped > 0
        assert balanced(counts)
        writer.close(1)
    with open_store(f"chdb://{tmp_path}/store") as store, Writer(store, tmp_path / "spool") as writer:
        assert writer.flush(60)
        kept = store.query("SELECT count() AS n, max(flow_id) AS last FROM flows").to_pylist()[0]
    assert kept == {"n": counts.spooled, "last": counts.spooled - 1}


def test_damage_on_the_disk_is_set_aside_with_its_reason(tmp_path: Path) -> None:
    with Writer(away, tmp_path / "spool", batch_rows=100) as writer:
        for first in range(0, 400, 100):
            writer.put(numbered(first, 100))
        writer.close(1)
    first, second, third, _ = sorted((tmp_path / "spool").glob("*.segment"))
    first.write_bytes(first.read_bytes()[:-10])
    body = bytearray(second.read_bytes())
    body[-100] ^= 1
    second.write_bytes(body)
    third.write_bytes(b"not a segment")
    (tmp_path / "spool" / "000000000009.segment.part").write_bytes(b"half")
    with open_store(f"chdb://{tmp_path}/store") as store, Writer(store, tmp_path / "spool") as writer:
        assert writer.flush(60)
        assert stored(store)["n"] == 100
        assert writer.counts().set_aside == 100
        assert balanced(writer.counts())
    reasons = {path.name: path.read_text() for path in (tmp_path / "spool" / SET_ASIDE).glob("*.json")}
    assert len(reasons) == 3
    assert "bytes instead of" in reasons[f"{first.name}.json"]
    assert "rows are damaged" in reasons[f"{second.name}.json"]
    assert "not a segment" in reasons[f"{third.name}.json"]


def test_a_wrong_password_is_told_at_once_and_the_spool_kept(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MONITOR_STORE_PASSWORD", "hunter2")
    url = server.url.replace("traffic", "refused_then_taken")
    with Writer(lambda: open_store(url), tmp_path / "spool") as writer:
        writer.put(numbered(0, 10))
        assert not writer.flush(30)
        assert isinstance(writer.trouble, StoreRefusedError)
        assert "refuses our rows" in caplog.text
        assert "hunter2" not in caplog.text
        monkeypatch.setenv("MONITOR_STORE_PASSWORD", PASSWORD)
        assert writer.flush(30)
        assert writer.trouble is None
        assert writer.counts().written == 10


def test_bad_rows_are_set_aside_and_the_others_stored(tmp_path: Path) -> None:
    with open_store(f"chdb://{tmp_path}/store") as store:
        store._client().command("ALTER TABLE flows ADD CONSTRAINT no_port_666 CHECK dst_port != 666")
        rows = [{"flow_id": i, "dst_port": 666 if i in (3, 77) else 443} for i in range(200)]
        far = flows({"start": 5e9, "flow_id": 1000}, {"start": 1, "flow_id": 1001})
        with Writer(store, tmp_path / "spool") as writer:
            writer.put(flows(*rows))
            writer.put(far)
            assert writer.flush(60)
            counts = writer.counts()
        assert (counts.written, counts.set_aside) == (199, 3)
        assert balanced(counts)
        assert stored(store)["distinct"] == 199
    reasons = sorted(path.read_text() for path in (tmp_path / "spool" / SET_ASIDE).glob("*.json"))
    assert sum("no_port_666" in reason for reason in reasons) == 2
    assert sum("after 2099" in reason for reason in reasons) == 1


def test_two_writers_do_not_share_a_spool(tmp_path: Path) -> None:
    with (
        open_store(f"chdb://{tmp_path}/store") as store,
        Writer(store, tmp_path / "spool"),
        pytest.raises(OSError, match="in use by another sensor"),
    ):
        Writer(store, tmp_path / "spool")

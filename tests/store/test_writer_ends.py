"""The writer's end, and its senders' life: in time whatever the store does, and no trouble of the disk stops them."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from pathlib import Path

import pytest
from test_writer import away, balanced, numbered, stored

from monitor.store import Store, StoreBusyError, Writer, open_store
from monitor.store.patience import Patience
from monitor.store.segment import decode
from monitor.store.spool import SET_ASIDE, Spool


def test_a_store_that_never_answers_holds_nobody_up(tmp_path: Path) -> None:
    """`close` keeps its time, flush and waiting for the senders together; all rows are in the spool, which nobody else
    gets while a sender may still touch it."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/traffic"
        writer = Writer(lambda: open_store(url), tmp_path / "spool", batch_rows=100)
        writer.put(numbered(0, 250))
        time.sleep(0.3)
        began = time.monotonic()
        assert not writer.close(1.0)
        assert time.monotonic() - began < 2
        assert writer.counts().spooled == 250
        assert balanced(writer.counts())
        with pytest.raises(StoreBusyError):
            Writer(away, tmp_path / "spool")


def taken(writer: Writer, rows: int) -> bool:
    """Whether the store gets them in time."""
    until = time.monotonic() + 120
    while writer.counts().written < rows and time.monotonic() < until:
        writer.flush(1)
    return writer.counts().written == rows


def test_a_disk_that_takes_nothing_more_does_not_end_the_senders(tmp_path: Path) -> None:
    """Neither what cannot be set aside nor what cannot be removed keeps the next rows from the store."""
    spool = tmp_path / "spool"
    with Writer(away, spool, batch_rows=100) as writer:
        writer.put(numbered(0, 100))
        writer.close(1)
    (damaged,) = spool.glob("*.segment")
    damaged.write_bytes(damaged.read_bytes()[:-20] + bytes(20))
    (spool / SET_ASIDE).write_text("a file, where a folder is wanted")
    back: list[Store] = []
    with (
        open_store(f"chdb://{tmp_path}/store") as store,
        Writer(lambda: back[0] if back else away(), spool, batch_rows=100, patience=Patience(0.02, 0.05)) as writer,
    ):
        writer.put(numbered(100, 100))
        assert not writer.flush(5)
        _, fresh = sorted(spool.glob("*.segment"))
        fresh.unlink()
        fresh.mkdir()  # cannot be unlinked; its rows are in memory
        back.append(store)
        assert taken(writer, 100)
        writer.put(numbered(200, 100))
        assert taken(writer, 200)
        counts = writer.counts()
        assert (counts.written, counts.set_aside, counts.spooled) == (200, 100, 0)
        assert balanced(counts)
        assert stored(store)["distinct"] == 200
    (spool / SET_ASIDE).unlink()
    fresh.rmdir()
    with Writer(away, spool) as writer:
        assert writer.counts().recovered == 100  # found whole by its header; its rows are damaged still


def test_what_was_only_in_memory_is_kept_or_counted_at_the_end(tmp_path: Path) -> None:
    """The disk is full while rows come, and has room again when the writer ends; or has not."""
    spool = tmp_path / "spool"
    writer = Writer(away, spool, batch_rows=100, patience=Patience(60, 60))
    place = spool / "000000000000.segment.part"
    place.mkdir()
    writer.put(numbered(0, 100))
    assert writer.counts().spooled == 100
    assert not list(spool.glob("*.segment"))
    place.rmdir()
    writer.close(1)
    assert len(list(spool.glob("*.segment"))) == 1
    assert balanced(writer.counts())
    other = Writer(away, tmp_path / "other", batch_rows=100, patience=Patience(60, 60))
    (tmp_path / "other" / "000000000000.segment.part").mkdir()
    other.put(numbered(0, 100))
    other.close(1)
    assert (other.counts().dropped, other.counts().spooled) == (100, 0)
    assert balanced(other.counts())


def test_a_file_system_that_knows_no_direct_writes_holds_a_spool_too(tmp_path: Path) -> None:
    """tmpfs, where the page cache is all there is: rows come back as they were put in, of every size."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        pytest.skip("no tmpfs at /dev/shm")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        for place in (Path(folder), tmp_path):
            given = [numbered(0, count) for count in (1, 700, 3)]
            spool = Spool(place / "spool", 1 << 24)
            kept = [
                spool.add(rows, table="flows", token="t", oldest=1.0, compressed=rows.num_rows > 3) for rows in given
            ]
            assert [decode(spool.rows(segment)) for segment in kept] == given
            assert spool.bytes == sum((spool.folder / segment.name).stat().st_size for segment in kept)
            spool.close()

"""Stores that are taken, away, locked or too new say so in one line, with what to do, and without the password."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flow_builder import flows

from monitor.store import StoreAwayError, StoreBusyError, StoreError, StoreRefusedError, open_store

HOLDER = """
import sys
from monitor.store import open_store
with open_store(sys.argv[1]):
    print("open", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_told_who_holds_the_store(tmp_path: Path) -> None:
    url = f"chdb://{tmp_path}/store"
    command = [sys.executable, "-c", HOLDER, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdin
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(StoreBusyError, match=rf"in use by process {holder.pid} .*--store"):
            open_store(url)
        holder.stdin.close()
        assert holder.wait(timeout=30) == 0
    open_store(url).close()


def test_a_store_is_free_again_after_its_holder_was_killed(tmp_path: Path) -> None:
    url = f"chdb://{tmp_path}/store"
    command = [sys.executable, "-c", HOLDER, url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        holder.stdout.readline()
        holder.kill()
    open_store(url).close()


def test_the_same_process_cannot_open_it_twice(tmp_path: Path) -> None:
    with open_store(f"chdb://{tmp_path}/store"), pytest.raises(StoreBusyError):
        open_store(f"chdb://{tmp_path}/store")


def test_a_process_holds_one_embedded_store_at_a_time(tmp_path: Path) -> None:
    with open_store(f"chdb://{tmp_path}/one"), pytest.raises(StoreBusyError, match="close that first"):
        open_store(f"chdb://{tmp_path}/two")
    open_store(f"chdb://{tmp_path}/two").close()


def test_a_damaged_store_is_told_from_a_busy_one(tmp_path: Path) -> None:
    open_store(f"chdb://{tmp_path}/store").close()
    for file in (tmp_path / "store").rglob("*.sql"):
        file.write_text("ATTACH TABLE garbage (")
    with pytest.raises(StoreRefusedError, match="damaged"):
        open_store(f"chdb://{tmp_path}/store")


def test_a_temporary_store_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with open_store("none") as store:
        assert not store.kept
        store.insert_flows(flows({}))
    assert list(tmp_path.iterdir()) == []


def test_reading_does_not_make_a_store(tmp_path: Path) -> None:
    with pytest.raises(StoreRefusedError, match="db init"):
        open_store(f"chdb://{tmp_path}/store", create=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreRefusedError, match="Permission denied"):
        open_store(f"chdb://{tmp_path}/store")


def test_a_file_where_the_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("not a store")
    with pytest.raises(StoreRefusedError, match="cannot be used"):
        open_store(f"chdb://{tmp_path}/store")


def test_a_wrong_password_is_refused_and_not_shown(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITOR_STORE_PASSWORD", "hunter2")
    with pytest.raises(StoreRefusedError, match="MONITOR_STORE_PASSWORD") as caught:
        open_store(server.url)
    assert "hunter2" not in str(caught.value)


def test_the_password_may_come_from_a_file(server: Any, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("correct horse\n")
    with open_store(server.url.replace("traffic", "by_file"), password_file=secret) as store:
        assert store.schema.ready
        assert "horse" not in f"{store} {store.__dict__}"


def test_nothing_listens_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(StoreAwayError, match="does not answer"):
        open_store(f"http://127.0.0.1:{port}/traffic")


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("postgres://host/x", "expected chdb:///"),
        ("chdb://host/folder", "no host"),
        ("http:///database", "names no host"),
        ("http://host/da-ta", "not a database name"),
        ("http://user:s3cret@host/x", "holds a password"),
    ],
)
def test_a_bad_url_says_what_is_wrong(url: str, what: str) -> None:
    with pytest.raises(ValueError, match=what) as caught:
        open_store(url)
    assert "s3cret" not in str(caught.value)


def test_a_store_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    url = f"chdb://{tmp_path}/store"
    with open_store(url) as store:
        store._client().command("INSERT INTO schema_versions VALUES (999, 'later', now())")
    with pytest.raises(StoreRefusedError, match="schema 999"):
        open_store(url)


def test_what_a_full_disk_says(tmp_path: Path) -> None:
    """A file system of 24 MB in a mount namespace of its own: the insert fails and says why.

    Its rows are all there, if it was a view that found no room, or none is; an insert with a token can be repeated.
    """
    script = """
import sys
sys.path.insert(0, sys.argv[2])
from flow_builder import flows
from monitor.store import StoreAwayError, open_store
import os
wide = {"http_uri": "x" * 2000}
with open_store("chdb://" + sys.argv[1] + "/store") as store:
    before = 0
    try:
        for turn in range(200):
            store.insert_flows(flows(*({"start": i, "user_agent": os.urandom(2000).hex()} for i in range(500))))
            before += 500
    except StoreAwayError as error:
        print("told:", error)
    print("rows:", store.query("SELECT count() AS n FROM flows")["n"][0].as_py() - before in (0, 500), 0 < before)
"""
    place = tmp_path / "small"
    place.mkdir()
    tests = str(Path(__file__).parent.parent)
    shell = f'mount -t tmpfs -o size=24m none "{place}" && exec "$@"'
    command = ["unshare", "-rm", "sh", "-c", shell, "sh", sys.executable, "-c", script, str(place), tests]
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine allows no mount namespaces")
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert "told: store chdb://" in done.stdout, done.stderr[-2000:]
    assert "no space" in done.stdout
    assert "rows: True True" in done.stdout


def test_the_errors_are_one_family() -> None:
    assert issubclass(StoreError, OSError)
    for kind in (StoreAwayError, StoreBusyError, StoreRefusedError):
        assert issubclass(kind, StoreError)

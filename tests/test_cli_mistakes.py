"""What can be wrong with an input is told in a line, with what to do, and nothing that was there is lost."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from commands import Run

PYTHON = [sys.executable, "-m", "monitor"]


def bad_inputs(folder: Path) -> dict[str, Path]:
    """A path for each way in which an input can be none."""
    named = {name: folder / name for name in ("empty.pcap", "text.pcap", "missing.pcap", "folder", "model")}
    named["empty.pcap"].touch()
    named["text.pcap"].write_text("No capture, only words.\n")
    named["folder"].mkdir()
    (named["folder"] / "notes.txt").write_text("nor here\n")
    named["model"].mkdir()
    (named["model"] / "card.json").write_text("{}")
    return named


@pytest.mark.parametrize("command", ["flows", "replay"])
@pytest.mark.parametrize("bad", ["empty.pcap", "text.pcap", "missing.pcap", "folder"])
def test_what_is_no_capture_is_one_line_and_exit_1(run: Run, tmp_path: Path, bad: str, command: str) -> None:
    path = bad_inputs(tmp_path)[bad]
    status, out, err = run(command, path)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("monitor: ")
    assert bad in err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_capture_is_one_line(run: Run, tmp_path: Path, small: Path) -> None:
    locked = tmp_path / "locked.pcap"
    locked.write_bytes(small.read_bytes())
    locked.chmod(0)
    status, out, err = run("flows", locked)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "locked.pcap" in err


@pytest.mark.parametrize("command", ["flows", "replay"])
def test_a_truncated_capture_gives_what_is_before_and_exit_3(
    run: Run, capture: Path, tmp_path: Path, command: str
) -> None:
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(capture.read_bytes()[:50_000])
    options = ("--store", "none", "--format", "json") if command == "replay" else ()
    status, out, err = run(command, cut, *options)
    assert status == 3
    assert out
    assert "cut.pcap: stopped at byte " in err


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("flows", "{small}", "--format", "xml"), 2, "--format"),
        (("flows", "{small}", "-o", "flows.xml"), 2, "flows.xml: the extension does not tell the format"),
        (("flows", "{small}", "-o", "no/such/folder/flows.csv"), 1, "No such file or directory"),
        (("flows", "{small}", "-o", "/dev/full", "--format", "jsonl"), 1, "No space left on device"),
        (("flows", "{small}", "--config", "bad.toml"), 2, "bad.toml: alert_budgt: unknown key; did you mean"),
        (("flows", "{small}", "--config", "none.toml"), 2, "none.toml: cannot be read"),
        (("flows",), 2, "CAPTURE"),
        (("replay", "{small}", "--model", "nowhere"), 1, "nowhere: no model here"),
        (("replay", "{small}", "--model", "model"), 1, "card.json"),
        (("replay", "{small}", "--store", "ftp://x"), 2, "expected chdb:///folder"),
        (("replay", "{small}", "--store", "http://u:secret@h/d"), 2, "the URL holds a password"),
        (("replay", "{small}", "--store", "http://127.0.0.1:9/d"), 1, "127.0.0.1:9"),
        (("replay", "{small}", "--store", "chdb:///proc/none"), 1, "the folder cannot be used"),
        (("replay", "{small}", "--run-id", "../x"), 2, "run id"),
        (("replay", "{small}", "--speed", "warp"), 2, "--speed"),
        (("replay", "{small}", "--metrics-port", "99999"), 2, "--metrics-port"),
        (("hunt", "port_scam"), 2, "unknown hunt 'port_scam'; did you mean port_scan?"),
        (("incidents", "show", "ffff", "--store", "none"), 1, "monitor db init"),
        (("model", "show", "nowhere"), 1, "nowhere: no model here"),
        (("model", "list", "nowhere"), 1, "nowhere: not a folder"),
        (("train", "text.pcap", "-o", "out"), 1, "text.pcap"),
        (("train", "{small}", "-o", "out"), 1, ""),
        (("frobnicate",), 2, "frobnicate"),
    ],
)  # fmt: skip
def test_mistakes_are_told_without_a_traceback(
    run: Run, small: Path, tmp_path: Path, arguments: tuple[str, ...], status: int, said: str
) -> None:
    bad_inputs(tmp_path)
    (tmp_path / "bad.toml").write_text("alert_budgt = 3\n")
    got, out, err = run(*[argument.format(small=small) for argument in arguments])
    assert (got, out) == (status, "")
    assert said in err
    assert "secret" not in err
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part") or path.name == "out"]


def test_a_store_in_use_is_told_with_what_to_do(run: Run, small: Path, tmp_path: Path) -> None:
    from monitor.store import open_store

    with open_store(f"chdb://{tmp_path}/store"):
        status, out, err = run("replay", small, "--store", f"chdb://{tmp_path}/store")
    assert (status, out) == (1, "")
    assert "in use by" in err
    assert "--store" in err


def test_a_failed_replay_leaves_the_last_one_as_it_was(run: Run, capture: Path, tmp_path: Path) -> None:
    store = f"chdb://{tmp_path}/store"
    assert run("replay", capture, "--store", store, "--run-id", "day", "--format", "json")[0] == 0
    before = run("incidents", "list", "--store", store, "--format", "json")[1]
    assert run("replay", tmp_path / "missing.pcap", "--store", store, "--run-id", "day")[0] == 1
    assert run("incidents", "list", "--store", store, "--format", "json")[1] == before != ""


@pytest.mark.parametrize(
    "command", [("carve", "--host", "10.0.0.5", "-o"), ("flows", "--format", "csv", "-o"), ("replay", "--report")]
)
def test_no_capture_is_overwritten(run: Run, tmp_path: Path, small: Path, command: tuple[str, ...]) -> None:
    capture = tmp_path / "all.pcap"
    capture.write_bytes(small.read_bytes())
    (tmp_path / "link.pcap").symlink_to(capture)
    name, *options = command
    for source, output in ((capture, capture), (tmp_path, capture), (capture, tmp_path / "link.pcap")):
        status, out, err = run(name, source, *options, output)
        assert (status, out) == (2, "")
        assert "would overwrite a capture" in err
    assert capture.read_bytes() == small.read_bytes()


def test_an_older_table_among_the_captures_is_written_anew(run: Run, tmp_path: Path, small: Path) -> None:
    (tmp_path / "all.pcap").write_bytes(small.read_bytes())
    for _ in range(2):
        assert run("flows", tmp_path, "-o", tmp_path / "flows.csv")[0] == 0

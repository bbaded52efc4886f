"""What may be named: files, folders in time order, and all that is refused with one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from capture_builder import COMPRESSORS, collect, pcap, pcapng, some_rows

from monitor.capture import CaptureError, first_packet_time, open_captures

HOUR = 3_600_000_000
T0 = 1_700_000_000_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four captures whose names are not in the order of their times, among other files."""
    top = tmp_path / "captures"
    (top / "deep" / "er").mkdir(parents=True)
    (top / "a.pcap").write_bytes(pcap(some_rows(3, start=T0 + 2 * HOUR)))
    (top / "b.pcap.gz").write_bytes(COMPRESSORS["gzip"](pcap(some_rows(3, start=T0 + HOUR))))
    (top / "deep" / "z").write_bytes(pcapng(some_rows(3, start=T0)))
    (top / "deep" / "er" / "empty.pcap").write_bytes(pcap([]))
    (top / "README").write_text("words")
    (top / "nothing").write_bytes(b"")
    os.mkfifo(top / "pipe")
    return top


def test_folder_is_read_in_time_order(folder: Path) -> None:
    reader = open_captures([folder])
    times = [row[0] for row in collect(reader)]
    assert times == sorted(times)
    assert len(times) == 9
    assert [Path(name).name for name in reader.files] == ["empty.pcap", "z", "b.pcap.gz", "a.pcap"]
    assert reader.damage == []
    assert sorted(Path(note.split(":")[0]).name for note in reader.notes) == ["README", "nothing", "pipe"]
    assert reader.bytes_read == reader.total_bytes == sum(os.path.getsize(name) for name in reader.files)


def test_several_captures_are_one_timeline(folder: Path) -> None:
    """Whatever the order in which they are named, and once if they are named twice."""
    os.link(folder / "a.pcap", folder / "same")
    reader = open_captures([folder / "a.pcap", str(folder / "deep" / "z"), folder, folder / "a.pcap"])
    assert [Path(name).name for name in reader.files] == ["empty.pcap", "z", "b.pcap.gz", "a.pcap"]


def test_progress_counts_up_to_the_whole(folder: Path) -> None:
    reader = open_captures([folder], batch_packets=1)
    seen = [reader.bytes_read for _ in reader]
    assert seen == sorted(seen)
    assert 0 < seen[0] < seen[-1] <= (reader.total_bytes or 0)


def test_damaged_capture_in_a_folder_does_not_stop_the_others(folder: Path) -> None:
    (folder / "cut.pcap").write_bytes(pcap(some_rows(3, start=T0 + 3 * HOUR))[:-1])
    (folder / "header.pcap").write_bytes(pcap([])[:10])
    (folder / "version.pcapng").write_bytes(pcapng([])[:12] + b"\x07\0" + pcapng([])[14:])
    reader = open_captures([folder])
    assert len(collect(reader)) == 9 + 2
    assert {Path(damage.file).name for damage in reader.damage} == {"cut.pcap", "header.pcap", "version.pcapng"}
    for damage in reader.damage:
        assert str(damage).startswith(f"{damage.file}: stopped at byte {damage.offset}: ")


def test_first_packet_time(folder: Path) -> None:
    assert first_packet_time(folder / "b.pcap.gz") == T0 + HOUR
    assert first_packet_time(str(folder / "deep" / "er" / "empty.pcap")) is None


def named(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / "the\nname.pcap"
    match kind:
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("hello, this is text\n")
        case "short":
            path.write_bytes(b"\xd4\xc3")
        case "empty folder":
            path.mkdir()
        case "folder of text":
            path.mkdir()
            (path / "x").write_text("words")
        case "pipe":
            os.mkfifo(path)
        case "dangling":
            path.symlink_to(tmp_path / "nowhere")
        case "loop":
            path.symlink_to(path)
        case "under a file":
            (tmp_path / "f").write_text("")
            return tmp_path / "f" / "the\nname.pcap"
    return path


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("empty", "is empty"),
        ("text", "is no capture"),
        ("short", "is no capture"),
        ("missing", "does not exist"),
        ("dangling", "does not exist"),
        ("loop", "cannot be opened"),
        ("under a file", "cannot be opened"),
        ("empty folder", "none of the 0 files"),
        ("folder of text", "none of the 1 files"),
        ("pipe", "no regular file"),
    ],
)
def test_refused_before_anything_is_read(tmp_path: Path, kind: str, says: str) -> None:
    """Also when a good capture is named beside it; the message is one line, and names the file."""
    good = tmp_path / "good.pcap"
    good.write_bytes(pcap(some_rows(1)))
    path = named(tmp_path, kind)
    with pytest.raises(CaptureError, match=says) as caught:
        open_captures([good, path])
    message = str(caught.value)
    assert message.isprintable()
    assert "the\\nname.pcap" in message


def test_a_device_is_refused() -> None:
    with pytest.raises(CaptureError, match="/dev/zero: is no regular file"):
        open_captures(["/dev/zero"])


def test_nothing_named_is_refused() -> None:
    with pytest.raises(CaptureError, match="no capture is named"):
        open_captures([])


def test_batches_of_no_packets_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="batch_packets"):
        open_captures([folder], batch_packets=0)


def test_what_may_not_be_read_is_said(folder: Path) -> None:
    """Named: an error. In a folder: damage, since its packets are missing from the rest."""
    if os.geteuid() == 0 and subprocess.run(["setpriv", "--version"], capture_output=True, check=False).returncode:
        pytest.skip("runs as root, who may read everything, and setpriv (util-linux) is not here")
    (folder / "a.pcap").chmod(0)
    (folder / "deep" / "er").chmod(0)
    script = f"""
from monitor.capture import CaptureError, open_captures
try:
    open_captures([{str(folder / "a.pcap")!r}])
except CaptureError as error:
    print(error)
reader = open_captures([{str(folder)!r}])
print(sum(len(batch) for batch in reader), len(reader.damage))
"""
    command = [sys.executable, "-c", script]
    if os.geteuid() == 0:  # root without the right to pass over permissions
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all", *command]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (folder / "deep" / "er").chmod(0o755)
    refused, found = done.stdout.splitlines()
    assert refused == f"{folder / 'a.pcap'}: this user may not read it; change its permissions"
    assert found == "6 2"


def test_a_capture_that_vanishes_is_damage(folder: Path) -> None:
    reader = open_captures([folder])
    (folder / "a.pcap").unlink()
    assert len(collect(reader)) == 6
    [damage] = reader.damage
    assert (Path(damage.file).name, damage.offset) == ("a.pcap", 0)


def test_a_capture_that_shrinks_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(pcap(some_rows(1000)))
    reader = open_captures([path], batch_packets=10)
    next(reader)
    os.truncate(path, 5000)
    assert list(reader) == []
    [damage] = reader.damage
    assert "shorter" in damage.reason


def test_closing_lets_go_of_the_file(folder: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with open_captures([folder], batch_packets=1) as reader:
        batch = next(reader)
    assert list(reader) == []
    assert batch.data[batch.offset[0]] == 0  # a batch that is kept stays valid, and keeps the mapping
    del batch
    assert len(os.listdir("/proc/self/fd")) == before

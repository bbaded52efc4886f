"""Standard input: read as it arrives, plain and compressed, and handed on when it pauses."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest
import zstandard
from capture_builder import COMPRESSORS, collect, pcap, pcapng, some_rows

from monitor.capture import CaptureError, CaptureReader, open_captures

ROWS = some_rows(3000)


class Pipe:
    """Our standard input, and the end that writes to it."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self.saved = os.dup(0)
        os.dup2(self.reading, 0)

    def restore(self) -> None:
        os.dup2(self.saved, 0)
        for descriptor in (self.saved, self.reading):
            os.close(descriptor)
        if self.writing >= 0:
            os.close(self.writing)

    def send(self, content: bytes) -> None:
        assert os.write(self.writing, content) == len(content)

    def end(self) -> None:
        os.close(self.writing)
        self.writing = -1


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Generator[Pipe]:
    ends = Pipe()
    with open(0, closefd=False) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield ends
    ends.restore()


def taken(reader: CaptureReader) -> tuple[int, float]:
    """Packets of the next batch, and how long it took."""
    begin = time.monotonic()
    return len(next(reader)), time.monotonic() - begin


def test_what_has_arrived_is_handed_on_when_the_stream_pauses(pipe: Pipe, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(pcap(ROWS[:1]))
    list(open_captures([tmp_path / "x"]))  # kernels are compiled
    content = pcap(ROWS[:30])
    middle = len(pcap(ROWS[:20])) + 5
    reader = open_captures(["-"])
    assert reader.total_bytes is None
    pipe.send(content[:middle])
    count, seconds = taken(reader)
    assert count == 20
    assert seconds < 5
    pipe.send(content[middle:])
    assert taken(reader)[0] == 10
    pipe.end()
    assert list(reader) == []
    assert (reader.damage, reader.packets, reader.bytes_read) == ([], 30, len(content))


def test_a_steady_trickle_does_not_hold_packets_back(pipe: Pipe) -> None:
    """Never a pause: a packet every few ms from another process, batches come nevertheless."""
    script = """
import sys, time
content = sys.stdin.buffer.read()
size = (len(content) - 24) // 400
sys.stdout.buffer.write(content[:24])
for i in range(400):
    sys.stdout.buffer.write(content[24 + i * size:24 + (i + 1) * size]); sys.stdout.flush(); time.sleep(0.005)
"""
    content = pcap(some_rows(400, size=50))
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=pipe.writing) as writer:
        assert writer.stdin is not None
        writer.stdin.write(content)
        writer.stdin.close()
        pipe.end()
        sizes = [len(batch) for batch in open_captures(["-"])]
    assert sum(sizes) == 400
    assert len(sizes) >= 3


def test_frames_of_a_live_compressor_arrive_as_they_are_flushed(pipe: Pipe) -> None:
    whole = pcap(ROWS[:20])
    half = len(pcap(ROWS[:10]))
    compressor = zstandard.ZstdCompressor().compressobj()
    reader = open_captures(["-"])
    pipe.send(compressor.compress(whole[:half]) + compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))
    assert taken(reader)[0] == 10
    pipe.send(compressor.compress(whole[half:]) + compressor.flush())
    assert taken(reader)[0] == 10
    pipe.end()
    assert list(reader) == []
    assert reader.damage == []


@pytest.mark.parametrize(("name", "batch_packets"), [("plain", 7), ("plain", 32768), ("gzip", 7), ("zstd", 32768)])
def test_a_file_through_a_pipe_is_the_same_as_the_file(tmp_path: Path, name: str, batch_packets: int) -> None:
    """A process of its own, fed by `cat`: rows, damage and all."""
    content = pcapng(ROWS) + b"\x06\0\0\0nonsense"
    path = tmp_path / "x"
    path.write_bytes(content if name == "plain" else COMPRESSORS[name](content))
    script = f"""
import hashlib
from monitor.capture import open_captures
reader = open_captures(["-"], batch_packets={batch_packets})
digest = hashlib.sha256()
for batch in reader:
    for i in range(len(batch)):
        packet = batch.data[batch.offset[i] : batch.offset[i] + batch.captured[i]].tobytes()
        digest.update(b"%d %d %d %s" % (batch.time[i], batch.wire[i], batch.link[i], packet))
print(reader.packets, digest.hexdigest(), reader.damage[0].offset, len(reader.damage), reader.bytes_read)
"""
    expected = hashlib.sha256(b"".join(b"%d %d %d %s" % (t, w, link, p) for t, p, w, link in ROWS)).hexdigest()
    with subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE) as cat:
        done = subprocess.run(
            [sys.executable, "-c", script], stdin=cat.stdout, capture_output=True, text=True, check=True
        )
    assert done.stdout.split() == ["3000", expected, str(len(content) - 12), "1", str(path.stat().st_size)]


def test_text_on_standard_input_is_an_error(pipe: Pipe) -> None:
    pipe.send(b"hello, this is text")
    pipe.end()
    with pytest.raises(CaptureError, match=r"standard input: is no capture") as caught:
        next(open_captures(["-"]))
    assert str(caught.value).isprintable()


def test_nothing_on_standard_input_is_an_error(pipe: Pipe) -> None:
    pipe.end()
    with pytest.raises(CaptureError, match="standard input: is empty"):
        next(open_captures(["-"]))


def test_a_terminal_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    leader, follower = os.openpty()
    try:
        with open(follower, closefd=False) as terminal:
            monkeypatch.setattr(sys, "stdin", terminal)
            with pytest.raises(CaptureError, match="is a terminal"):
                open_captures(["-"])
    finally:
        os.close(leader)
        os.close(follower)


def test_files_come_before_standard_input(pipe: Pipe, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(pcap(ROWS[:5]))
    pipe.send(pcap(ROWS[5:9]))
    pipe.end()
    reader = open_captures(["-", path])
    assert collect(reader) == ROWS[:9]
    assert reader.total_bytes is None

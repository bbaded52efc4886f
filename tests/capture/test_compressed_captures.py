"""gzip, zstd, xz and lz4: told by content, in members, cut short and damaged."""

from __future__ import annotations

import gzip
import lzma
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import lz4.frame
import pytest
import zstandard
from capture_builder import COMPRESSORS, collect, pcap, pcapng, read, some_rows

from monitor.capture import CaptureError, open_captures

ROWS = some_rows(2000)
CONTENT = pcap(ROWS)
SKIPPABLE = struct.pack("<II", 0x184D2A53, 300_000) + b"?" * 300_000


@pytest.mark.parametrize("name", COMPRESSORS)
@pytest.mark.parametrize("batch_packets", [100, 32768])
def test_compression_is_told_by_content(tmp_path: Path, name: str, batch_packets: int) -> None:
    path = tmp_path / "misleading.pcap.bz2"
    path.write_bytes(COMPRESSORS[name](pcapng(ROWS)))
    assert read(path, batch_packets) == ROWS


@pytest.mark.parametrize("name", COMPRESSORS)
def test_members_follow_each_other(tmp_path: Path, name: str) -> None:
    """Cut where a record is not finished; one member is empty."""
    path = tmp_path / "x"
    parts = [CONTENT[:1000], b"", CONTENT[1000:100_007], CONTENT[100_007:]]
    path.write_bytes(b"".join(map(COMPRESSORS[name], parts)))
    assert read(path) == ROWS


@pytest.mark.parametrize(
    ("name", "padding"), [("gzip", b"\0" * 512), ("xz", b"\0" * 8), ("zstd", SKIPPABLE), ("lz4", SKIPPABLE)]
)
def test_padding_between_and_after_members(tmp_path: Path, name: str, padding: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(COMPRESSORS[name](CONTENT[:5000]) + padding + COMPRESSORS[name](CONTENT[5000:]) + padding)
    assert read(path) == ROWS


def test_frames_that_begin_with_a_skippable_one(tmp_path: Path) -> None:
    """So does what pzstd writes."""
    path = tmp_path / "x"
    path.write_bytes(SKIPPABLE + COMPRESSORS["zstd"](CONTENT))
    assert read(path) == ROWS


@pytest.mark.parametrize("level", ["fast", "best"])
def test_the_command_line_tools_files(tmp_path: Path, level: str) -> None:
    options = {"gzip": {"fast": "-1", "best": "-9"}, "xz": {"fast": "-0", "best": "-9"}}
    (tmp_path / "x").write_bytes(CONTENT)
    for tool, of in options.items():
        done = subprocess.run([tool, of[level], "-kc", str(tmp_path / "x")], capture_output=True, check=True)
        (tmp_path / tool).write_bytes(done.stdout)
        assert read(tmp_path / tool) == ROWS


@pytest.mark.parametrize("name", COMPRESSORS)
@pytest.mark.parametrize("keep", [0.5, 0.9, 0.999])
def test_cut_short_gives_what_can_be_decompressed(tmp_path: Path, name: str, keep: float) -> None:
    """Everything that the codec's own library gets out of the same bytes."""
    whole = COMPRESSORS[name](CONTENT)
    cut = whole[: int(len(whole) * keep)]
    path = tmp_path / "x"
    path.write_bytes(cut)
    readable = {
        "gzip": lambda: zlib.decompressobj(31).decompress(cut),
        "xz": lambda: lzma.LZMADecompressor().decompress(cut),
        "zstd": lambda: zstandard.ZstdDecompressor().decompressobj().decompress(cut),
        "lz4": lambda: lz4.frame.LZ4FrameDecompressor().decompress(cut),
    }[name]()
    reader = open_captures([path])
    rows = collect(reader)
    assert rows == ROWS[: len(rows)]
    complete = 24 + sum(16 + len(row[1]) for row in rows) if readable else 0
    assert rows == ROWS or len(readable) < complete + 16 + len(ROWS[len(rows)][1])
    [damage] = reader.damage
    assert damage.offset == complete
    assert f"the {name} stream ends" in damage.reason


@pytest.mark.parametrize("name", COMPRESSORS)
@pytest.mark.parametrize("count", [3, 2000])
def test_wrong_checksum_at_the_end_costs_no_packet(tmp_path: Path, name: str, count: int) -> None:
    content = pcap(ROWS[:count])
    whole = bytearray(COMPRESSORS[name](content))
    position = {"gzip": -8, "xz": -20, "zstd": -4, "lz4": -4}[name]
    whole[position] ^= 0x55
    path = tmp_path / "x"
    path.write_bytes(whole)
    reader = open_captures([path])
    assert collect(reader) == ROWS[:count]
    [damage] = reader.damage
    assert (damage.offset, damage.file) == (len(content), str(path))
    assert name in damage.reason


@pytest.mark.parametrize("name", COMPRESSORS)
def test_damage_in_the_middle_keeps_what_is_before(tmp_path: Path, name: str) -> None:
    """Two members, the second one nonsense after its first bytes: the first is whole."""
    path = tmp_path / "x"
    second = bytearray(COMPRESSORS[name](CONTENT[100_000:]))
    second[len(second) // 2 : len(second) // 2 + 40] = b"\xaa" * 40
    path.write_bytes(COMPRESSORS[name](CONTENT[:100_000]) + second)
    reader = open_captures([path])
    rows = collect(reader)
    assert rows[:130] == ROWS[:130]
    assert len(reader.damage) == 1


def test_what_follows_a_stream_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(CONTENT) + b"trailing words")
    reader = open_captures([path])
    assert collect(reader) == ROWS
    assert [d.offset for d in reader.damage] == [len(CONTENT)]


@pytest.mark.parametrize("name", COMPRESSORS)
def test_compressed_text_is_no_capture(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(COMPRESSORS[name](b"only text"))
    with pytest.raises(CaptureError, match="no capture"):
        open_captures([path])


@pytest.mark.parametrize("name", COMPRESSORS)
def test_a_bomb_costs_no_memory(tmp_path: Path, name: str) -> None:
    """256 MiB of zeros as records of no bytes: read to the end in less than 150 MB more than the start took."""
    zeros = bytes(32 << 20)
    path = tmp_path / "x"
    path.write_bytes(COMPRESSORS[name](pcap([])) + COMPRESSORS[name](zeros) * 8)
    script = f"""
import resource, sys
from monitor.capture import open_captures
for batch in open_captures([{str(tmp_path / "small")!r}]): pass
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
reader = open_captures([{str(path)!r}])
for batch in reader: pass
print(reader.packets, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    (tmp_path / "small").write_bytes(COMPRESSORS[name](CONTENT))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    packets, grown = map(int, done.stdout.split())
    assert packets == 8 * len(zeros) // 16
    assert grown < 150_000

"""One insert as a file of the spool: a checked header, then rows as an Arrow stream; written aside, synced, renamed.

    8 bytes magic, 4 bytes length of the header, 4 bytes CRC-32 of the header, header (JSON), rows

Which files there are, and how many may be, is up to `spool`.
"""

from __future__ import annotations

import errno
import json
import mmap
import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

MAGIC = b"MONSPL1\n"
_LENGTHS = struct.Struct("<II")

PAGE = mmap.PAGESIZE
"""What a disk is written in when the page cache is left out; the header fills one."""


@dataclass(frozen=True, slots=True)
class Segment:
    """What is known of a waiting insert without reading its rows."""

    number: int
    """Place in the order of inserts."""
    table: str
    token: str
    """Deduplication token: an insert with it that was done already does nothing."""
    rows: int
    oldest: float
    """When its first row was handed over (seconds since 1970, wall clock)."""
    size: int
    """Bytes of the file."""
    crc: int
    """CRC-32 of the rows."""

    @property
    def name(self) -> str:
        """Name of its file; names sort in the order of inserts."""
        return f"{self.number:012d}.segment"


@dataclass(frozen=True, slots=True)
class Encoded:
    """Rows to be written; their memory is the encoder's, and used again by the next."""

    pages: mmap.mmap
    """Whole pages, of which the first is left for the header."""
    size: int
    """Bytes of the rows."""

    @property
    def rows(self) -> memoryview:
        """The rows, without a copy."""
        return memoryview(self.pages)[PAGE : PAGE + self.size]


class DamagedSegmentError(OSError):
    """A file of the spool that is not what was written."""


class Encoder:
    """Encodes inserts one after the other into the same memory: it is tens of megabytes, and fresh pages cost time."""

    def __init__(self) -> None:
        self._pages = mmap.mmap(-1, PAGE)

    def encode(self, batch: pa.RecordBatch, *, compressed: bool) -> Encoded:
        """The batch as an Arrow IPC stream, until the next is encoded. LZ4 halves it and takes three times as long."""
        import pyarrow as pa

        measure = pa.MockOutputStream()
        _write(batch, measure, pa.ipc.IpcWriteOptions())
        most = measure.size() + (measure.size() // 128 + (1 << 16) if compressed else 0)  # LZ4 may enlarge a little
        if len(self._pages) < PAGE + most:
            self._pages = mmap.mmap(-1, _whole_pages(PAGE + most))
        sink = pa.FixedSizeBufferWriter(pa.py_buffer(memoryview(self._pages)[PAGE:]))
        _write(batch, sink, pa.ipc.IpcWriteOptions(compression="lz4" if compressed else None))
        return Encoded(self._pages, sink.tell())


def encode(batch: pa.RecordBatch) -> pa.Buffer:
    """The batch as an Arrow IPC stream, compressed."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    _write(batch, sink, pa.ipc.IpcWriteOptions(compression="lz4"))
    return sink.getvalue()


def _write(batch: pa.RecordBatch, sink: Any, options: Any) -> None:
    import pyarrow as pa

    with pa.ipc.new_stream(sink, batch.schema, options=options) as stream:
        stream.write_batch(batch)


def decode(rows: bytes) -> pa.RecordBatch:
    """The batch of an Arrow IPC stream of one. Raises DamagedSegmentError."""
    import pyarrow as pa

    try:
        with pa.ipc.open_stream(pa.py_buffer(rows)) as stream:
            return stream.read_next_batch()
    except (pa.ArrowInvalid, StopIteration) as error:
        raise DamagedSegmentError(f"not an Arrow stream: {error}") from error


def write(folder: Path, given: Mapping[str, Any], encoded: Encoded) -> Segment:
    """Write a segment with the fields `given` and its rows; it is on the disk when this returns. Raises OSError."""
    crc = zlib.crc32(encoded.rows)
    header = json.dumps({**given, "crc": crc, "bytes": encoded.size}).encode()
    header = header.ljust(PAGE - len(MAGIC) - _LENGTHS.size)  # so that the rows begin on a page
    encoded.pages[:PAGE] = MAGIC + _LENGTHS.pack(len(header), zlib.crc32(header)) + header
    segment = Segment(**given, size=PAGE + encoded.size, crc=crc)
    aside = folder / f"{segment.name}.part"
    try:
        _onto_disk(aside, memoryview(encoded.pages), segment.size)
        aside.rename(folder / segment.name)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    _sync(folder)
    return segment


def _onto_disk(path: Path, pages: memoryview, size: int) -> None:
    """Write the first `size` bytes of whole pages: past the page cache, where the file system lets us."""
    for way in (getattr(os, "O_DIRECT", 0), 0):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | way, 0o600)
        try:
            left = pages[: _whole_pages(size)]
            while left:
                left = left[os.write(file, left) :]
            os.ftruncate(file, size)
            os.fsync(file)
        except OSError as error:
            if not way or error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise
        else:
            return
        finally:
            os.close(file)


def _whole_pages(size: int) -> int:
    return -(-size // PAGE) * PAGE


def _sync(folder: Path) -> None:
    """A new name is on the disk only when its folder is."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_header(path: Path) -> Segment:
    """What a file says of itself. Raises DamagedSegmentError, OSError."""
    with path.open("rb") as file:
        return _header(file.read(len(MAGIC) + _LENGTHS.size + 65536), path)[0]


def read_rows(path: Path, segment: Segment) -> bytes:
    """The rows of a segment as they were written. Raises DamagedSegmentError, OSError."""
    whole = path.read_bytes()
    _, begin = _header(whole, path)
    rows = whole[begin:]
    if zlib.crc32(rows) != segment.crc:
        raise DamagedSegmentError(f"{path}: its rows are damaged")
    return rows


def _header(start: bytes, path: Path) -> tuple[Segment, int]:
    if not start.startswith(MAGIC) or len(start) < len(MAGIC) + _LENGTHS.size:
        raise DamagedSegmentError(f"{path}: not a segment of the spool")
    length, crc = _LENGTHS.unpack_from(start, len(MAGIC))
    begin = len(MAGIC) + _LENGTHS.size
    header = start[begin : begin + length]
    if len(header) != length or zlib.crc32(header) != crc:
        raise DamagedSegmentError(f"{path}: its header is damaged")
    given = json.loads(header)
    size = begin + length + given.pop("bytes")
    if path.stat().st_size != size:
        raise DamagedSegmentError(f"{path}: {path.stat().st_size} bytes instead of {size}")
    return Segment(**given, size=size), begin + length

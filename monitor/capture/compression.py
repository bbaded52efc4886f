"""gzip, zstd, xz and lz4 told by their first bytes and undone piece by piece, in bounded memory.

Members (frames, streams) that follow each other in one file are read as one. What the bytes mean is for the scanners.
"""

from __future__ import annotations

import lzma
import struct
import zlib
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

import lz4.frame
import zstandard

from monitor.capture.errors import BrokenCaptureError

_MEMORY: Final = 256 * 1024 * 1024
"""Most memory that a file may make a decompressor ask for (`xz -9` asks for 65 MiB, `zstd --long` for 128)."""
_OUTPUT: Final = 128 * 1024
"""Most bytes to ask of a decompressor at once."""


class Decompressor(Protocol):
    """What bz2, lzma and lz4 of Python agree on; one for each member."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...  # lz4: None without any
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    """zlib's decompressor of a gzip member (RFC 1952) as a `Decompressor`."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)
        self._full = False

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not (self._full or self._inner.unconsumed_tail)

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        got = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        self._full = len(got) == max_length
        return got


class _Zstd:
    """zstandard's decompressor of a frame (RFC 8878) as a `Decompressor`.

    The inner one knows no `max_length`, and three bytes may stand for 128 KiB: `Codec.piece` bounds what it is fed.
    """

    def __init__(self) -> None:
        self._inner = zstandard.ZstdDecompressor(max_window_size=_MEMORY // 2).decompressobj()
        self._ready = memoryview(b"")

    @property
    def eof(self) -> bool:
        return self._inner.eof and not self._ready

    @property
    def needs_input(self) -> bool:
        return not self._ready

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        if data:
            self._ready = memoryview(self._inner.decompress(data))
        got, self._ready = bytes(self._ready[:max_length]), self._ready[max_length:]
        return got


class Codec(NamedTuple):
    """One way of compressing, and how to feed its decompressor."""

    name: str
    magic: bytes
    member: Callable[[], Decompressor]
    padding: bytes
    """Bytes that may lie between and after members."""
    piece: int
    """Compressed bytes to feed at once. An error loses what its piece would have given, so it is small."""


_CODECS: Final = (
    Codec("gzip", b"\x1f\x8b\x08", _Gzip, b"\0", 4096),
    Codec("zstd", b"\x28\xb5\x2f\xfd", _Zstd, b"", 1024),
    Codec("xz", b"\xfd7zXZ\0", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY), b"\0", 512),
    Codec("lz4", b"\x04\x22\x4d\x18", lz4.frame.LZ4FrameDecompressor, b"", 4096),
)
LONGEST_MAGIC: Final = 6


def codec_of(head: bytes) -> Codec | None:
    """How a file that begins with these bytes is compressed, if it is."""
    if _skippable(head):  # pzstd begins with one
        return next(codec for codec in _CODECS if codec.name == "zstd")
    return next((codec for codec in _CODECS if head.startswith(codec.magic)), None)


def _skippable(head: bytes) -> bool:
    """Whether a frame begins that zstd and lz4 alike step over (RFC 8878, 3.1.2)."""
    return len(head) >= 4 and head[0] & 0xF0 == 0x50 and head[1:4] == b"\x2a\x4d\x18"


class Source(Protocol):
    """Where compressed bytes come from."""

    def read(self, most: int) -> bytes:
        """At least one byte, at most `most`; nothing at the end."""

    def idle(self) -> bool:
        """Whether nothing can be read at this moment without waiting."""


class Inflater:
    """Turns the compressed bytes of a source into what they stand for, member after member."""

    _TAIL = 64
    """The last bytes are fed one by one: a wrong checksum in them shall not cost the packets before it."""
    _READ = 256 * 1024

    def __init__(self, source: Source, codec: Codec) -> None:
        self._source = source
        self._codec = codec
        self._member: Decompressor | None = None
        self._raw = b""
        self._pos = 0
        self._ended = False

    @property
    def starved(self) -> bool:
        """Whether the next bytes can only come of more compressed ones."""
        return self._pos == len(self._raw) and (self._member is None or self._member.needs_input)

    def read(self, most: int) -> bytes:
        """At least one byte, at most `most`; nothing at the end. BrokenCaptureError if the input makes no sense."""
        while True:
            member = self._member or self._next_member()
            if member is None:
                return b""
            piece = b""
            if member.needs_input:
                piece = self._piece()
                if not piece:
                    raise BrokenCaptureError(f"the {self._codec.name} stream ends before its end mark")
            try:
                got = member.decompress(piece, min(most, _OUTPUT))
            except (zlib.error, lzma.LZMAError, zstandard.ZstdError, RuntimeError) as error:  # RuntimeError: lz4's
                raise BrokenCaptureError(f"the {self._codec.name} stream is damaged ({error})") from error
            if member.eof:
                self._raw, self._pos = (member.unused_data or b"") + self._raw[self._pos :], 0
                self._member = None
            if got:
                return got

    def _next_member(self) -> Decompressor | None:
        """Begin the member at the position; None at the end of the file."""
        while True:
            if not self._fetch(1):
                return None
            if self._codec.padding and self._raw[self._pos] in self._codec.padding:
                self._pos += 1
                continue
            self._fetch(8)
            head = self._raw[self._pos : self._pos + 8]
            if not (self._codec.name in ("zstd", "lz4") and _skippable(head)):
                break
            self._skip(8 + struct.unpack("<I", head[4:8].ljust(4, b"\0"))[0])
        if not head.startswith(self._codec.magic):
            raise BrokenCaptureError(f"what follows the {self._codec.name} stream is not {self._codec.name}")
        self._member = self._codec.member()
        return self._member

    def _piece(self) -> bytes:
        """The next compressed bytes to feed; few when the end may be near; none at the end."""
        self._fetch(self._TAIL + 1)
        here = len(self._raw) - self._pos
        size = min(self._codec.piece, max(here - self._TAIL, 1))
        piece = self._raw[self._pos : self._pos + size]
        self._pos += len(piece)
        return piece

    def _fetch(self, length: int) -> bool:
        """Have `length` bytes at the position, or as many as come without waiting; False if there is none."""
        while len(self._raw) - self._pos < length and not self._ended:
            if self._pos < len(self._raw) and self._source.idle():
                break
            more = self._source.read(self._READ)
            self._ended = not more
            self._raw, self._pos = self._raw[self._pos :] + more, 0
        return self._pos < len(self._raw)

    def _skip(self, length: int) -> None:
        """Step over that many compressed bytes."""
        while length > 0 and self._fetch(1):
            step = min(length, len(self._raw) - self._pos)
            self._pos += step
            length -= step

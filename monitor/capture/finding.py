"""Opens what the operator named: files, folders of captures, standard input; and puts them in time order.

Decides what is an error at once, what is damage and what is only worth a note. Reading on is for `reader`.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from monitor.capture.errors import STDIN, BrokenCaptureError, CaptureError, Damage, NotACaptureError, shown
from monitor.capture.formats import scanner_for
from monitor.capture.scan import MORE, Rows
from monitor.capture.streams import FileSource, Stream
from monitor.capture.windows import CHUNK, MappedWindow, StreamWindow

_GLANCE = 256 * 1024
"""Chunk for a look at the first packet only."""
_UNDATED = -(2**63)
_READS = "pcap and pcapng are read, plain or compressed with gzip, zstd, xz or lz4"


@dataclass(slots=True)
class Found:
    """What the named inputs come to."""

    names: list[str] = field(default_factory=list)
    """Captures in the order to read them."""
    firsts: list[int | None] = field(default_factory=list)
    """Times of their first packets, µs; None where that is not known."""
    size: int | None = 0
    """Bytes of all files together as they lie on disk; None with standard input among them."""
    notes: list[str] = field(default_factory=list)
    """Files in folders that were passed over, and why: one line each."""
    damage: list[Damage] = field(default_factory=list)
    """Captures in folders that cannot be read at all."""


def open_window(name: str, chunk: int = CHUNK) -> MappedWindow | StreamWindow:
    """The bytes of a capture: mapped if it is a plain file, else as a stream. OSError, BrokenCaptureError."""
    if name == STDIN:
        return StreamWindow(Stream(FileSource(sys.stdin.fileno(), live=True)), chunk)
    descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # must not wait for a pipe's writer
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotACaptureError("is no regular file; to read from a pipe, give - and connect it to standard input")
        stream = Stream(FileSource(descriptor, live=False))
        if stream.compressed:
            window = StreamWindow(stream, chunk)
            descriptor = -1
            return window
        if os.fstat(descriptor).st_size == 0:
            raise NotACaptureError("is empty")
        return MappedWindow(descriptor)
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def first_packet_time(path: str | Path) -> int | None:
    """Event time of the first packet in a capture file, µs since 1970 UTC; None if it has none that can be read.

    OSError if it cannot be opened, NotACaptureError if it is none, BrokenCaptureError if its file header is damaged.
    """
    window = open_window(os.fspath(path), _GLANCE)
    try:
        scanner = scanner_for(window)
        rows = Rows(1)
        with suppress(BrokenCaptureError):  # told when the capture is read
            while scanner.scan(window, rows, window.end) == MORE and not rows.count and window.more():
                pass
        return int(rows.time[0]) if rows.count else None
    finally:
        window.close()


def find_captures(paths: Sequence[str | Path]) -> Found:
    """All captures that the paths stand for, in time order of their first packets (standard input last).

    CaptureError if a path that was named cannot be read as a capture, or a folder has none.
    """
    found = Found()
    dated: list[tuple[int, str]] = []
    seen: set[tuple[int, int]] = set()
    names = list(dict.fromkeys(os.fspath(path) for path in paths))
    if not names:
        raise CaptureError("no capture is named; name a file, a folder, or - for standard input")
    for name in names:
        if name == STDIN:
            _check_stdin()
        elif os.path.isdir(name):
            _search(name, found, dated, seen)
        else:
            _add_named(name, dated, seen)
    dated.sort(key=lambda entry: entry[0])  # stable: without a time, and with the same, as named
    found.names = [name for _, name in dated]
    found.firsts = [None if time == _UNDATED else time for time, _ in dated]
    found.size = sum(os.stat(name).st_size for name in found.names)
    if STDIN in names:
        found.names.append(STDIN)
        found.firsts.append(None)
        found.size = None
    return found


def _check_stdin() -> None:
    if sys.stdin is None or sys.stdin.closed:
        raise CaptureError("standard input: is closed; pipe a capture into it")
    if os.isatty(sys.stdin.fileno()):
        raise CaptureError("standard input: is a terminal; pipe a capture into it")


def _add_named(name: str, dated: list[tuple[int, str]], seen: set[tuple[int, int]]) -> None:
    """A file named by the operator: what is wrong with it is an error at once."""
    try:
        _add(name, dated, seen)
    except NotACaptureError as error:
        raise CaptureError(f"{shown(name)}: {error}; {_READS}") from error
    except FileNotFoundError as error:
        raise CaptureError(f"{shown(name)}: does not exist; check the path") from error
    except PermissionError as error:
        raise CaptureError(f"{shown(name)}: this user may not read it; change its permissions") from error
    except OSError as error:
        raise CaptureError(f"{shown(name)}: cannot be opened ({error.strerror})") from error


def _search(folder: str, found: Found, dated: list[tuple[int, str]], seen: set[tuple[int, int]]) -> None:
    """A folder: its captures at any depth; other files are passed over with a note, unreadable ones are damage."""
    captures = files = 0
    for name in _files(folder, found):
        files += 1
        try:
            if not os.path.isfile(name):  # looked at before it is opened: opening a device may do things
                raise NotACaptureError("is no regular file")
            _add(name, dated, seen)
            captures += 1
        except NotACaptureError as error:
            found.notes.append(f"{shown(name)}: passed over: {error}")
        except OSError as error:
            found.damage.append(Damage(name, 0, f"cannot be opened ({error.strerror})"))
            captures += 1
    if not captures:
        raise CaptureError(f"{shown(folder)}: none of the {files} files in this folder is a capture; {_READS}")


def _files(folder: str, found: Found) -> Iterator[str]:
    """Every file under a folder, in the order of names; folders that cannot be listed are damage."""

    def refused(error: OSError) -> None:
        if error.filename == folder:
            raise CaptureError(f"{shown(folder)}: cannot be listed ({error.strerror}); change its permissions")
        found.damage.append(Damage(str(error.filename), 0, f"the folder cannot be listed ({error.strerror})"))

    for parent, folders, files in os.walk(folder, onerror=refused):
        folders.sort()
        for name in sorted(files):
            yield os.path.join(parent, name)


def _add(name: str, dated: list[tuple[int, str]], seen: set[tuple[int, int]]) -> None:
    """Put a capture in the list with its time, unless it is there already under this or another name."""
    status = os.stat(name)
    if (status.st_dev, status.st_ino) in seen:
        return
    try:
        time = first_packet_time(name)
    except BrokenCaptureError:  # told when its turn to be read comes
        time = None
    dated.append((_UNDATED if time is None else time, name))
    seen.add((status.st_dev, status.st_ino))

"""Reads captures one after the other and hands their packets on in batches; keeps account of damage and progress.

Which captures, and in which order, is for `finding`; the walk through a format's records is for its scanner.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from monitor.capture.errors import STDIN, BrokenCaptureError, CaptureError, Damage, NotACaptureError, shown
from monitor.capture.finding import Found, find_captures, open_window
from monitor.capture.formats import scanner_for
from monitor.capture.packets import Interface, PacketBatch
from monitor.capture.scan import FULL, MORE, Rows, RowStock, Scanner
from monitor.capture.windows import MappedWindow, StreamWindow


def open_captures(paths: Sequence[str | Path], *, batch_packets: int = 32768) -> CaptureReader:
    """A reader of capture files, folders of them, and `-` for standard input, in time order of their first packets.

    `batch_packets`: most packets in a batch; the packets themselves do not depend on it. Raises CaptureError, before
    anything is read, if a named file is missing, unreadable or no capture, or a folder has none; standard input is
    looked at only when its turn comes.
    """
    if batch_packets < 1:
        raise ValueError(f"batch_packets is {batch_packets}; it must be at least 1")
    return CaptureReader(find_captures(paths), batch_packets)


class CaptureReader:
    """Iterator over the packets of captures, in batches. May be gone through once."""

    def __init__(self, found: Found, batch_packets: int) -> None:
        self.files = tuple(found.names)
        """Names of the captures, in the order of reading."""
        self.notes = tuple(found.notes)
        """Files in the named folders that were passed over, and why: a line each."""
        self.damage = list(found.damage)
        """Where reading stopped before the end of a capture, and why; grows as reading goes on."""
        self.packets = 0
        """Packets handed on so far."""
        self.total_bytes = found.size
        """Bytes of all files as they lie on disk; None if standard input is among them."""
        self.file: str | None = None
        """The capture that the last batch is from."""
        self.interfaces: Sequence[Interface] = ()
        """Interfaces of that capture, which its packets name by their place here; it grows as reading goes on."""
        self._stock = RowStock(batch_packets)
        self._bytes_before = 0
        self._window: MappedWindow | StreamWindow | None = None
        self._batches = self._read_all()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> PacketBatch:
        return next(self._batches)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading and let go of the file at hand; batches that are kept stay valid."""
        self._batches.close()

    @property
    def bytes_read(self) -> int:
        """Bytes gone through so far, as they lie on disk: of the same kind as `total_bytes`."""
        return self._bytes_before + (self._window.bytes_read if self._window else 0)

    def _read_all(self) -> Generator[PacketBatch]:
        for name in self.files:
            try:
                self._window = open_window(name)
            except (OSError, NotACaptureError, BrokenCaptureError) as error:  # it could be opened a moment ago
                self.damage.append(Damage(name, 0, f"cannot be opened any more ({error})"))
                continue
            try:
                yield from self._read(name, self._window)
            finally:
                self._bytes_before += self._window.bytes_read
                self._window.close()
                self._window = None

    def _read(self, name: str, window: MappedWindow | StreamWindow) -> Iterator[PacketBatch]:
        """Batches of one capture; its damage is noted after the last of them."""
        self.file = name
        try:
            scanner = scanner_for(window)
        except NotACaptureError as error:
            if name == STDIN:
                raise CaptureError(f"{shown(name)}: {error}") from error
            self.damage.append(Damage(name, 0, f"{error}"))
            return
        except BrokenCaptureError as error:
            self.damage.append(Damage(name, 0, error.reason))
            return
        self.interfaces = scanner.interfaces
        wrong: str | None = None
        while wrong is None:
            rows = self._stock.take()
            wrong = _fill(scanner, window, rows)
            if rows.count:
                self.packets += rows.count
                yield rows.batch(window.data)
        if wrong:
            self.damage.append(Damage(name, window.base + window.at, wrong))


def _fill(scanner: Scanner, window: MappedWindow | StreamWindow, rows: Rows) -> str | None:
    """Fill the rows of one batch; returns None to go on with another, "" at a good end, else what is wrong."""
    try:
        window.begin_batch()
        while True:
            status = scanner.scan(window, rows, window.stop)
            if status == FULL:
                return None
            if status != MORE:
                return scanner.explain(status, window)
            if rows.count and (not window.fits() or window.paused()):
                return None
            if not window.more():
                return scanner.explain(MORE, window) if window.at < window.end else ""
    except BrokenCaptureError as error:
        return error.reason

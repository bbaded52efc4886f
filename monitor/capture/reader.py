"""Reads captures one after the other and hands their packets on in batches; keeps account of damage and progress.

Which captures, and in which order, is for `finding`; the walk through a format's records is for its scanner.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from monitor.background import in_order
from monitor.capture.errors import STDIN, BrokenCaptureError, CaptureError, Damage, NotACaptureError, shown
from monitor.capture.finding import Found, find_captures, open_window
from monitor.capture.formats import scanner_for
from monitor.capture.packets import Interface, PacketBatch
from monitor.capture.pcap import PcapScanner
from monitor.capture.scan import RowStock, Scanner, fill
from monitor.capture.stretches import THREADS, Stretches
from monitor.capture.windows import MappedWindow, StreamWindow

Chosen: TypeAlias = tuple[PacketBatch, NDArray[np.bool_]]
"""A batch, and of each of its packets whether it is chosen."""
Choose: TypeAlias = Callable[[PacketBatch], NDArray[np.bool_]]
Seen = TypeVar("Seen")

_READ_AHEAD: Final = 2
"""Batches that may be read before the one at hand is searched; their rows are used again."""


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
        self._batch_packets = batch_packets
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

    def search(self, choose: Choose, *, in_any_order: bool) -> Generator[Chosen]:
        """Go through the captures with `choose` in threads of its own; the batches with chosen packets, in order.

        `in_any_order`: it looks at each packet by itself, so that it may be called for several batches at once, in
        another order, and for batches that are no part of the capture and are thrown away.
        """
        look = partial(_chosen, choose)
        for name, window in self._opened():
            scanner = self._scanner(name, window)
            if isinstance(scanner, PcapScanner) and isinstance(window, MappedWindow):
                if in_any_order:
                    for found in self._in_stretches(name, window, scanner, look):
                        yield from found
                else:
                    for batches in self._in_stretches(name, window, scanner, _itself):
                        yield from filter(None, map(look, batches))
            elif scanner is not None:
                jobs = (partial(look, batch) for batch in self._read(name, window, scanner))
                threads = THREADS if in_any_order else 1
                yield from filter(None, in_order(jobs, threads=threads, ahead=_READ_AHEAD, name="choose"))

    def _in_stretches(
        self, name: str, window: MappedWindow, scanner: PcapScanner, look: Callable[[PacketBatch], Seen | None]
    ) -> Iterator[list[Seen]]:
        """A plain file, which several threads read; what `look` sees in the batches of each stretch."""
        stretches = Stretches(window.descriptor, scanner, window.at, self._batch_packets)
        for stretch in stretches.read(look):
            self.packets += stretch.packets
            window.at = stretch.last
            yield stretch.found
            if stretch.wrong:
                self.damage.append(Damage(name, stretch.last, stretch.wrong))

    def _read_all(self) -> Generator[PacketBatch]:
        for name, window in self._opened():
            scanner = self._scanner(name, window)
            if scanner is not None:
                yield from self._read(name, window, scanner)

    def _opened(self) -> Iterator[tuple[str, MappedWindow | StreamWindow]]:
        """Each capture that can be opened, while it is open."""
        for name in self.files:
            try:
                self._window = open_window(name)
            except (OSError, NotACaptureError, BrokenCaptureError) as error:  # it could be opened a moment ago
                self.damage.append(Damage(name, 0, f"cannot be opened any more ({error})"))
                continue
            try:
                yield name, self._window
            finally:
                self._bytes_before += self._window.bytes_read
                self._window.close()
                self._window = None

    def _scanner(self, name: str, window: MappedWindow | StreamWindow) -> Scanner | None:
        """What reads a capture, which is at hand from now on; None: damaged, which is noted."""
        self.file = name
        try:
            scanner = scanner_for(window)
        except NotACaptureError as error:
            if name == STDIN:
                raise CaptureError(f"{shown(name)}: {error}") from error
            self.damage.append(Damage(name, 0, f"{error}"))
            return None
        except BrokenCaptureError as error:
            self.damage.append(Damage(name, 0, error.reason))
            return None
        self.interfaces = scanner.interfaces
        return scanner

    def _read(self, name: str, window: MappedWindow | StreamWindow, scanner: Scanner) -> Iterator[PacketBatch]:
        """Batches of one capture; its damage is noted after the last of them."""
        wrong: str | None = None
        while wrong is None:
            rows = self._stock.take()
            wrong = fill(scanner, window, rows)
            if rows.count:
                self.packets += rows.count
                yield rows.batch(window.data)
        if wrong:
            self.damage.append(Damage(name, window.base + window.at, wrong))


def _chosen(choose: Choose, batch: PacketBatch) -> Chosen | None:
    """The batch and which of its packets are chosen, if any are."""
    wanted = choose(batch)
    return (batch, wanted) if wanted.any() else None


def _itself(batch: PacketBatch) -> PacketBatch:
    return batch

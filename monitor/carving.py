"""Cuts packets out of captures: by flow, host, incident, time or filter, into a pcapng file that says where it is from.

Which packets those are is decided in `wanted`.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.errors import InputError
from monitor.event_time import datetime_of
from monitor.places import spare_originals
from monitor.wanted import Chooser, Wanted, micros

if TYPE_CHECKING:
    from monitor.capture import Damage
    from monitor.config import Settings

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Original:
    """A capture that packets were carved out of."""

    bytes: int | None
    modified: datetime | None
    """When the file was last changed, UTC."""
    sha256: str
    """Empty unless it was asked for."""

    def __str__(self) -> str:
        known = [f"{self.bytes:,} bytes, modified {self.modified:%Y-%m-%dT%H:%M:%SZ}"] if self.modified else []
        return ", ".join([*known, *([f"sha256 {self.sha256}"] if self.sha256 else [])]) or "not known"


@dataclass(slots=True)
class Carved:
    """What was carved."""

    output: str
    sha256: str
    """Of the output; empty for stdout."""
    packets: int
    bytes: int
    """Captured bytes of the packets."""
    first_seen: datetime | None
    last_seen: datetime | None
    inputs: dict[str, Original]
    """Each capture that was read, by its name."""
    searched: int
    """Packets looked at."""
    damage: list[Damage] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    status: str = ""
    """How complete the evidence is; empty when captures were named."""


def kept(settings: Settings, wanted: Wanted) -> tuple[list[str], str]:
    """Files of the sensor's evidence ring that may have the wanted packets, and how complete it is for their time.

    Raises UsageError (no flow id, address), InputError when it has nothing of that time.
    """
    from monitor.capture import evidence_of
    from monitor.flows import index_keys
    from monitor.places import evidence_folder

    ends = [address for pair in wanted.hosts for address in pair if address]
    try:
        keys = index_keys(wanted.flows, ends) if wanted.flows or ends else None
    except ValueError:  # a network: the index has single addresses
        keys = None
    folder = evidence_folder(settings)
    found = evidence_of(folder, micros(wanted.since), micros(wanted.until), keys)
    if not found.files:
        raise InputError(f"evidence in {folder}: {found.status}; nothing is written")
    return [str(path) for path in found.files], found.status


def carve(
    captures: Sequence[str], wanted: Wanted, output: str, *, status: str = "", hash_inputs: bool = False
) -> Carved:
    """Write the wanted packets of the captures to `output` (`-`: stdout), in time order; `status` goes with them.

    `hash_inputs`: name the captures by their SHA-256, too, which takes as long as reading them once more.
    Raises CaptureError, UsageError (no flow id, address or filter; `output` is one of the captures), InputError when no
    packet is wanted, OSError.
    """
    spare_originals(captures, output)
    with _Hashes() as hashes:
        if hash_inputs:
            hashes.begin(name for name in captures if Path(name).is_file())
        return _carved(captures, wanted, output, status, hashes if hash_inputs else None)


def _carved(captures: Sequence[str], wanted: Wanted, output: str, status: str, hashes: _Hashes | None) -> Carved:
    from monitor.capture import CarvedFile, open_captures

    with open_captures(captures) as reader, CarvedFile(output) as file:
        if hashes is not None:
            hashes.begin(reader.files)
        choose = Chooser(wanted)
        with closing(reader.search(choose, in_any_order=choose.packet_by_packet)) as found:
            for batch, chosen in found:
                file.add(reader.file or "", batch, reader.interfaces, chosen)
        if not file.packets:
            raise InputError(f"none of {reader.packets:,} packets is wanted ({wanted or 'all'}); nothing is written")
        digests = {} if hashes is None else hashes.of(reader.files)
        inputs = {name: _original(name, digests.get(name, "")) for name in reader.files}
        file.finish([*_comments(wanted, inputs), *([f"evidence: {status}"] if status else [])])
        return Carved(
            output=output,
            sha256="" if output == STDIN else sha256(output),
            packets=file.packets,
            bytes=file.bytes,
            first_seen=_moment(file.first),
            last_seen=_moment(file.last),
            inputs=inputs,
            searched=reader.packets,
            damage=list(reader.damage),
            notes=reader.notes,
            status=status,
        )


def _original(name: str, digest: str) -> Original:
    """What a capture is known by; of standard input, or of a file that is gone, nothing is."""
    try:
        state = None if name == STDIN else Path(name).stat()
    except OSError:
        state = None
    if state is None:
        return Original(None, None, digest)
    return Original(state.st_size, datetime.fromtimestamp(state.st_mtime, UTC), digest)


def _comments(wanted: Wanted, inputs: dict[str, Original]) -> list[str]:
    about = [f"incident {wanted.incident}"] if wanted.incident else []
    chosen = [f"carved: {wanted}" if str(wanted) else "carved: all packets"]
    return about + chosen + [f"from {name}: {original}" for name, original in inputs.items()]


class _Hashes:
    """SHA-256 of files, each in a thread beside the search, from before the kernels are loaded: both take as long."""

    def __init__(self) -> None:
        self._threads: dict[str, threading.Thread] = {}
        self._found: dict[str, str] = {}
        self.unwanted = False

    def __enter__(self) -> _Hashes:
        return self

    def __exit__(self, *_: object) -> None:
        self.unwanted = True
        for thread in self._threads.values():
            thread.join()

    def begin(self, files: Iterable[str]) -> None:
        """Hash these too, one after the other; standard input, which is gone afterwards, has no hash."""
        new = [name for name in files if name != STDIN and name not in self._threads]

        def work() -> None:
            for name in new:
                self._found[name] = sha256(name, self)

        if new:
            thread = threading.Thread(target=work, name="sha256", daemon=True)
            self._threads.update(dict.fromkeys(new, thread))
            thread.start()

    def of(self, files: Sequence[str]) -> dict[str, str]:
        """Hash of each file, as soon as all are known; empty where there is none."""
        for name in files:
            if name in self._threads:
                self._threads[name].join()
        return {name: self._found.get(name, "") for name in files}


def sha256(name: str, asked: _Hashes | None = None) -> str:
    """Hex digits of a file's SHA-256; empty when it cannot be read any more or nobody wants them."""
    digest = hashlib.sha256()
    try:
        with open(name, "rb", buffering=0) as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
                if asked is not None and asked.unwanted:
                    return ""
    except OSError:
        return ""
    return digest.hexdigest()


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else datetime_of(micros)

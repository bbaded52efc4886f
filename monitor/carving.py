"""Cuts packets out of captures: by flow, host, incident, time or filter, into a pcapng file that says where it is from.

What an incident's packets are is decided here; decoding and matching are kernels of `flows` and `capture`.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.background import Background
from monitor.errors import InputError, UsageError
from monitor.event_time import datetime_of, microseconds
from monitor.places import spare_originals

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    import numpy as np
    from numpy.typing import NDArray

    from monitor.capture import Damage, Interface, PacketBatch
    from monitor.config import Settings

STDIN = "-"
READ_AHEAD = 2
"""Batches that may be read before the one at hand is searched; their rows are used again."""
AROUND = timedelta(seconds=60)
"""What is kept before and after an incident's first and last flow."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which packets: of any of the flows, or between any of the ends; and within the times, and passing the filter."""

    flows: tuple[str, ...] = ()
    """Community IDs."""
    hosts: tuple[tuple[str, str], ...] = ()
    """Host and peer, each an address or a network; no peer: \"\"."""
    since: datetime | None = None
    until: datetime | None = None
    """Event time, UTC; the second is excluded."""
    expression: str = ""
    """Packet filter in tcpdump's words."""
    incident: str = ""
    """Id of the incident that they are about."""

    def __str__(self) -> str:
        """The choice in words, for the file's comment."""
        named = [f"flow {flow}" for flow in self.flows]
        named += [f"host {host}" + (f" peer {peer}" if peer else "") for host, peer in self.hosts]
        said = [" or ".join(named)] if named else []
        said += [f"since {self.since:%Y-%m-%dT%H:%M:%S.%fZ}"] if self.since else []
        said += [f"until {self.until:%Y-%m-%dT%H:%M:%S.%fZ}"] if self.until else []
        said += [f"filter {self.expression}"] if self.expression else []
        return "; ".join(said)


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


def incident_packets(incident: dict[str, Any]) -> Wanted:
    """The packets of an incident: its named flows and all between its host and peer, a minute around it included."""
    host, peer = incident["host"], incident["peer"]
    return Wanted(
        flows=tuple(incident["community_ids"]),
        hosts=((host, peer),) if peer or not incident["community_ids"] else (),
        since=incident["first_seen"] - AROUND,
        until=incident["last_seen"] + AROUND,
        incident=incident["incident_id"],
    )


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
    found = evidence_of(folder, _micros(wanted.since), _micros(wanted.until), keys)
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
        chooser = _Chooser(wanted)

        def choose(batches: Iterator[tuple[str, PacketBatch, Sequence[Interface]]]) -> None:
            for name, batch, interfaces in batches:
                file.add(name, batch, interfaces, chooser(batch))

        with Background(choose, ahead=READ_AHEAD, name="choose") as chosen:
            for batch in reader:
                chosen.put((reader.file or "", batch, reader.interfaces))
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


class _Chooser:
    """Says of each batch which of its packets are wanted."""

    def __init__(self, wanted: Wanted) -> None:
        from monitor.capture import FilterError, PacketFilter
        from monitor.flows import Ends, PacketSelector

        ends = [
            Ends(_network(host, "--host"), _network(peer, "--peer") if peer else None) for host, peer in wanted.hosts
        ]
        try:
            self._selector = PacketSelector(wanted.flows, ends) if wanted.flows or ends else None
        except ValueError as error:
            raise UsageError(f"--flow: {error}") from error
        self._refused = FilterError
        try:
            self._filter = PacketFilter(wanted.expression) if wanted.expression else None
        except FilterError as error:
            raise UsageError(f"--filter: {error}") from error
        self._since, self._until = _micros(wanted.since), _micros(wanted.until)

    def __call__(self, batch: PacketBatch) -> NDArray[np.bool_]:
        import numpy as np

        chosen = self._selector.matches(batch) if self._selector else np.ones(len(batch), np.bool_)
        if self._filter is not None and chosen.any():
            try:
                chosen &= self._filter.matches(batch)
            except self._refused as error:
                raise UsageError(f"--filter: {error}") from error
        if self._since is not None:
            chosen &= batch.time >= self._since
        if self._until is not None:
            chosen &= batch.time < self._until
        return chosen


def _network(text: str, option: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text, strict=False)
    except ValueError as error:
        raise UsageError(f"{option}: {text!r} is neither an address nor a network such as 10.1.0.0/16") from error


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


def _micros(time: datetime | None) -> int | None:
    return None if time is None else microseconds(time)


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else datetime_of(micros)

"""The incident log as chains of hashes: each event carries the hash of the one before, so no change goes unnoticed.

A chain is what one writer appended to one run (or to live traffic). Whoever can rewrite a whole chain can forge it, or
cut its end off: note its head elsewhere (the audit report prints it), and ask later whether it is still in the chain.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any


@dataclass(frozen=True, slots=True)
class Flaw:
    """A place at which a chain does not hold."""

    run_id: str
    writer: str
    ordinal: int
    what: str
    """altered, removed, moved or added."""
    detail: str


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain as it is stored: its last event, and what is wrong with it."""

    run_id: str
    writer: str
    events: int
    head: str
    """Hash of the last event."""
    flaws: tuple[Flaw, ...]


def digest(event: Mapping[str, Any]) -> str:
    """BLAKE2b-256 of an event's canonical JSON: sorted names, no spaces, ASCII, times in ISO 8601 with microseconds.

    `hash` itself is left out, and so is what is empty or zero: a column that is added later changes no hash.
    """
    plain = {name: _plain(value) for name, value in event.items() if name != "hash"}
    text = json.dumps({name: value for name, value in plain.items() if value}, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode("ascii"), digest_size=32).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return list(value) if isinstance(value, list | tuple) else value


def chained(events: Iterable[Mapping[str, Any]], ordinal: int, head: str) -> Iterator[dict[str, Any]]:
    """The events with `ordinal`, `previous` and `hash`, following the event number `ordinal` whose hash is `head`."""
    for event in events:
        ordinal += 1
        linked = {**event, "ordinal": ordinal, "previous": head}
        head = digest(linked)
        yield {**linked, "hash": head}


def verify_chains(events: Sequence[Mapping[str, Any]], *, kept_since: datetime | None = None) -> list[Chain]:
    """Every chain among the events, sorted by run, writer and ordinal, with the flaws of each.

    Events of a store older than the chain have ordinal 0 and no hash; they prove nothing and are left out. Live events
    from before `kept_since` may be gone by retention: a chain may begin with one that was written before it.
    """
    linked = [event for event in events if event["ordinal"] or event["hash"]]
    return [
        _verified(run_id, writer, list(chain), kept_since if not run_id else None)
        for (run_id, writer), chain in groupby(linked, lambda event: (event["run_id"], event["writer"]))
    ]


def _verified(run_id: str, writer: str, chain: list[Mapping[str, Any]], kept_since: datetime | None) -> Chain:
    """Each event must have the hash that it carries, the number after the last one's, and that one's hash before it."""
    places = _places(chain)
    flaws: list[Flaw] = []
    number, head = 0, ""
    if kept_since is not None and chain[0]["recorded"] < kept_since:
        number, head = chain[0]["ordinal"] - 1, chain[0]["previous"]
    for event in chain:
        place = event["ordinal"]
        if place > number + 1:
            gone = f"event {number + 1}" + (f" to {place - 1}" if place > number + 2 else "")
            flaws.append(Flaw(run_id, writer, number + 1, "removed", f"{gone}; the next is {_about(event)}"))
        elif place <= number:
            flaws.append(Flaw(run_id, writer, place, "added", f"a second event of this number: {_about(event)}"))
        if digest(event) != event["hash"]:
            what, detail = _changed(event, places)
            flaws.append(Flaw(run_id, writer, place, what, detail))
        elif place == number + 1 and event["previous"] != head:
            flaws.append(Flaw(run_id, writer, place, "altered", f"does not follow the event before: {_about(event)}"))
        number, head = place, event["hash"]
    return Chain(run_id, writer, len(chain), head, tuple(flaws))


def _changed(event: Mapping[str, Any], places: Mapping[str, int]) -> tuple[str, str]:
    """What was done to an event that no longer has its hash: only its number, or something in it."""
    place = places.get(event["hash"], 0)
    if digest({**event, "ordinal": place}) == event["hash"]:
        return "moved", f"it was number {place}: {_about(event)}"
    return "altered", _about(event)


def _about(event: Mapping[str, Any]) -> str:
    return f"{event['event']}, incident {event['incident_id']}, {_plain(event['recorded'])}"


def _places(chain: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Number of each event by its hash, as the hashes alone tell it."""
    following = {event["previous"]: event["hash"] for event in chain}
    places: dict[str, int] = {}
    head, place = chain[0]["previous"], chain[0]["ordinal"]
    if "" in following:
        head, place = "", 1
    while head in following and following[head] not in places:
        places[following[head]] = place
        head, place = following[head], place + 1
    return places

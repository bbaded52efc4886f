"""One-line forms: an incident as a JSON object, the balance of a run's counters as a sentence.

Both are the same for the same input; how fast the run was is the caller's to add.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monitor.reading import Account, Fates

INCIDENT_FIELDS = (
    "incident_id",
    "detector",
    "severity",
    "host",
    "peer",
    "first_seen",
    "last_seen",
    "flows",
    "score",
    "p_value",
    "reasons",
    "attack",
    "community_ids",
    "service",
    "state",
    "stage",
    "story",
    "names",
    "ports",
    "ja4",
)
"""What `--format json` says of an incident, in this order."""


def incident_line(incident: Mapping[str, Any]) -> str:
    """JSON object of an incident, ASCII only, fields as in INCIDENT_FIELDS."""
    return json_object({name: incident[name] for name in INCIDENT_FIELDS})


def json_object(facts: Mapping[str, Any]) -> str:
    """JSON object in one line, ASCII only, so that neither a terminal nor a line reader is fooled by what is in it."""
    plain = {name: _json_value(value) for name, value in facts.items()}
    return json.dumps(plain, allow_nan=False).replace("\x7f", "\\u007f")


def _json_value(value: Any) -> Any:
    """What JSON can hold: times as ISO 8601, what is no number as null."""
    if isinstance(value, datetime):
        return iso_time(value)
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, Mapping):
        return {str(name): _json_value(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(entry) for entry in value]
    return value


def iso_time(time: datetime) -> str:
    """ISO 8601 in UTC with six decimals and Z; a time without a zone is UTC."""
    return time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def balance_line(account: Account) -> str:
    """`1,000 packets = 990 decoded + 8 ignored (arp 6, llc 2) + 2 dropped (duplicate 2); 640,000 bytes; 12 flows …`."""
    ignored, dropped = _reasons(account.ignored, "ignored"), _reasons(account.dropped, "dropped")
    evicted = f" ({account.evicted:,} ended early, for want of room)" if account.evicted else ""
    return (
        f"{account.packets:,} packets = {account.decoded:,} decoded + {ignored} + {dropped}; "
        f"{account.bytes:,} bytes; {account.flows:,} flow{'' if account.flows == 1 else 's'}{evicted}; "
        f"{account.seconds:.2f} s, {packet_rate(account.packets, account.seconds)}"
    )


def fates_line(account: Account, fates: Fates) -> str:
    """`12 flows + 3 found in the spool = 13 stored + 0 spooled + 2 lost (worker_died 2)`."""
    found = f" + {fates.recovered:,} found in the spool" if fates.recovered else ""
    aside = f" + {fates.set_aside:,} set aside" if fates.set_aside else ""
    return (
        f"{account.flows:,} flow{'' if account.flows == 1 else 's'}{found} = {fates.stored:,} stored + "
        f"{fates.spooled:,} spooled{aside} + {_reasons(fates.lost, 'lost')}"
    )


def health_lines(account: Account) -> list[str]:
    """What is wrong with what the mirror delivered, and with what we could keep of it; no line when nothing is."""
    said = []
    if account.one_sided:
        said.append(f"{account.one_sided / account.connections:.2%} of TCP connections in one direction only")
    if account.missed:
        said.append(f"{account.missed / max(account.payload, 1):.2%} of TCP payload lost before us")
    if twice := account.dropped.get("duplicate", 0):
        said.append(f"{twice / account.packets:.2%} of packets twice")
    lines = [f"mirror: {', '.join(said)}"] if said else []
    if account.unnamed:
        lines.append(f"names of {account.unnamed:,} flows were not kept whole: flows.first_payload_memory is too small")
    return lines


def packet_rate(packets: int, seconds: float) -> str:
    """`2.41 M packets/s`, `310 k packets/s`, `97 packets/s`."""
    rate = packets / seconds if seconds > 0 else 0.0
    if rate >= 999_500:
        return f"{rate / 1e6:.2f} M packets/s"
    return f"{rate / 1e3:.0f} k packets/s" if rate >= 9_999.5 else f"{rate:,.0f} packets/s"


def _reasons(counts: Mapping[str, int], word: str) -> str:
    """`8 ignored (arp 6, stp 2)`, the most frequent first."""
    named = sorted(((count, reason) for reason, count in counts.items() if count), key=lambda pair: (-pair[0], pair[1]))
    inside = ", ".join(f"{reason} {count:,}" for count, reason in named)
    return f"{sum(counts.values()):,} {word}" + (f" ({inside})" if inside else "")

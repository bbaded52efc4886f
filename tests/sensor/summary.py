"""The last lines of a sensor's log, read back: what became of its packets and flows."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ending:
    """Counts of the summary."""

    packets: int
    fates: dict[str, int]
    """Of packets: decoded, ignored, dropped."""
    dropped: dict[str, int]
    """Packets by reason."""
    flows: int
    recovered: int
    stored: int
    spooled: int
    set_aside: int
    lost: dict[str, int]
    """Flows by reason."""

    def balanced(self) -> bool:
        """Whether both sides of both lines are equal."""
        kept = self.stored + self.spooled + self.set_aside + sum(self.lost.values())
        return self.packets == sum(self.fates.values()) and self.flows + self.recovered == kept


def ending(log: str) -> Ending:
    """AssertionError when the log does not end with a summary."""
    packets = re.search(r"([\d,]+) packets = ([^;]*);", log)
    flows = re.search(r" ([\d,]+) flows?(?: \+ ([\d,]+) found in the spool)? = (.*)", log)
    assert packets, log[-3000:]
    assert flows, log[-3000:]
    kept = _counts(re.sub(r"\(.*?\)", "", flows[3]))
    return Ending(
        packets=_number(packets[1]),
        fates=_counts(re.sub(r"\(.*?\)", "", packets[2])),
        dropped=_reasons(packets[2], "dropped"),
        flows=_number(flows[1]),
        recovered=_number(flows[2] or "0"),
        stored=kept["stored"],
        spooled=kept["spooled"],
        set_aside=kept.get("set aside", 0),
        lost=_reasons(flows[3], "lost"),
    )


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def _counts(text: str) -> dict[str, int]:
    return {word.strip(): _number(count) for count, word in re.findall(r"([\d,]+) ([a-z ]+)", text)}


def _reasons(text: str, word: str) -> dict[str, int]:
    found = re.search(rf"{word} \((.*?)\)", text)
    return {reason: _number(count) for reason, count in re.findall(r"(\w+) ([\d,]+)", found[1])} if found else {}

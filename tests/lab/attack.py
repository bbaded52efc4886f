"""What an attack of the lab is: a behaviour between two ends, its moment, its tool, and the filter that finds it.

The list of them is `attacks`; the far ends that some need are started by `farside`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .plan import host
from .town import Town

IMPLANT = str(Path(__file__).with_name("implant.py"))
Deed = Callable[[Town, float], None]


@dataclass(frozen=True)
class Attack:
    """One entry of the session.

    `host` is whom an incident should name and `peer` the other end: names of the plan, or a network. `at` is the second
    of the session when it begins. `filter` is tshark's display filter for its packets, and only them, while it runs;
    `{pair}` in it stands for all packets between the two, which is the default. `run` gets the town and the
    seconds that are left.
    """

    behaviour: str
    host: str
    peer: str
    at: float
    tool: str
    note: str
    run: Deed
    filter: str = "{pair}"

    def display_filter(self) -> str:
        """The filter with `{pair}` filled in."""
        pair = f"ip.addr == {self.address(self.host)} && ip.addr == {self.address(self.peer)}"
        return self.filter.replace("{pair}", f"({pair})")

    @staticmethod
    def address(name: str) -> str:
        """Address of a host of the plan; a network stays as it is."""
        return name if "/" in name else host(name).address


def program(where: str, *argv: str, limit: float = 90.0) -> Deed:
    """Run one program in a host, for at most `limit` seconds or until the session ends.

    A word `@name` becomes that host's address, `@folder|/file` a file of the town's folder.
    """

    def run(town: Town, seconds: float) -> None:
        town.run(where, *(_filled(word, town) for word in argv), timeout=min(limit, seconds + 15))

    return run


def implant(where: str, *words: str) -> Deed:
    """Run our implant in a host until the session ends."""

    def run(town: Town, seconds: float) -> None:
        argv = [sys.executable, IMPLANT, *words, "--seconds", f"{seconds:.0f}"]
        town.run(where, *argv, timeout=seconds + 15)

    return run


def _filled(word: str, town: Town) -> str:
    if not word.startswith("@"):
        return word
    name, _, rest = word[1:].partition("|")
    return (str(town.folder) if name == "folder" else host(name).address) + rest

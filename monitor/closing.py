"""What a command says at its end, and the exit status that it leaves: 0 done, 1 failed, 2 wrong usage, 3 damaged input.

What is done is up to the commands.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from monitor.reading import Account

DONE, FAILED, MISUSED, DAMAGED, INTERRUPTED = 0, 1, 2, 3, 130


def close(account: Account, kept: str = "") -> int:
    """Say on stderr what was damaged and how the packets balance; returns the exit status."""
    from monitor.report import balance_line, health_lines, printable

    for line in (*account.notes, *map(str, account.damage), *account.undecodable):
        say(printable(line))
    if account.packets or not kept:
        say(balance_line(account))
        for line in health_lines(account):
            say(line)
    if kept:
        say(printable(kept))
    if account.interrupted:
        say("interrupted: the results cover only the packets read until then")
        return INTERRUPTED
    return DAMAGED if account.damage or account.undecodable else DONE


def say(line: str) -> None:
    print(f"monitor: {line}", file=sys.stderr)

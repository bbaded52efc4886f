"""What the town's adversaries do, with real tools: one entry a behaviour, each with its moment and its truth.

An entry's filter selects its packets, and only them, on the mirror; `record` measures start and end with it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .plan import host
from .town import Town

IMPLANT = str(Path(__file__).with_name("implant.py"))


@dataclass(frozen=True)
class Attack:
    """A behaviour, who shows it towards whom (a host of the plan, or a network), when it begins (seconds into the session) and what it runs."""

    behaviour: str
    host: str
    peer: str
    at: float
    tool: str
    note: str
    filter: str
    run: Callable[[Town, float], None]


def between(left: str, right: str) -> str:
    """Display filter of the packets between two hosts of the plan."""
    return f"ip.addr == {host(left).address} && ip.addr == {host(right).address}"


def _syn_scan(town: Town, _: float) -> None:
    town.run("scanner", "nmap", "-n", "-Pn", "-sS", "-T4", "--top-ports", "300", host("www").address, timeout=120)


def _horizontal_scan(town: Town, _: float) -> None:
    town.run("nakamura", "nmap", "-n", "-Pn", "-sS", "-p", "445", "--max-retries", "0", "--max-rate", "40",
             "198.51.100.0/24", timeout=60)  # fmt: skip


def _beacon_https(town: Town, seconds: float) -> None:
    town.run("tanaka", sys.executable, IMPLANT, "--url", "https://assets.pixelstats.example/api", "--period", "5",
             "--jitter", "0.2", "--missed", "0.05", "--seconds", str(seconds), timeout=seconds + 20)  # fmt: skip


ATTACKS: tuple[Attack, ...] = (
    Attack("beacon", "tanaka", "c2", 5, "implant.py", "HTTPS every 5 s, jitter 20 %, 5 % of beats missed",
           between("tanaka", "c2"), _beacon_https),
    Attack("port_scan", "scanner", "www", 60, "nmap -sS", "300 ports from outside",
           between("scanner", "www"), _syn_scan),
    Attack("horizontal_scan", "nakamura", "198.51.100.0/24", 100, "nmap -sS -p 445", "256 addresses outside on one port",
           f"ip.addr == {host('nakamura').address} && tcp.port == 445",
           _horizontal_scan),
)  # fmt: skip

"""The live sensor on a veth pair: knee beside tcpdump and NFStream, a SYN flood, and a soak. Needs root.

python -m benchmarks.live knee | flood [--seconds 60] | soak [--minutes 30] [--rate 50000]
"""

from __future__ import annotations

import argparse

from benchmarks.inputs import cut
from benchmarks.table import Row, show

PACKETS = 100_000
"""Of capture A, played in a loop."""


def knee() -> list[Row]:
    """The highest rate without loss."""
    from benchmarks.live_knee import knee

    return knee(cut("A", PACKETS))


def flood(seconds: int = 60) -> list[Row]:
    """A SYN flood beside legitimate traffic."""
    from benchmarks.live_load import flood

    return flood(seconds)


def soak(minutes: float = 30, rate: int = 50_000) -> list[Row]:
    """Half an hour of mixed traffic."""
    from benchmarks.live_load import soak

    return soak(cut("A", PACKETS), minutes, rate)


def main() -> None:
    """Run the part that is named and show its rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("knee", "flood", "soak"))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=int, default=50_000)
    chosen = parser.parse_args()
    if chosen.part == "flood":
        show(flood(chosen.seconds))
    elif chosen.part == "knee":
        show(knee())
    else:
        show(soak(chosen.minutes, chosen.rate))


if __name__ == "__main__":
    main()

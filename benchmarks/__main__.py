"""Runs every benchmark and writes what was measured, beside what is asked for, to benchmarks/RESULTS.md.

    benchmarks/run [--write] [PART...]

With parts named, only these run, and nothing is written without `--write`; parts of half an hour run only so. A part
that fails is a row that says why, so that an hour of measuring is not lost. How each number comes about is in the
part's own module, which can be run alone.
"""

from __future__ import annotations

import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import carve, flows, footprint, kernels, live, outage, startup
from benchmarks.inputs import PACKETS, capture
from benchmarks.measure import run
from benchmarks.table import Row, against, markdown, show

RESULTS = Path(__file__).with_name("RESULTS.md")
WRITE = "--write"
INSERT_BATCH = 100_000


def scoring() -> list[Row]:
    """Our forest kernel beside scikit-learn's."""
    from benchmarks.scoring import rows

    return rows()


def inserts(rounds: int = 3) -> list[Row]:
    """Arrow inserts into an embedded store, each round a process and a store of its own; then as live rows go."""
    command = ["-m", "benchmarks.inserts", "--batch", str(INSERT_BATCH)]
    direct, live = _inserted(command, rounds), _inserted([*command, "--writer"], rounds)
    published = direct["flows"] / (direct["seconds"] + direct["publish_seconds"])
    return [
        against(f"Arrow inserts into chDB, batches of {INSERT_BATCH:,}, all columns",
                direct["flows_per_second"] / 1e3, 600, "k flows/s", command=f"python {' '.join(command)}",
                detail=f"{published / 1e3:,.0f} k with the sums and the one step that publishes the run"),
        against("inserts through the writer into chDB: spool, tokens, views", live["flows_per_second"] / 1e3, 500,
                "k flows/s", command=f"python {' '.join(command)} --writer",
                detail=f"{live['cpu_seconds']:.1f} s of processors for {live['flows'] / 1e6:.0f} M"),
    ]  # fmt: skip


def _inserted(command: Sequence[str], rounds: int) -> dict[str, float]:
    """Medians of the figures that the program prints."""
    found: list[dict[str, float]] = []
    for _ in range(rounds):
        text = run([sys.executable, *command]).checked(accept=(0,)).output
        pairs = re.findall(r"^(\w+)\s+([\d,]+\.\d+)$", text, re.MULTILINE)
        found.append({name: float(value.replace(",", "")) for name, value in pairs})
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def dashboards() -> list[Row]:
    """The slowest query of each Grafana dashboard over a day of 30 M flows."""
    from benchmarks.dashboards import rows

    return rows()


def names() -> list[Row]:
    """Names in flow records beside tshark's."""
    from benchmarks.names import rows

    return rows()


def generated() -> list[Row]:
    """Generated behaviour in a day of ordinary flows, beside RITA's score; how soon the lab's attacks are named."""
    from benchmarks import generated, time_to_detection

    return [*generated.measure(), *time_to_detection.rows()]


def hunts() -> list[Row]:
    """All hunts over a day of 1, 10 and 30 million flows."""
    from benchmarks.hunts import rows

    return rows()


def bad_input() -> list[Row]:
    """The long tests: mutated packets through the kernels with every array access checked."""
    command = ["-m", "pytest", "-m", "bench", "-q", "-p", "no:cacheprovider", "--ignore=tests/sensor"]
    done = run([sys.executable, *command], limit=7200, environment={"NUMBA_BOUNDSCHECK": "1"})
    last = done.output.strip().splitlines()[-1] if done.output.strip() else done.errors.strip()[-200:]
    return [
        Row("bad input: ≥ 2 M mutated packets through the checked kernels, and the other long tests", last.strip("= "),
            "all pass", done.status == 0, "NUMBA_BOUNDSCHECK=1 pytest -m bench")
    ]  # fmt: skip


def mishaps() -> list[Row]:
    """Workers, main process, store, disk, interface and clock fail at twenty random moments each (root)."""
    command = ["-m", "pytest", "-m", "bench", "-q", "-p", "no:cacheprovider", "tests/sensor/test_mishaps.py"]
    done = run([sys.executable, *command], limit=7200)
    last = done.output.strip().splitlines()[-1] if done.output.strip() else done.errors.strip()[-200:]
    return [
        Row("kill -9 of worker and of main process, store away, disk full, interface down, clock back: 20 moments each",
            last.strip("= "), "all pass", done.status == 0, "pytest -m bench tests/sensor/test_mishaps.py")
    ]  # fmt: skip


PARTS: dict[str, Callable[[], list[Row]]] = {
    "startup": startup.rows,
    "kernels": kernels.rows,
    "town": flows.town,
    "flood": flows.flood,
    "cut": flows.small,
    "carve": carve.rows,
    "inspect": carve.inspected,
    "report": carve.report,
    "scoring": scoring,
    "inserts": inserts,
    "outage": outage.rows,
    "footprint": footprint.rows,
    "generated": generated,
    "hunts": hunts,
    "dashboards": dashboards,
    "names": names,
    "live-knee": live.knee,
    "live-flood": live.flood,
    "bad-input": bad_input,
    "mishaps": mishaps,
    "soak": live.soak,
}
LONG = ("mishaps", "soak")
"""Parts of half an hour, which run only when they are named."""


def measured(part: str) -> list[Row]:
    """The part's rows; one that says what went wrong when it cannot be measured."""
    print(f"{part} …", file=sys.stderr, flush=True)
    try:
        return PARTS[part]()
    except (RuntimeError, OSError, ValueError, ImportError, subprocess.CalledProcessError) as error:
        return [Row(part, f"could not be measured: {error}".splitlines()[0][:300], "a number", False)]


def machine() -> str:
    """What the numbers depend on, without naming the machine."""
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    compiler = subprocess.run(["cc", "-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()
    return (
        f"{os.cpu_count()} cores ({model[1] if model else platform.machine()}), {memory:.0f} GiB, "
        f"{platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}, gcc {compiler}"
    )


def busy() -> float:
    """Processor seconds that all programs of this machine have used since it started."""
    fields = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:8]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def own() -> float:
    """Processor seconds that this process and its ended children have used."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def report(rows: Sequence[Row], foreign: float, parts: Sequence[str]) -> str:
    """The whole of RESULTS.md; `foreign`: share of the processors that other programs had meanwhile."""
    absent = ", ".join(part for part in PARTS if part not in parts)
    left_out = f"- Not measured in this run: {absent}.\n" if absent else ""
    inputs = ", ".join(
        f"{name} {PACKETS[name]:,} packets, {capture(name).stat().st_size / 1e6:,.0f} MB" for name in PACKETS
    )
    quiet = "" if foreign < 0.05 else " The machine was not quiet: trust the ratios, not the absolute numbers."
    missed = sum(row.met is False for row in rows)
    return f"""\
# What was measured

Written by `benchmarks/run` on {datetime.now(UTC):%Y-%m-%d}: {missed or "no"} number{"s" * (missed != 1)} missed.

- Machine: {machine()}. Other programs took {foreign:.0%} of its processors meanwhile.{quiet}
{left_out}- Inputs: {inputs}.
- Peers: NFStream 6.6.0 (`n_dissections=0, statistical_analysis=True`), softflowd 1.1.0 (as fast as it reads, exporting
  IPFIX to a loopback port that nobody reads), pyshark with Debian's tshark, `limit.c` (gcc -O3 -march=native).

{markdown(rows)}
Programs are measured as whole processes, in turn and in the same run; a ratio is the median of the rounds' ratios. GiB
in brackets is memory of a program's own, over all its processes, without pages of the mapped capture. A and B replicate
the real captures in `../shared/data` (`benchmarks/town.py` has the shares), C is a flood of SYNs.
"""


def main() -> int:
    """Command line; exit status 1 when a bar was missed."""
    named = [word for word in sys.argv[1:] if word != WRITE]
    unknown = [part for part in named if part not in PARTS]
    if unknown:
        print(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    for name in PACKETS:
        capture(name)
    began, before = time.monotonic(), busy() - own()
    chosen = named or [part for part in PARTS if part not in LONG]
    rows = [row for part in chosen for row in measured(part)]
    foreign = (busy() - own() - before) / (time.monotonic() - began) / (os.cpu_count() or 1)
    show(rows)
    if not named or WRITE in sys.argv:
        aside = RESULTS.with_suffix(".part")
        aside.write_text(report(rows, max(foreign, 0.0), chosen))
        aside.replace(RESULTS)
    return 1 if any(row.met is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())

"""Measures `monitor flows` and `monitor replay` as whole processes beside NFStream, softflowd and pyshark.

    python -m benchmarks.flows [town] [flood] [cut] [--rounds 3]

`town` is B with every peer in turn, `flood` is C, `cut` is the 20,000 packets that pyshark can take. A run of ours is
what a user types; its kernels are compiled before the clock starts.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import peers
from benchmarks.inputs import PACKETS, cache, capture, cut
from benchmarks.measure import GIB, Run, in_turn, run, times_as_fast, wall, warm
from benchmarks.table import Row, against, show

MONITOR = Path(sys.executable).with_name("monitor")
CUT = 20_000
NFSTREAM_LIMIT = 120.0
"""s that NFStream gets for C; at the pace seen it would need over three minutes, and ever more memory."""
NFSTREAM_MEMORY = 12 * GIB


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder on the disk of the inputs that is gone afterwards."""
    with tempfile.TemporaryDirectory(dir=cache()) as folder:
        yield Path(folder)


def flows(path: Path, output: Path) -> Run:
    """`monitor flows` of a capture into an Arrow file."""
    return run([MONITOR, "flows", path, "-o", output]).checked()


def replay(path: Path, folder: Path) -> Run:
    """`monitor replay` of a capture into an embedded store that did not exist before."""
    store = folder / "store"
    result = run([MONITOR, "replay", path, "--store", f"chdb://{store}", "--format", "json"]).checked()
    shutil.rmtree(store)
    return result


def compile_kernels(folder: Path) -> None:
    """Let `monitor flows` meet everything once, so that no measured run compiles."""
    flows(cut("A", CUT), folder / "warm.arrow")


def town(rounds: int = 3) -> list[Row]:
    """B: ours and the peers in turn."""
    path = capture("B")
    metered, small = peers.nfstream(path), ["-m", "1000000"]
    warm(path)
    with scratch() as folder, peers.collector() as port:
        output = folder / "flows.arrow"
        compile_kernels(folder)
        replay(cut("A", CUT), folder)
        exported = peers.softflowd(path, port)
        runs = in_turn(
            {
                "monitor flows": lambda: flows(path, output),
                "NFStream": lambda: run(metered).checked(),
                "softflowd": lambda: run(exported).checked(),
                "softflowd -m 1000000": lambda: run([*exported, *small]).checked(),
                "monitor replay": lambda: replay(path, folder),
            },
            rounds,
        )
        written = contents(output)
    ours, theirs, packets = runs["monitor flows"], runs["NFStream"], PACKETS["B"]
    counted = [int(word) for word in theirs[0].output.split()]
    incidents = len(runs["monitor replay"][0].output.splitlines())
    command = "monitor flows B.pcap -o flows.arrow"
    return [
        against(
            "`monitor flows` of B, whole process, all columns", times_as_fast(ours, theirs), 12, "× NFStream",
            command=command,
            detail=f"{pace(ours, packets)}, {written['flows']:,} flows; NFStream {pace(theirs, packets)}, "
            f"{counted[0]:,} flows of {counted[1]:,} packets",
        ),
        against(
            "the same, beside softflowd (C, counters only)", times_as_fast(ours, runs["softflowd"]), 1.2, "× softflowd",
            command=command,
            detail=f"softflowd with its table of 8,192 flows {pace(runs['softflowd'], packets)}; with room for all "
            f"{pace(runs['softflowd -m 1000000'], packets)}",
        ),
        against(
            "`monitor replay` of B into chDB, scores and hunts included",
            times_as_fast(runs["monitor replay"], theirs), 5, "× NFStream's bare metering",
            command="monitor replay B.pcap --store chdb:///… --format json",
            detail=f"{pace(runs['monitor replay'], packets)}, {incidents} incidents",
        ),
    ]  # fmt: skip


def flood(rounds: int = 3) -> list[Row]:
    """C: a flood in which every packet is a flow."""
    path, packets = capture("C"), PACKETS["C"]
    metered = peers.nfstream(path)
    warm(path)
    with scratch() as folder:
        output = folder / "flows.arrow"
        compile_kernels(folder)
        ours = in_turn({"monitor flows C": lambda: flows(path, output)}, rounds)["monitor flows C"]
        written = contents(output)
    theirs = run(metered, limit=NFSTREAM_LIMIT, address_space=NFSTREAM_MEMORY)
    finished = theirs.status == 0 and theirs.output.split()[1:] == [str(packets)]
    peer = f"NFStream: {pace([theirs], packets)}" if finished else (
        f"NFStream did not finish within {NFSTREAM_LIMIT:.0f} s and {NFSTREAM_MEMORY / GIB:.0f} GiB a process; "
        f"it held {theirs.own / GIB:.1f} GiB when it ended"
    )  # fmt: skip
    command = "monitor flows C.pcap -o flows.arrow"
    evicted = written["evicted"]
    return [
        against("C, 3 M SYNs, each a new flow", packets / wall(ours) / 1e6, 0.6, "M packets/s",
                command=command, detail=f"{pace(ours, packets)}; {peer}"),
        Row("C: flows exported", f"{written['flows']:,} of {packets:,}, with {written['packets']:,} packets",
            "every flow", written["flows"] == written["packets"] == packets, command),
        against("C: peak memory, mapped capture included", max(one.resident for one in ours) / GIB, 1.5, "GiB",
                command=command, most=True, detail="`max_flows` 1,000,000, the default"),
        Row("C: the flood is counted, not fatal", f"exit 0, {evicted:,} flows with `end_reason` 5 (evicted)",
            "counted", ours[0].status == 0 and evicted == packets - 1_000_000, command),
    ]  # fmt: skip


def small(rounds: int = 1) -> list[Row]:
    """The cut that pyshark can take; reported, without a bar."""
    path = cut("A", CUT)
    with scratch() as folder:
        compile_kernels(folder)
        runs = in_turn(
            {
                "monitor flows": lambda: flows(path, folder / "flows.arrow"),
                "pyshark": lambda: run(peers.pyshark(path)).checked(),
            },
            rounds,
        )
    ours, theirs = runs["monitor flows"], runs["pyshark"]
    measured = f"{pace(ours, CUT)}; pyshark {pace(theirs, CUT)}: {times_as_fast(ours, theirs):.0f} ×"
    return [Row(f"{CUT:,} packets of A beside pyshark, start included", measured, command="monitor flows cut.pcap")]


def pace(runs: Sequence[Run], packets: int) -> str:
    """Packets a second, seconds, processor seconds and peak memory, in words."""
    own = max(one.own for one in runs) / GIB
    processor = statistics.median(one.processor for one in runs)
    rate = packets / wall(runs) / 1e6
    return f"{rate:.3g} M packets/s ({wall(runs):.1f} s, {processor:.1f} s of processors, {own:.2f} GiB)"


def contents(output: Path) -> dict[str, int]:
    """What an Arrow file of flow records holds: flows, their packets, and how many were evicted."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = {"flows": 0, "packets": 0, "evicted": 0}
    with pa.memory_map(str(output)) as file, pa.ipc.open_file(file) as reader:
        for number in range(reader.num_record_batches):
            batch = reader.get_batch(number)
            found["flows"] += batch.num_rows
            found["packets"] += sum(pc.sum(batch.column(f"{side}_packets")).as_py() for side in ("src", "dst"))
            found["evicted"] += pc.sum(pc.equal(batch.column("end_reason"), 5)).as_py()
    return found


PARTS = {"town": town, "flood": flood, "cut": small}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--rounds", type=int, help="default: 3, with pyshark 1")
    chosen = parser.parse_args()
    for part in chosen.part or PARTS:
        show(PARTS[part](chosen.rounds) if chosen.rounds else PARTS[part]())

"""Measures carving and inspecting a flow of B beside tshark and tcpdump, and the report of a replay of A.

    python -m benchmarks.carve [--rounds 5]

tshark takes a part of B only, and its time is scaled up. Neither we nor tcpdump hash the input here (ours does with
--hash-inputs); openssl's time beside it says what that would take. The report is opened in headless Chromium.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import time
from pathlib import Path

from benchmarks.flows import MONITOR, scratch
from benchmarks.inputs import PACKETS, capture, cut
from benchmarks.measure import in_turn, run, times_as_fast, wall, warm
from benchmarks.table import Row, against, show

TSHARK_PACKETS = 250_000


def rows(rounds: int = 5) -> list[Row]:
    """Carving by flow and by filter, tcpdump, tcpdump and sha256sum, tshark."""
    path = capture("B")
    part = cut("B", TSHARK_PACKETS)
    warm(path)
    with scratch() as folder:
        flow = _a_flow(part, folder)
        chosen = f"host {flow['src_ip']} and host {flow['dst_ip']} and tcp port {flow['src_port']}"
        name = str(flow["community_id"])
        out, kept = folder / "out.pcapng", folder / "kept.pcap"
        ours = [MONITOR, "carve", path, "-o", out]
        dump = ["tcpdump", "-n", "-r", path, "-w", kept, chosen]
        run([MONITOR, "carve", part, "--flow", name, "--filter", chosen, "-o", out]).checked()
        runs = in_turn(
            {
                "monitor carve --flow": lambda: run([*ours, "--flow", name]).checked(),
                "monitor carve --filter": lambda: run([*ours, "--filter", chosen]).checked(),
                "tcpdump": lambda: run(dump).checked(),
                "openssl": lambda: run(["openssl", "dgst", "-sha256", path]).checked(),
            },
            rounds,
        )
        display = f'communityid == "{name}"'
        theirs = run(
            ["tshark", "-n", "-r", part, "--enable-protocol", "communityid", "-Y", display, "-w", kept]
        ).checked()
    taken, dumped = wall(runs["monitor carve --flow"]), wall(runs["tcpdump"])
    scaled = theirs.wall * PACKETS["B"] / TSHARK_PACKETS
    both = dumped + wall(runs["openssl"])
    command = "monitor carve B.pcap --flow ID -o out.pcapng"
    return [
        against("carve one flow out of B (2.4 GB), output hashed", taken, 3, "s", most=True, command=command,
                detail=f"with a packet filter instead {wall(runs['monitor carve --filter']):.2f} s"),
        against("the same, beside `tshark -Y`", scaled / taken, 20, "× tshark", command=command,
                detail=f"tshark {theirs.wall:.1f} s for {TSHARK_PACKETS:,} packets, {scaled:.0f} s for all"),
        against("the same, beside `tcpdump -r` with the same filter", times_as_fast(
                    runs["monitor carve --filter"], runs["tcpdump"]), 1, "× tcpdump", command=command,
                detail=f"tcpdump {dumped:.2f} s; with `openssl dgst -sha256` of its input after it {both:.2f} s"),
    ]  # fmt: skip


def _a_flow(part: Path, folder: Path) -> dict[str, object]:
    """The TCP flow over IPv4 with most packets."""
    output = folder / "flows.jsonl"
    run([MONITOR, "flows", part, "-o", output]).checked()
    with output.open() as lines:
        every = (json.loads(line) for line in lines)
        return max(
            (row for row in every if row["proto"] == 6 and "." in row["src_ip"] and not row["tunnel"]),
            key=lambda row: int(row["src_packets"]) + int(row["dst_packets"]),
        )


def inspected(rounds: int = 3) -> list[Row]:
    """Seconds until `monitor inspect` of a flow of B shows its first packet."""
    path, part = capture("B"), cut("B", TSHARK_PACKETS)
    warm(path)
    with scratch() as folder:
        name = str(_a_flow(part, folder)["community_id"])
    taken = []
    for _ in range(rounds + 1):
        began = time.monotonic()
        with subprocess.Popen(
            [MONITOR, "inspect", path, "--flow", name, "--packets", "20"], stdout=subprocess.PIPE, text=True
        ) as process:
            next(line for line in process.stdout or () if line.startswith("Packets"))
            taken.append(time.monotonic() - began)
            process.communicate()
    detail = f"the slowest {max(taken[1:]):.2f} s"
    return [
        against("inspect one flow of B to the first packet", statistics.median(taken[1:]), 6, "s", most=True,
                command="monitor inspect B.pcap --flow ID", detail=detail)
    ]  # fmt: skip


def report(rounds: int = 5) -> list[Row]:
    """Size of the report of a replay of A, and how long Chromium takes to load it."""
    from playwright.sync_api import sync_playwright

    with scratch() as folder:
        page = folder / "out.html"
        command = ["replay", capture("A"), "--store", "none", "--format", "json", "--report", page]
        run([MONITOR, *command]).checked()
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-background-networking"]
            )
            taken = []
            for _ in range(rounds):
                context = chromium.new_context(offline=True)
                tab = context.new_page()
                began = time.monotonic()
                tab.goto(page.as_uri(), wait_until="load")
                tab.locator("footer").wait_for()
                taken.append(time.monotonic() - began)
                context.close()
            chromium.close()
        size = page.stat().st_size / 1e6
    said = "monitor replay A.pcap --report out.html"
    return [
        against("report of a replay of A", size, 2, "MB", most=True, command=said),
        against("the same, until Chromium has loaded it", statistics.median(taken), 1, "s", most=True, command=said),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    show([*rows(rounds), *inspected(), *report()])

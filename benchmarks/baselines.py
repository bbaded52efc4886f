"""What others would have found on the same captures: incidents of plain outlier detectors, RITA's score, Slips' rules.

A detector that gives scores alarms above a threshold. It is set where ordinary captures have as many false incidents as
ours had, so that recall stands beside recall at one price; alarms of one host within 15 minutes are one incident.
Detectors themselves are in `outliers` (peers' environment) and `rita`; nothing here tunes them.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.peers import outliers
from benchmarks.rita import LEAST, beacon_score
from monitor.addresses import address_text
from monitor.evaluation.day import Case
from monitor.evaluation.scenario import at_home

QUIET = 900.0
"""Seconds without an alarm that end an incident."""
OUTLIERS = ("isolation forest", "ECOD", "HBOS")


@dataclass(frozen=True, slots=True)
class Alarm:
    """One suspicious thing: who, when (s since 1970), how strange."""

    host: str
    time: float
    score: float


@dataclass(slots=True)
class Flows:
    """Columns of a capture that baselines look at."""

    src: list[str]
    dst: list[str]
    port: np.ndarray
    start: np.ndarray
    duration: np.ndarray
    sent: np.ndarray
    answered: np.ndarray
    proto: np.ndarray
    name: list[str]
    service: list[str]


def flows(case: Case) -> Flows:
    """The columns of a case's table."""
    table = case.table
    numbers = {name: table[name].to_numpy() for name in ("dst_port", "duration", "src_bytes", "dst_packets", "proto")}
    return Flows(
        [address_text(one) for one in table["src_ip"].to_pylist()],
        [address_text(one) for one in table["dst_ip"].to_pylist()],
        numbers["dst_port"],
        table["start"].cast("int64").to_numpy() / 1e6,
        numbers["duration"],
        numbers["src_bytes"],
        numbers["dst_packets"] > 0,
        numbers["proto"],
        table["server_name"].to_pylist(),
        table["service"].to_pylist(),
    )


def rita(case: Case) -> Iterator[Alarm]:
    """RITA's score of each pair of client and server, and of client and name; it names the client."""
    found = flows(case)
    if not len(found.start):
        return
    period = float(found.start.min()), float(found.start.max())
    pairs: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row, (src, dst, name) in enumerate(zip(found.src, found.dst, found.name, strict=True)):
        pairs[src, dst].append(row)
        if name:
            pairs[src, f"name {name}"].append(row)
    for (src, _), rows in pairs.items():
        if len(rows) >= LEAST:
            score = beacon_score(found.start[rows], found.sent[rows].astype(float), period)
            yield Alarm(src, float(found.start[rows[-1]]), score)


def slips(case: Case) -> Iterator[Alarm]:
    """Slips' fixed rules: over 5 ports or hosts unanswered an hour, 100 MB an hour out, 1,500 s long, 9 SSH log-ins."""
    found = flows(case)
    hours = (found.start // 3600).astype(int)
    ports: dict[tuple[str, str, int], set[int]] = defaultdict(set)
    hosts: dict[tuple[str, int, int], set[str]] = defaultdict(set)
    sent: dict[tuple[str, int], float] = defaultdict(float)
    logins: dict[tuple[str, str, int], int] = defaultdict(int)
    for row, (src, dst, hour) in enumerate(zip(found.src, found.dst, hours.tolist(), strict=True)):
        if not found.answered[row]:
            ports[src, dst, hour].add(int(found.port[row]))
            hosts[src, int(found.port[row]), hour].add(dst)
        if at_home(src) and not at_home(dst):
            sent[src, hour] += float(found.sent[row])
        if found.duration[row] > 1500:
            yield Alarm(src, float(found.start[row]), 1.0)
        if found.service[row] == "ssh":
            logins[src, dst, hour] += 1
    told = [(key[0], key[2]) for key, value in ports.items() if len(value) > 5]
    told += [(key[0], key[2]) for key, value in hosts.items() if len(value) > 5]
    told += [key for key, value in sent.items() if value > 100e6]
    told += [(key[0], key[2]) for key, count in logins.items() if count >= 9]
    for host, hour in told:
        yield Alarm(host, hour * 3600.0 + 1800, 1.0)


def outlier_alarms(cases: Sequence[Case]) -> dict[str, list[list[Alarm]]]:
    """For each plain detector and each case its flows as alarms: the end at home, else the initiator, is the host."""
    with tempfile.TemporaryDirectory() as folder:
        listed, out = Path(folder) / "captures.tsv", Path(folder) / "scores.npz"
        paths = [str(case.labelled.capture.resolve()) for case in cases]
        kinds = ["benign" if case.labelled.benign else "attack" for case in cases]
        listed.write_text("\n".join(f"{path}\t{kind}" for path, kind in zip(paths, kinds, strict=True)))
        subprocess.run([*outliers(), listed, out], check=True, capture_output=True)
        with np.load(out) as archive:
            scored = {str(archive[name]): name.split("|")[0] for name in archive.files if name.endswith("|path")}
            alarms: dict[str, list[list[Alarm]]] = {name: [] for name in OUTLIERS}
            for path in paths:
                at = scored.get(path)
                for name in OUTLIERS:
                    alarms[name].append(_alarms(archive, at, name) if at is not None else [])
            return alarms


def _alarms(archive: np.lib.npyio.NpzFile, at: str, name: str) -> list[Alarm]:
    src, dst, start = (archive[f"{at}|{what}"].tolist() for what in ("src", "dst", "start"))
    scores = archive[f"{at}|{name}"].tolist()
    hosts = [b if at_home(b) and not at_home(a) else a for a, b in zip(src, dst, strict=True)]
    return [Alarm(host, ms / 1e3, score) for host, ms, score in zip(hosts, start, scores, strict=True)]


def incidents(alarms: Sequence[Alarm], threshold: float) -> int:
    """Incidents that alarms above the threshold make."""
    times: dict[str, list[float]] = defaultdict(list)
    for alarm in alarms:
        if alarm.score > threshold:
            times[alarm.host].append(alarm.time)
    return sum(1 + int((np.diff(np.sort(own)) > QUIET).sum()) for own in times.values())


def threshold(quiet: Sequence[Sequence[Alarm]], most: int) -> float:
    """The lowest score above which ordinary captures have at most `most` false incidents."""
    scores = np.unique([alarm.score for alarms in quiet for alarm in alarms])
    low, high = 0, len(scores) - 1
    if not len(scores):
        return 0.0
    while low < high:
        middle = (low + high) // 2
        if sum(incidents(alarms, scores[middle]) for alarms in quiet) <= most:
            high = middle
        else:
            low = middle + 1
    return float(scores[low])


def found(case: Case, alarms: Sequence[Alarm], above: float) -> list[bool]:
    """For each attack of the case whether an alarm above the threshold names a right host at the right time."""
    out = []
    for truth in case.truths:
        first, last = truth.start.timestamp() - 60, truth.end.timestamp() + 60
        hour = 1800  # rules by the hour tell no time within it
        told = (one for one in alarms if one.score > above and one.host in truth.hosts)
        out.append(any(first - hour <= one.time <= last + hour for one in told))
    return out


RULES: dict[str, Callable[[Case], Iterator[Alarm]]] = {"RITA": rita, "Slips' rules": slips}


def rows(cases: Sequence[Case], false: int) -> list[dict[str, object]]:
    """A row a baseline: recall in all and by class at (about) `false` false incidents on ordinary captures."""
    named = {name: [list(rule(case)) for case in cases] for name, rule in RULES.items()} | outlier_alarms(cases)
    kinds = sorted({truth.kind for case in cases for truth in case.truths})
    table = []
    for name, alarms in named.items():
        quiet = [own for case, own in zip(cases, alarms, strict=True) if case.labelled.benign]
        above = 0.0 if name == "Slips' rules" else threshold(quiet, false)
        hits: dict[str, list[bool]] = defaultdict(list)
        for case, own in zip(cases, alarms, strict=True):
            for truth, hit in zip(case.truths, found(case, own, above), strict=True):
                hits[truth.kind].append(hit)
        every = [hit for own in hits.values() for hit in own]
        table.append(
            {"detector": name, "false_incidents": sum(incidents(own, above) for own in quiet), "cases": len(every),
             "recall": round(float(np.mean(every)), 4)}
            | {kind: f"{sum(hits[kind])}/{len(hits[kind])}" for kind in kinds}
        )  # fmt: skip
    return table

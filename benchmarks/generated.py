"""Long behaviour, generated (and labelled so), laid into a day of ordinary flows: what the hunts find, beside RITA.

    python -m benchmarks.generated

Beacons of periods from 10 s to 6 h, jitter 0 to 50 %, missed beats and sleep; scans over a day; uploads in pieces.
Sizes, durations and histories are drawn from the flows of the ordinary captures; only times, ends and what is
manipulated are made. A beacon is watched for a day, and at least for 24 of its periods.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import detection_labels
from benchmarks.detection import KEPT
from benchmarks.rita import LEAST, beacon_score
from benchmarks.table import Row, against, show
from monitor.config import load_settings
from monitor.detect import Incident, find_incidents, load_hunts
from monitor.evaluation.day import START, Case, benign_day
from monitor.evaluation.flow_table import flow_table
from monitor.report import Progress
from monitor.store import open_store

if TYPE_CHECKING:
    import pyarrow as pa

COMMAND = "python -m benchmarks.generated"
DAY = 86_400.0
BEATS = 24
PERIODS = (10.0, 60.0, 300.0, 1800.0, 7200.0, 21_600.0)
JITTERS = (0.0, 0.1, 0.3, 0.5)
MISSED = (0.0, 0.1, 0.2)
SLEEP = 8 * 3600.0
ROUNDS = 3
"""Beacons of each kind."""

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Made:
    """One generated behaviour: who, times in s of the day, what each flow has that the templates have not."""

    kind: str
    host: str
    times: NDArray[np.float64]
    fields: Fields
    facts: Mapping[str, float]


def beacons(random: np.random.Generator) -> Iterator[Made]:
    """Every combination of period, jitter, missed share, with and without a night's sleep, by address and by name."""
    kinds = itertools.product(PERIODS, JITTERS, MISSED, (False, True), ("address", "name"), range(ROUNDS))
    for number, (period, jitter, missed, sleeps, by, _) in enumerate(kinds):
        if sleeps and period > 1800:
            continue  # a pause of a few periods is no sleep
        watched = max(DAY, BEATS * period)
        steps = period * random.uniform(1 - jitter, 1 + jitter, int(watched / period * 1.6) + 4)
        times = random.uniform(0, period) + np.cumsum(steps)
        times = times[(times < watched) & (random.random(len(times)) >= missed)]
        if sleeps:
            times = times[times % DAY >= SLEEP]
        facts = {"period": period, "jitter": jitter, "missed": missed, "sleeps": float(sleeps)}
        server = _address(f"198.18.{number // 250}.{number % 250 + 1}")
        fields = {"dst_ip": server, "server_name": f"cdn{number}.example" if by == "name" else ""}
        yield Made("beacon", _host(number), times, fields, facts)


def slow_scans(random: np.random.Generator) -> Iterator[Made]:
    """A port of one host, or one port of a host, every half hour to hour, none of which answers."""
    for number in range(20):
        tries = int(random.integers(26, 48))
        times = np.cumsum(random.uniform(0.5, 1.5, tries) * DAY / tries / 1.2)
        ports, victims = np.full(tries, 445), [f"10.9.{number}.{n + 1}" for n in range(tries)]
        if number % 2:
            ports, victims = random.permutation(np.arange(20, 1000))[:tries], [f"10.9.{number}.7"] * tries
        silent = {
            "dst_ip": [_address(one) for one in victims], "dst_port": ports, "src_packets": 1, "dst_packets": 0,
            "src_payload": 0, "dst_payload": 0, "history": "S", "state": "S0", "server_name": "", "ja4": "",
            "direction": "internal", "service": "unknown", "duration": 0.0,
        }  # fmt: skip
        yield Made("slow scan", _host(5000 + number), times, silent, {"tries": float(tries)})


def drips(random: np.random.Generator) -> Iterator[Made]:
    """30 to 100 MB that leave in pieces of 100 kB to 1 MB over a day, to one address."""
    for number in range(20):
        total, sizes = random.uniform(30e6, 100e6), random.uniform(1e5, 1e6, 1000)
        sizes = sizes[: int(np.searchsorted(np.cumsum(sizes), total)) + 1]
        times = np.sort(random.uniform(0, DAY, len(sizes)))
        fields = {
            "dst_ip": _address(f"198.19.1.{number + 1}"), "src_payload": sizes.astype(np.uint64), "dst_payload": 3000,
            "src_bytes": (sizes * 1.05).astype(np.uint64), "server_name": f"drop{number}.example",
        }  # fmt: skip
        yield Made("upload in pieces", _host(6000 + number), times, fields, {"bytes": float(sizes.sum())})


def first_reason_names(made: Made, reason: str) -> bool:
    """Whether the sentence speaks of what was manipulated, with its value."""
    if made.kind == "beacon":
        told = re.search(r"every ([\d.,]+) (ms|s|min|h|d)\b", reason)
        if not told:
            return False
        seconds = float(told[1].replace(",", "")) * {"ms": 1e-3, "s": 1, "min": 60, "h": 3600, "d": DAY}[told[2]]
        return abs(seconds / made.facts["period"] - 1) <= 0.1 + 0.4 * made.facts["jitter"]
    if made.kind == "slow scan":
        return reason.startswith(f"{int(made.facts['tries'])} attempts")
    return reason.startswith("sent ")


def flows_of(all_made: Sequence[Made], ordinary: pa.Table, random: np.random.Generator) -> pa.Table:
    """The flows of every behaviour: rows drawn from the ordinary TLS flows, with times, ends and fields replaced."""
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = pc.and_(
        pc.equal(ordinary["service"].cast(pa.string()), "tls"), pc.equal(ordinary["state"].cast(pa.string()), "SF")
    )
    templates = ordinary.filter(pc.and_(plain, pc.equal(ordinary["part"], 0)))
    counts = [len(one.times) for one in all_made]
    table = templates.take(pa.array(random.integers(0, len(templates), sum(counts))))
    starts = (int(START.timestamp()) + np.concatenate([one.times for one in all_made])) * 1e6
    durations = table["duration"].to_numpy().copy()
    names = sorted({name for one in all_made for name in one.fields} | {"direction", "dst_port"})
    values = {name: table[name].to_pylist() for name in names}
    at = 0
    for one, count in zip(all_made, counts, strict=True):
        for name, value in {"direction": "outbound", "dst_port": 443, **one.fields}.items():
            values[name][at : at + count] = [value] * count if np.ndim(value) == 0 else list(value)
        at += count
    durations = np.minimum(np.asarray(values.pop("duration", durations), float), 5.0)
    hosts = np.repeat([_address(one.host) for one in all_made], counts)
    for name, column in values.items():
        table = _with(table, name, pa.array([_plain(one) for one in column]))
    table = _with(table, "src_ip", pa.array(hosts.tolist()))
    table = _with(table, "start", pa.array(starts.astype(np.int64)))
    table = _with(table, "end", pa.array((starts + durations * 1e6).astype(np.int64)))
    table = _with(table, "duration", pa.array(durations))
    return _with(table, "flow_id", pa.array(random.integers(1, 2**63, sum(counts)).astype(np.uint64)))


def _with(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    import pyarrow as pa

    field = table.schema.field(name)
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    cast = column.cast(kind)
    return table.set_column(
        table.schema.get_field_index(name),
        field,
        cast.dictionary_encode().cast(field.type) if kind != field.type else cast,
    )


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _address(text: str) -> bytes:
    return b"\0" * 10 + b"\xff\xff" + bytes(int(part) for part in text.split("."))


def _host(number: int) -> str:
    return f"10.{200 + number // 62_500}.{number // 250 % 250}.{number % 250 + 1}"


def ordinary_day() -> pa.Table:
    """The ordinary captures as one day of a network."""
    import pyarrow as pa

    settings = load_settings(None)
    with Progress("ordinary") as progress:
        cases = [Case(one, flow_table(one.capture, settings, progress, KEPT), ()) for one in detection_labels.benign()]
    return pa.concat_tables(benign_day(cases, 0).tables).unify_dictionaries().combine_chunks()


def rita_scores(table: pa.Table) -> dict[tuple[bytes, bytes], float]:
    """RITA's score of each pair in a table, by client and server; the watched time is that of the pair's own run."""
    pairs: dict[tuple[bytes, bytes], list[int]] = defaultdict(list)
    for row, pair in enumerate(zip(table["src_ip"].to_pylist(), table["dst_ip"].to_pylist(), strict=True)):
        pairs[pair].append(row)
    starts = table["start"].cast("int64").to_numpy() / 1e6 - START.timestamp()
    sent = table["src_bytes"].to_numpy().astype(float)
    found = {}
    for pair, rows in pairs.items():
        if len(rows) >= LEAST:
            days = max(1.0, np.ceil(starts[rows].max() / DAY))
            found[pair] = beacon_score(np.sort(starts[rows]), sent[rows], (0.0, days * DAY))
    return found


def measure() -> list[Row]:
    """Generate, hunt, compare."""
    random = np.random.default_rng(20261125)
    made = [*beacons(random), *slow_scans(random), *drips(random)]
    ordinary = ordinary_day()
    flows = flows_of(made, ordinary, random)
    hunts = [one for one in load_hunts() if one.id in ("beacon", "slow_scan", "upload")]
    with open_store("none") as store:
        found = []
        for run, tables in (("ordinary", [ordinary]), ("laid", [ordinary, flows])):
            store.begin_run(run)
            for table in tables:
                for batch in table.to_batches(max_chunksize=65_536):
                    store.insert_flows(batch)
            store.publish_flows()
            found.append(find_incidents(store, run, hunts=hunts))
    by_host: dict[str, list[Incident]] = defaultdict(list)
    for incident in found[1]:
        by_host[str(incident["host"])].append(incident)
    false = [one for one in found[0] if one["detector"] == "beacon"]
    quiet = sorted(rita_scores(ordinary).values(), reverse=True)
    above = quiet[len(false)] if len(quiet) > len(false) else 0.0
    theirs = {pair: score > above for pair, score in rita_scores(flows).items()}
    return _rows(made, by_host, theirs, len(false))


def _rows(
    made: Sequence[Made],
    by_host: Mapping[str, Sequence[Incident]],
    theirs: Mapping[tuple[bytes, bytes], bool],
    false: int,
) -> list[Row]:
    def of(sleeps: bool, low: float, high: float) -> list[Made]:
        return [
            one for one in made
            if one.kind == "beacon" and one.facts["sleeps"] == sleeps and low <= one.facts["jitter"] <= high
        ]  # fmt: skip

    groups = (
        ("jitter ≤ 30 %", of(False, 0, 0.3), 98.0),
        ("jitter 50 %", of(False, 0.5, 0.5), 90.0),
        ("8 h of sleep, jitter ≤ 30 %", of(True, 0, 0.3), 98.0),
        ("8 h of sleep, jitter 50 %", of(True, 0.5, 0.5), 90.0),
    )
    rows = [_beacon_row(name, group, bar, by_host, theirs, false) for name, group, bar in groups]
    for kind in ("slow scan", "upload in pieces"):
        group = [one for one in made if one.kind == kind]
        share = 100 * np.mean([_told(one, by_host) for one in group])
        rows.append(Row(f"generated {kind} over 24 h: found", f"{share:.3g} % ({len(group)} cases)", command=COMMAND))
    told = [(one, by_host[one.host][0]) for one in made if _told(one, by_host)]
    named = 100 * float(np.mean([first_reason_names(one, str(incident["reasons"][0])) for one, incident in told]))
    what = "first reason names the manipulated property with its value, of the generated ones found"
    return [*rows, against(what, named, 100, "%", command=COMMAND, detail=f"{len(told)} cases")]


def _beacon_row(
    name: str,
    group: Sequence[Made],
    bar: float,
    by_host: Mapping[str, Sequence[Incident]],
    theirs: Mapping[tuple[bytes, bytes], bool],
    false: int,
) -> Row:
    ours = [_told(one, by_host) for one in group]
    rita = 100 * np.mean([theirs.get((_address(one.host), one.fields["dst_ip"]), False) for one in group])
    missed = Counter(one.facts["period"] for one, hit in zip(group, ours, strict=True) if not hit)
    where = ", ".join(f"{count} of {period:,.0f} s" for period, count in sorted(missed.items()))
    detail = f"{len(group)} cases; RITA's score {rita:.1f} % at as many false ones, {false} in the ordinary day"
    what = f"generated beacons, 10 s to 6 h, ≤ 20 % missed, {name}: found"
    detail += f"; missed {where}" if where else ""
    return against(what, 100 * float(np.mean(ours)), bar, "%", command=COMMAND, detail=detail)


def _told(one: Made, by_host: Mapping[str, Sequence[Incident]]) -> bool:
    detector = {"beacon": "beacon", "slow scan": "slow_scan", "upload in pieces": "upload"}[one.kind]
    return any(incident["detector"] == detector for incident in by_host.get(one.host, ()))


if __name__ == "__main__":
    show(measure())

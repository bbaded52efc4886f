"""Tells which stored flows a model must not take for ordinary: those of incidents that are open or were judged true.

Reading flows is up to `store`, learning from the others to `model`; `past_flows` joins them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from monitor.addresses import packed_address
from monitor.event_time import microseconds

if TYPE_CHECKING:
    import pyarrow as pa

    from monitor.config import Settings
    from monitor.store import Store

COLUMNS = ("src_ip", "dst_ip", "service", "start", "end")
"""What the guard reads of a flow."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """An incident whose flows are left out: of its host in its time, all, or those with its peer and service."""

    why: str
    """`open` or `true`."""
    detector: str
    host: bytes
    peer: bytes
    """Empty: any."""
    service: str
    """Empty: any."""
    first: int
    last: int
    """Event time, µs since 1970."""


class Guard:
    """Leaves out the flows of suspects, and counts them."""

    def __init__(self, suspects: Sequence[Suspect]) -> None:
        self.suspects = tuple(suspects)
        self._by_host: dict[bytes, list[int]] = {}
        for place, suspect in enumerate(suspects):
            self._by_host.setdefault(suspect.host, []).append(place)
        self._flows = np.zeros(len(self.suspects), np.int64)

    def allowed(self, batch: pa.RecordBatch) -> NDArray[np.bool_]:
        """Which flows (n,) may be learnt from. Needs `COLUMNS`; a flow of several suspects counts for the first."""
        import pyarrow as pa
        import pyarrow.compute as pc

        free = np.ones(batch.num_rows, np.bool_)
        if not self._by_host:
            return free
        hosts = pa.array(list(self._by_host), batch.schema.field("src_ip").type)
        either = pc.or_(pc.is_in(batch.column("src_ip"), hosts), pc.is_in(batch.column("dst_ip"), hosts))
        touched = np.flatnonzero(either.to_numpy(zero_copy_only=False))
        if not len(touched):
            return free
        some = batch.select(COLUMNS).take(pa.array(touched))
        for host in {*some["src_ip"].to_pylist(), *some["dst_ip"].to_pylist()} & self._by_host.keys():
            for place in self._by_host[host]:
                guilty = touched[_of(some, self.suspects[place])]
                self._flows[place] += int(free[guilty].sum())
                free[guilty] = False
        return free

    def windows(self, table: pa.Table, width: int) -> pa.Table:
        """The windows of hosts (`host`, `window` in s) but those of a suspect's host that overlap its time."""
        import pyarrow as pa

        starts = np.asarray(table["window"].to_numpy(), np.int64) * 1_000_000
        free = np.ones(len(starts), np.bool_)
        for row, host in enumerate(table["host"].to_pylist()):
            begin, end = starts[row], starts[row] + width * 1_000_000
            theirs = (self.suspects[place] for place in self._by_host.get(host, ()))
            free[row] = not any(one.first < end and one.last >= begin for one in theirs)
        return table.filter(pa.array(free))

    def told(self) -> list[dict[str, Any]]:
        """A row a reason and detector: incidents, and flows left out because of them; for the card."""
        rows: dict[tuple[str, str], list[int]] = {}
        for suspect, flows in zip(self.suspects, self._flows.tolist(), strict=True):
            entry = rows.setdefault((suspect.why, suspect.detector), [0, 0])
            entry[0] += 1
            entry[1] += flows
        return [
            {"why": f"{why} incidents", "detector": detector, "incidents": incidents, "flows": flows}
            for (why, detector), (incidents, flows) in sorted(rows.items())
        ]


def guard_of(
    store: Store, settings: Settings, run_id: str, since: datetime | None = None, until: datetime | None = None
) -> Guard:
    """The guard by the incidents and verdicts of a run (`''`: live) that something was seen of in that time.

    An incident judged true takes all flows of its host in its time: whoever was broken into is not ordinary. One that
    is open and not judged takes those that tell it apart (`identity` of its hunt): of the pair, or of the host. What
    was judged false or benign, is suppressed, or closed without a verdict is learnt from. Raises StoreError.
    """
    from monitor import recall
    from monitor.detect import STATES
    from monitor.judging import suppressions

    said = {
        row["incident_id"]: row["verdict"]
        for row in store.query(
            "SELECT incident_id, verdict FROM current_verdicts WHERE run_id = {run:String}", {"run": run_id}
        ).to_pylist()
    }
    found = recall.incidents(
        store,
        run_id=run_id,
        since=since,
        until=until,
        states=STATES,
        suppressions=suppressions(store, settings),
        limit=recall.MOST_READ,
    )
    return Guard(list(_suspects(found, said)))


def _suspects(incidents: Sequence[Mapping[str, Any]], verdicts: Mapping[str, str]) -> Iterator[Suspect]:
    from monitor.detect import detector_identities

    identities = detector_identities()
    for row in incidents:
        verdict = verdicts.get(row["incident_id"], "")
        is_open = row["state"] == "open" and row["event"] != "closed" and not verdict
        host = _packed(row["host"])
        if host and (verdict == "true" or is_open):
            apart = () if verdict == "true" else identities.get(row["detector"], ("host",))
            yield Suspect(
                verdict or "open",
                row["detector"],
                host,
                _packed(row["peer"]) if "peer" in apart else b"",
                row["service"] if row["detector"] == "anomaly" and "service" in apart else "",
                microseconds(row["first_seen"]),
                microseconds(row["last_seen"]),
            )


def _of(flows: pa.RecordBatch, suspect: Suspect) -> NDArray[np.bool_]:
    """Which flows (n,) are the suspect's."""
    import pyarrow as pa
    import pyarrow.compute as pc

    def end(side: str, address: bytes) -> NDArray[np.bool_]:
        column = flows[f"{side}_ip"]
        out: NDArray[np.bool_] = pc.equal(column, pa.scalar(address, column.type)).to_numpy(zero_copy_only=False)
        return out

    src, dst = end("src", suspect.host), end("dst", suspect.host)
    if suspect.peer:
        src, dst = src & end("dst", suspect.peer), dst & end("src", suspect.peer)
    starts, ends = (flows[name].cast(pa.int64()).to_numpy() for name in ("start", "end"))
    which: NDArray[np.bool_] = (src | dst) & (starts <= suspect.last) & (ends >= suspect.first)
    if suspect.service:
        service = pc.equal(flows["service"].cast(pa.string()), suspect.service)
        which = which & service.to_numpy(zero_copy_only=False)
    return which


def _packed(address: str) -> bytes:
    """16 bytes of an address; empty for what is none."""
    try:
        return packed_address(address)
    except ValueError:
        return b""

"""What the flows that show an incident have in common with the outside: Community IDs, names, ports, JA4.

Looked up for the few flows that are shown, not carried through every hunt.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from monitor.store import Store

LOOKED_UP = 100
"""Flows of one look-up at a server: their ids travel in its URL."""
LOOKED_UP_HERE = 10_000
"""The same at an embedded store, which reads all the run's flows for each look-up."""


class Shown(NamedTuple):
    """What one flow shows."""

    community_id: str
    name: str
    port: int
    ja4: str


def flows_shown(store: Store, run_id: str, flow_ids: Sequence[int]) -> dict[int, Shown]:
    """What each of the flows shows, by its id; a port only where the protocol has ports."""
    sql = (
        "SELECT flow_id, min(community_id) AS community_id, "
        "lower(max(if(server_name != '', server_name, dns_query))) AS name, "
        "max(if(proto IN (6, 17, 132), dst_port, 0)) AS port, max(ja4) AS ja4 "
        "FROM flows WHERE run_id = {run:String} AND flow_id IN {flow_ids:Array(UInt64)} GROUP BY flow_id"
    )
    shown: dict[int, Shown] = {}
    most = LOOKED_UP_HERE if store.embedded else LOOKED_UP
    for begin in range(0, len(flow_ids), most):
        table = store.query(sql, {"run": run_id, "flow_ids": flow_ids[begin : begin + most]})
        shown |= {row.pop("flow_id"): Shown(**row) for row in table.to_pylist()}
    return shown


def what_they_show(flows: Iterable[Shown]) -> dict[str, Any]:
    """Fields of an incident: each value once, in the order of the flows."""
    kept = list(flows)
    return {
        "community_ids": tuple(dict.fromkeys(flow.community_id for flow in kept if flow.community_id)),
        "names": tuple(dict.fromkeys(flow.name for flow in kept if flow.name)),
        "ports": tuple(dict.fromkeys(flow.port for flow in kept if flow.port)),
        "ja4": tuple(dict.fromkeys(flow.ja4 for flow in kept if flow.ja4)),
    }

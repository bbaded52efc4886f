"""Lays flow records into other traffic: shifted in time, the host in question put in the place of a host of ours.

What is true of the attacks moves with them. Works on flows, not packets, so that a day of traffic takes seconds; a
capture's own rhythm, volumes and peers stay as they were. Scoring and hunting are up to `campaign`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from monitor.addresses import address_text, packed_address
from monitor.evaluation.matching import Truth

if TYPE_CHECKING:
    import pyarrow as pa

Networks = Sequence[IPv4Network | IPv6Network]

HOME: Networks = tuple(
    map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "169.254.0.0/16", "fe80::/10"))
)
"""Unicast addresses that are somebody's own network in every capture."""
_GROUPS: Networks = tuple(map(ip_network, ("224.0.0.0/4", "255.255.255.255/32", "ff00::/8", "0.0.0.0/32", "::/128")))
_LONGEST_PAUSE = 900 * 1_000_000
"""µs; a longer silence within a capture was not watched, and is cut to this when it is laid into a day."""


def at_home(address: str, more: Networks = ()) -> bool:
    """Whether it is the address of one host in a home network."""
    found = ip_address(address)
    return any(found in network for network in (*HOME, *more) if network.version == found.version)


def addresses(table: pa.Table, side: str | None = None) -> list[str]:
    """Every address of the flows' ends, the one in most flows first; `side`: `src` or `dst` only."""
    import pyarrow as pa
    import pyarrow.compute as pc

    names = [f"{side}_ip"] if side else ["src_ip", "dst_ip"]
    column = pa.chunked_array([chunk for name in names for chunk in table[name].chunks], pa.binary(16))
    counted = pc.value_counts(column).to_pylist()
    return [address_text(one["values"]) for one in sorted(counted, key=lambda one: (-one["counts"], one["values"]))]


def home_hosts(table: pa.Table, more: Networks = ()) -> list[str]:
    """Home addresses that sent something: opened a flow or answered one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    answered = table.filter(pc.greater(table["dst_packets"], pa.scalar(0, pa.uint64())))
    spoke = dict.fromkeys([*addresses(table, "src"), *addresses(answered, "dst")])
    groups = {text for text in spoke if any(ip_address(text) in net for net in _GROUPS if _same(text, net))}
    return [text for text in spoke if text not in groups and at_home(text, more)]


def lay(table: pa.Table, moved: Mapping[str, str], shift: int, *, salt: int = 0) -> pa.Table:
    """The flows with addresses replaced, all times later by `shift` µs, and ids that are theirs alone.

    Directions and zones are told anew, by RFC 1918 and ULA.
    """
    import pyarrow as pa

    out = table
    for side in ("src", "dst"):
        out = _set(out, f"{side}_ip", _replaced(table[f"{side}_ip"], moved))
    for name in ("start", "end"):
        times = table[name].cast(pa.int64()).to_numpy() + shift
        out = _set(out, name, pa.array(times, pa.int64()).cast(table.schema.field(name).type))
    ids = table["flow_id"].to_numpy() ^ np.uint64(salt * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF)
    return _zoned(_set(out, "flow_id", pa.array(ids, pa.uint64())))


def without_pauses(table: pa.Table) -> pa.Table:
    """The flows in order of start, with every silence of more than 15 minutes cut to that."""
    import pyarrow as pa

    ordered = table.sort_by([("start", "ascending"), ("flow_id", "ascending")])
    starts = ordered["start"].cast(pa.int64()).to_numpy()
    if len(starts) < 2:
        return ordered
    excess = np.maximum(np.diff(starts) - _LONGEST_PAUSE, 0)
    back = np.concatenate([[0], np.cumsum(excess)])
    for name in ("start", "end"):
        times = ordered[name].cast(pa.int64()).to_numpy() - back
        ordered = _set(ordered, name, pa.array(times, pa.int64()).cast(ordered.schema.field(name).type))
    return ordered


def moved_truth(truth: Truth, moved: Mapping[str, str], shift: int) -> Truth:
    """What is true of an attack that was laid so."""
    peers = tuple(
        ip_network(moved[str(net.network_address)])
        if net.num_addresses == 1 and str(net.network_address) in moved
        else net
        for net in truth.peers
    )
    if any(net.num_addresses > 1 for net in peers):
        inside = [net for net in peers if net.num_addresses > 1]
        peers += tuple(ip_network(new) for old, new in moved.items() if any(_in(old, net) for net in inside))
    return replace(
        truth,
        hosts=frozenset(moved.get(host, host) for host in truth.hosts),
        peers=peers,
        start=truth.start + timedelta(microseconds=shift),
        end=truth.end + timedelta(microseconds=shift),
    )


def span(table: pa.Table) -> tuple[int, int]:
    """First start and last end of the flows, µs since 1970."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.min(table["start"].cast(pa.int64())).as_py(), pc.max(table["end"].cast(pa.int64())).as_py()


def observed_hours(table: pa.Table) -> float:
    """Hours of the capture without silence of more than 15 minutes, at least one minute."""
    first, last = span(without_pauses(table))
    cut = max((last - first) / 3600e6, 1 / 60)
    return float(cut)


def _in(address: str, network: IPv4Network | IPv6Network) -> bool:
    return _same(address, network) and ip_address(address) in network


def _same(address: str, network: IPv4Network | IPv6Network) -> bool:
    return ip_address(address).version == network.version


def _set(table: pa.Table, name: str, column: Any) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), table.schema.field(name), column)


def _replaced(column: Any, moved: Mapping[str, str]) -> pa.Array:
    import pyarrow as pa

    encoded = column.combine_chunks().dictionary_encode()
    known = {packed_address(old): packed_address(new) for old, new in moved.items()}
    words = pa.array([known.get(word, word) for word in encoded.dictionary.to_pylist()], pa.binary(16))
    return words.take(encoded.indices)


def _zoned(table: pa.Table) -> pa.Table:
    import pyarrow as pa

    inside: list[NDArray[np.bool_]] = []
    for side in ("src", "dst"):
        encoded = table[f"{side}_ip"].combine_chunks().dictionary_encode()
        texts = [address_text(word) for word in encoded.dictionary.to_pylist()]
        home = np.array([at_home(text) or any(_in(text, net) for net in _GROUPS) for text in texts] or [False])
        inside.append(home[encoded.indices.to_numpy()])
        table = _set(table, f"{side}_zone", _words(inside[-1].astype(np.int32), ("internet", "home")))
    kinds = ("external", "inbound", "outbound", "internal")
    which = inside[0].astype(np.int32) * 2 + inside[1].astype(np.int32)
    return _set(table, "direction", pa.DictionaryArray.from_arrays(pa.array(which), pa.array(kinds)))


def _words(which: NDArray[np.int32], words: tuple[str, ...]) -> pa.Array:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(pa.array(which), pa.array(words))

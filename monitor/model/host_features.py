"""The features of a host's window: names, units, floors and sentences, and how they follow from the window's counts.

The counts come from the detect stage's SQL (`host_windows.sql`); the forest over the features is in `host_model`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from monitor.model.features import Feature
from monitor.model.quantities import Unit

if TYPE_CHECKING:
    import pyarrow as pa

Columns = Mapping[str, NDArray[np.float64]]

WINDOW_FEATURE_VERSION = 1
"""Raised whenever one of these features is added, removed or computed otherwise."""

LEAST_USUAL = 2
"""Windows of the same hour of the week that make an amount usual."""


def _share(part: str, whole: str) -> Callable[[Columns], NDArray[np.float64]]:
    return lambda columns: columns[part] / np.maximum(columns[whole], 1.0)


def _surge(columns: Columns) -> NDArray[np.float64]:
    """Volume over the usual one of this hour of the week; 1 as long as none is known."""
    usual = np.where(columns["usual_windows"] >= LEAST_USUAL, np.nan_to_num(columns["usual_bytes"]), 0.0)
    volume = columns["sent_bytes"] + columns["received_bytes"]
    return np.where(usual > 0, volume / np.maximum(usual, 1.0), 1.0)


def _upload(columns: Columns) -> NDArray[np.float64]:
    return columns["sent_bytes"] / np.maximum(columns["sent_bytes"] + columns["received_bytes"], 1.0)


_TABLE: tuple[tuple[str, Unit, float, str, Callable[[Columns], NDArray[np.float64]] | None], ...] = (
    ("flows", "count", 1.0, "opened {} connections", None),
    ("accepted", "count", 1.0, "accepted {} connections", None),
    ("peers", "count", 1.0, "called {} different hosts", None),
    ("clients", "count", 1.0, "was called by {} different hosts", None),
    ("ports", "count", 1.0, "called {} different ports", None),
    ("failures", "count", 1.0, "failed to connect {} times", None),
    ("failure_share", "share", 0.0, "{} of its connections failed", _share("failures", "flows")),
    ("sent_bytes", "byte", 1.0, "sent {}", None),
    ("received_bytes", "byte", 1.0, "received {}", None),
    ("upload_share", "share", 0.0, "{} of its traffic went out", _upload),
    ("largest_upload", "byte", 1.0, "sent {} in one connection", None),
    ("longest", "s", 0.1, "had a connection of {}", None),
    ("lookups", "count", 1.0, "looked up {} names", None),
    ("names", "count", 1.0, "looked up {} different names", None),
    ("unknown_names", "count", 1.0, "looked up {} names that do not exist", None),
    ("lookup_bytes", "byte", 1.0, "sent {} a look-up", _share("dns_sent", "lookups")),
    ("pings", "count", 1.0, "had {} ICMP exchanges", None),
    ("ping_bytes", "byte", 1.0, "exchanged {} over ICMP", None),
    ("services", "count", 1.0, "used {} different services", None),
    ("unknown_bytes", "byte", 1.0, "exchanged {} in unknown protocols", None),
    ("odd_flows", "count", 1.0, "had {} connections on the port of another service", None),
    ("rare_clients", "count", 1.0, "had {} connections of a TLS client that no other host uses", None),
    ("new_peers", "count", 1.0, "met {} hosts for the first time", None),
    ("surge", "count", 1.0, "moved {} times its usual volume of this hour of the week", _surge),
    ("unusual_hour", "count", 1.0, "was active in {} hours at which it never is", None),
)
"""Name, unit, floor of the logarithmic scale (0: linear), sentence, and how it is computed (None: a column)."""

WINDOW_FEATURES: tuple[Feature, ...] = tuple(
    Feature(name, unit, floor, (name,), words) for name, unit, floor, words, _ in _TABLE
)
"""Every feature of a window, in the order of the columns of a matrix; each is a property of its own."""

_COLUMNS_READ = (
    "flows", "accepted", "peers", "clients", "ports", "failures", "sent_bytes", "received_bytes", "largest_upload",
    "longest", "lookups", "names", "unknown_names", "dns_sent", "pings", "ping_bytes", "services", "unknown_bytes",
    "odd_flows", "rare_clients", "new_peers", "usual_bytes", "usual_windows", "unusual_hour",
)  # fmt: skip


def window_values(table: pa.Table) -> NDArray[np.float32]:
    """Features of each window in their natural units (n, F), finite. Raises KeyError naming a missing column."""
    columns = {name: np.asarray(table[name].to_numpy(), np.float64) for name in _COLUMNS_READ}
    out = np.zeros((table.num_rows, len(_TABLE)), np.float32)
    for at, (name, _, _, _, computed) in enumerate(_TABLE):
        values: Any = columns[name] if computed is None else computed(columns)
        out[:, at] = np.clip(np.nan_to_num(values), 0.0, 1e15)
    return out


def window_rows(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The features as the forest sees them: log2(1 + value / floor) where there is a floor."""
    floors = np.array([feature.floor for feature in WINDOW_FEATURES], np.float32)
    logged = np.log2(1.0 + values / np.where(floors > 0, floors, 1.0))
    out: NDArray[np.float32] = np.where(floors > 0, logged, values).astype(np.float32)
    return np.ascontiguousarray(out)

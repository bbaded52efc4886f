"""The tables of the store, the flow columns derived from `flows.schema.COLUMNS`; statements are made in `ddl`, `views`.

`flows` holds live rows (`run_id` empty) in daily partitions, and each replay in one partition of its own: a capture may
span decades, and its rows must be found, replaced and dropped as a whole. A replay is written into `flows_incoming`,
which has the same structure, and moved over by REPLACE PARTITION when it is complete. That is atomic: whoever crashes
before leaves the old rows, after it the new ones, and replaying a file again replaces what it left the last time.

Rows are ordered by hour and initiator, which keeps a host's flows together: it compresses, and a host's page reads
little. New parts are written as LZ4 in the compact format (one file, not one a column) since inserts must keep up with
the link; parts older than an hour are merged into ZSTD. Indices of addresses and names are made by merges, not inserts.

On a cluster the flows of an inside host are on one shard, so that whoever looks at a host or a pair asks one.
"""

from __future__ import annotations

import re

from monitor.flows.schema import COLUMNS
from monitor.flows.schema import Column as FlowColumn
from monitor.store import derived
from monitor.store.ddl import DROP_WHOLE, REMEMBER_INSERTS, REPLACED, TIME, WORD, Column, Table, columns, on
from monitor.store.records import RECORDS

_INSIDE = "cityHash64(if(direction = 'inbound', dst_ip, src_ip))"
"""Sharding key: the inside host, whichever end it is."""

MERGE_LATE = ("min_parts_to_merge_at_once = 30", "merge_selector_base = 30")
"""Thirty parts at a time: a row of a busy day is merged three times and not six, for some dozens of parts more."""

STAGED = ("flows", "incidents")
"""Tables that a replay fills through their `_incoming` twin."""


def flow_column(column: FlowColumn) -> Column:
    """A column of `flows`.

    The schema names ZSTD levels for parts at rest; `Default` is LZ4 for new parts and ZSTD after the merge. What the
    other columns give is not stored.
    """
    if column.name in derived.DERIVED:
        return Column(column.name, f"{column.clickhouse} ALIAS {derived.DERIVED[column.name]}", column.meaning)
    default = " DEFAULT 1" if column.name == "p_value" else ""
    codec = re.sub(r"ZSTD\(\d+\)", "Default", column.compression)
    return Column(column.name, column.clickhouse + default, column.meaning, codec)


FLOW_INDICES: tuple[str, ...] = tuple(
    f"by_{name} {name} TYPE bloom_filter(0.025) GRANULARITY 1"
    for name in ("src_ip", "dst_ip", "community_id", "server_name", "dns_query")
)


def _flows(name: str) -> Table:
    """`flows` or its twin.

    The twin never merges: its parts move to `flows` as they are, and a short replay need not pay for merging.
    """
    settings = ["index_granularity = 8192", "min_bytes_for_wide_part = 268435456", "parts_to_throw_insert = 30000"]
    if name.endswith("_incoming"):
        settings += ["parts_to_delay_insert = 30000", "max_bytes_to_merge_at_max_space_in_pool = 1"]
    else:
        settings += [REMEMBER_INSERTS, *DROP_WHOLE, *MERGE_LATE]
    return Table(
        name,
        (*(flow_column(column) for column in COLUMNS), *derived.OTHER),
        partition=REPLACED.format(by="toYYYYMMDD(start)"),
        order="(toStartOfHour(start), src_ip)",
        ttl=("toDateTime(start) + INTERVAL 1 HOUR RECOMPRESS CODEC(ZSTD(5))",),
        settings=tuple(settings),
        indices=FLOW_INDICES,
        shard_by=_INSIDE,
    )


_BY_MINUTE = columns(
    ("run_id", WORD, "replay; empty for live traffic"),
    ("minute", "DateTime('UTC')", "minute in which the flows began"),
    ("sensor", WORD, "sensor that saw them"),
    ("service", WORD, "application protocol"),
    ("direction", WORD, "outbound, inbound, internal, external"),
    ("src_zone", WORD, "zone of the initiators"),
    ("dst_zone", WORD, "zone of the responders"),
    ("flows", "SimpleAggregateFunction(sum, UInt64)", "flows"),
    ("src_packets", "SimpleAggregateFunction(sum, UInt64)", "packets sent by the initiators"),
    ("dst_packets", "SimpleAggregateFunction(sum, UInt64)", "packets sent by the responders"),
    ("src_bytes", "SimpleAggregateFunction(sum, UInt64)", "IP bytes sent by the initiators"),
    ("dst_bytes", "SimpleAggregateFunction(sum, UInt64)", "IP bytes sent by the responders"),
    ("missed_bytes", "SimpleAggregateFunction(sum, UInt64)", "payload that was sent but never seen"),
    ("unanswered", "SimpleAggregateFunction(sum, UInt64)", "flows without a packet of the responder"),
    ("least_p_value", "SimpleAggregateFunction(min, Float64)", "lowest p-value of a flow"),
)

_BY_HOUR = columns(
    ("run_id", WORD, "replay; empty for live traffic"),
    ("hour", "DateTime('UTC')", "hour in which the flows began"),
    ("host", "IPv6", "the inside end; external traffic: the initiator"),
    ("service", WORD, "application protocol"),
    ("direction", WORD, "outbound, inbound, internal, external"),
    ("flows", "SimpleAggregateFunction(sum, UInt64)", "flows"),
    ("sent", "SimpleAggregateFunction(sum, UInt64)", "IP bytes sent by the host"),
    ("received", "SimpleAggregateFunction(sum, UInt64)", "IP bytes received by the host"),
    ("unanswered", "SimpleAggregateFunction(sum, UInt64)", "flows without a packet of the responder"),
)

_FIRST_SEEN = columns(
    ("run_id", WORD, "replay; empty for live traffic"),
    ("kind", WORD, "peer, name or ja4"),
    ("host", "IPv6", "inside host that opened the connections"),
    ("value", "String", "address of the peer, name asked for or named, or JA4 fingerprint"),
    ("first", f"SimpleAggregateFunction(min, {TIME})", "start of the first flow"),
    ("last", f"SimpleAggregateFunction(max, {TIME})", "start of the last flow"),
    ("flows", "SimpleAggregateFunction(sum, UInt64)", "flows"),
)


def _summed(name: str, given: tuple[Column, ...], *, by: str, order: str, shard_by: str) -> Table:
    """A table that a view fills with sums, and merges add up."""
    return Table(
        name,
        given,
        engine="AggregatingMergeTree",
        partition=REPLACED.format(by=by),
        order=order,
        settings=(REMEMBER_INSERTS, *(DROP_WHOLE if name != "first_seen" else ()), *MERGE_LATE),
        shard_by=shard_by,
    )


TABLES: tuple[Table, ...] = (
    _flows("flows"),
    _flows("flows_incoming"),
    _summed(
        "flows_by_minute",
        _BY_MINUTE,
        by="toYYYYMMDD(minute)",
        order="(minute, sensor, service, direction, src_zone, dst_zone)",
        shard_by="rand()",
    ),
    _summed(
        "hosts_by_hour",
        _BY_HOUR,
        by="toYYYYMM(hour)",
        order="(host, hour, service, direction)",
        shard_by="cityHash64(host)",
    ),
    _summed("first_seen", _FIRST_SEEN, by="0", order="(kind, host, value)", shard_by="cityHash64(host)"),
    *RECORDS,
)
"""Every table, flows first."""


def table(name: str) -> Table:
    """The table of that name. Raises KeyError."""
    return {entry.name: entry for entry in TABLES}[name]


def replacing(name: str, partition: str, cluster: str = "") -> tuple[str, ...]:
    """Statements that put a partition of the twin in the place of that of the table, on every shard."""
    whole, twin = table(name).local(cluster), table(f"{name}_incoming").local(cluster)
    replace = f"ALTER TABLE {whole}{on(cluster)} REPLACE PARTITION {partition} FROM {twin}"
    return (f"SYSTEM SYNC REPLICA{on(cluster)} {twin}", replace) if cluster else (replace,)


def dropping(name: str, partition: str, cluster: str = "") -> str:
    """Statement that drops a partition, on every shard."""
    return f"ALTER TABLE {table(name).local(cluster)}{on(cluster)} DROP PARTITION {partition}"

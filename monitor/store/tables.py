"""The tables as CREATE statements, derived from `flows.schema.COLUMNS`. When they are made is in `migrations`.

`flows` holds live rows (`run_id` empty) in daily partitions, and each replay in one partition of its own: a capture may
span decades, and its rows must be found, replaced and dropped as a whole. A replay is written into `flows_incoming`,
which has the same structure, and moved over by REPLACE PARTITION when it is complete. That is atomic: whoever crashes
before leaves the old rows, after it the new ones, and replaying a file again replaces what it left the last time.

Rows are ordered by hour and initiator, which keeps a host's flows together: it compresses, and a host's page reads
little. New parts are written as LZ4 in the compact format (one file, not one a column) since inserts must keep up with
the link; parts older than an hour are merged into ZSTD.
"""

from __future__ import annotations

import re

from monitor.flows.schema import COLUMNS, Column

INCIDENT_COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("run_id", "LowCardinality(String)", "replay that found it; empty for live traffic"),
    ("incident_id", "String", "stable hash of detector, host, what it is about and the first time"),
    ("event", "LowCardinality(String)", "opened, updated or closed"),
    ("recorded", "DateTime64(6, 'UTC')", "when the event was stored (wall clock)"),
    ("detector", "LowCardinality(String)", "anomaly, or the id of the hunt"),
    ("severity", "LowCardinality(String)", "low, medium, high, critical"),
    ("host", "String", "address of whom to look at first"),
    ("peer", "String", "address or name of the other end"),
    ("service", "LowCardinality(String)", "application protocol, where it is one"),
    ("first_seen", "DateTime64(6, 'UTC')", "event time of the first evidence"),
    ("last_seen", "DateTime64(6, 'UTC')", "event time of the last evidence"),
    ("flows", "UInt64", "flows that are evidence"),
    ("score", "Float64", "0-1, higher is stranger"),
    ("p_value", "Nullable(Float64)", "combined p-value; null where the detector has none"),
    ("reasons", "Array(String)", "sentences, the strongest first"),
    ("attack", "Array(String)", "ATT&CK technique ids"),
    ("community_ids", "Array(String)", "Community IDs of some of the flows"),
)
"""Name, ClickHouse type and meaning of each column of `incidents`."""

_RUN_COLUMNS = (
    ("run_id", "String", "hash of the inputs, or what the operator chose"),
    ("state", "LowCardinality(String)", "writing, stored (flows are in), done (incidents are in)"),
    ("recorded", "DateTime64(6, 'UTC')", "when the state was reached (wall clock)"),
    ("sensor", "LowCardinality(String)", "sensor that the replay stands for"),
    ("sources", "Array(String)", "names of the captures"),
    ("model_version", "LowCardinality(String)", "model that scored the flows"),
    ("flows", "UInt64", "flows stored"),
)

_REPLACED = "PARTITION BY (run_id, if(run_id = '', {by}, 0))"
"""Live rows by time; a replay is one partition."""

STAGED = ("flows", "incidents")
"""Tables that a replay fills through their `_incoming` twin."""


def flows_table(name: str) -> str:
    """CREATE statement of `flows` or `flows_incoming`.

    The twin never merges: its parts move to `flows` as they are, and a short replay need not pay for merging.
    """
    columns = ",\n  ".join(flow_column(column) for column in COLUMNS)
    settings = "index_granularity = 8192, min_bytes_for_wide_part = 268435456, parts_to_throw_insert = 30000"
    if name.endswith("_incoming"):
        settings += ", parts_to_delay_insert = 30000, max_bytes_to_merge_at_max_space_in_pool = 1"
    return (
        f"CREATE TABLE IF NOT EXISTS {name} (\n  {columns}\n)\nENGINE = MergeTree\n"
        f"{_REPLACED.format(by='toYYYYMMDD(start)')}\nORDER BY (toStartOfHour(start), src_ip)\n"
        f"TTL toDateTime(start) + INTERVAL 1 HOUR RECOMPRESS CODEC(ZSTD(3))\nSETTINGS {settings}"
    )


def flow_column(column: Column) -> str:
    """Definition of one flow column, as in CREATE TABLE and ADD COLUMN.

    The schema names ZSTD levels for parts at rest; `Default` is LZ4 for new parts and ZSTD after the merge.
    """
    codec = re.sub(r"ZSTD\(\d+\)", "Default", column.compression)
    default = " DEFAULT 1" if column.name == "p_value" else ""
    return f"{column.name} {column.clickhouse}{default} COMMENT {_quoted(column.meaning)} CODEC({codec})"


def incidents_table(name: str) -> str:
    """CREATE statement of `incidents` (events, only ever appended) or its twin for replays."""
    return (
        f"CREATE TABLE IF NOT EXISTS {name} (\n  {_plain(INCIDENT_COLUMNS)}\n)\nENGINE = MergeTree\n"
        f"{_REPLACED.format(by='toYYYYMM(first_seen)')}\nORDER BY (incident_id, recorded)"
    )


def current_incidents_view() -> str:
    """The latest event of each incident."""
    latest = ", ".join(name for name, _, _ in INCIDENT_COLUMNS if name not in ("run_id", "incident_id"))
    return (
        "CREATE VIEW IF NOT EXISTS current_incidents AS\n"
        f"SELECT run_id, incident_id, {latest} FROM incidents\n"
        "ORDER BY recorded DESC LIMIT 1 BY run_id, incident_id"
    )


def runs_table() -> str:
    """CREATE statement of `runs`: one event a state reached."""
    columns = _plain(_RUN_COLUMNS)
    return f"CREATE TABLE IF NOT EXISTS runs (\n  {columns}\n)\nENGINE = MergeTree\nORDER BY (run_id, recorded)"


def schema_versions_table() -> str:
    """CREATE statement of the list of migrations that were applied."""
    return (
        "CREATE TABLE IF NOT EXISTS schema_versions (version UInt32, description String, applied DateTime('UTC'))\n"
        "ENGINE = MergeTree ORDER BY version"
    )


def _plain(columns: tuple[tuple[str, str, str], ...]) -> str:
    return ",\n  ".join(f"{name} {kind} COMMENT {_quoted(meaning)}" for name, kind, meaning in columns)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

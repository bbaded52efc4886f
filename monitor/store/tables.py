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
    ("names", "Array(String)", "names asked for or spoken to in these flows, at most ten"),
    ("ports", "Array(UInt16)", "responders' ports of these flows"),
    ("ja4", "Array(String)", "JA4 of the clients in these flows"),
    ("state", "LowCardinality(String)", "open, waiting (over the alert budget), suppressed, closed"),
    ("stage", "LowCardinality(String)", "stage of an intrusion to which the behaviour belongs"),
    ("story", "String", "id of the story of which it is a part; empty: of none"),
    ("suppression", "String", "id of the suppression that hides it"),
    (
        "writer",
        "LowCardinality(String)",
        "who wrote the event: a sensor, or operator; each writer's events are a chain",
    ),
    ("ordinal", "UInt64", "place of the event in the chain of its run and writer, from 1"),
    ("previous", "String", "hash of the event before it; empty: the first"),
    ("hash", "String", "BLAKE2b of this event, `previous` among its fields"),
)
"""Name, ClickHouse type and meaning of each column of `incidents`."""

VERDICT_COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("recorded", "DateTime64(6, 'UTC')", "when it was given (wall clock)"),
    ("run_id", "LowCardinality(String)", "replay that found the incident; empty for live traffic"),
    ("incident_id", "String", "incident that was judged"),
    ("detector", "LowCardinality(String)", "its detector"),
    ("verdict", "LowCardinality(String)", "true, false or benign; the latest of an incident counts"),
    ("note", "String", "why"),
    ("owner", "String", "who judged"),
)
"""Name, ClickHouse type and meaning of each column of `verdicts`."""

SUPPRESSION_COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("suppression_id", "String", "16 hex digits"),
    ("event", "LowCardinality(String)", "added or ended; the latest counts"),
    ("recorded", "DateTime64(6, 'UTC')", "when the event was stored (wall clock)"),
    ("detector", "LowCardinality(String)", "only incidents of this detector; empty: of any"),
    ("host", "String", "only with this host, or one of this network; empty: any"),
    ("peer", "String", "only with this peer, or one of this network; empty: any"),
    ("name", "String", "only when all names are this domain or below it; empty: any"),
    ("port", "UInt16", "only when all flows go to this port; 0: any"),
    ("ja4", "String", "only when all clients have this JA4; empty: any"),
    ("expires", "DateTime64(6, 'UTC')", "from then on it hides nothing"),
    ("reason", "String", "why it may be hidden"),
    ("owner", "String", "who answers for it"),
)
"""Name, ClickHouse type and meaning of each column of `suppressions`."""

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
        "ORDER BY recorded DESC, ordinal DESC LIMIT 1 BY run_id, incident_id"
    )


def verdicts_table() -> str:
    """CREATE statement of `verdicts`: what people made of incidents, only ever appended."""
    return _log_table("verdicts", VERDICT_COLUMNS, "(incident_id, recorded)")


def suppressions_table() -> str:
    """CREATE statement of `suppressions`: when each was added and ended, only ever appended."""
    return _log_table("suppressions", SUPPRESSION_COLUMNS, "(suppression_id, recorded)")


def _log_table(name: str, columns: tuple[tuple[str, str, str], ...], order: str) -> str:
    return f"CREATE TABLE IF NOT EXISTS {name} (\n  {_plain(columns)}\n)\nENGINE = MergeTree\nORDER BY {order}"


def incident_columns_since(first: str) -> tuple[str, ...]:
    """ALTER statements that add the columns of `incidents` from `first` on to both twins."""
    names = [name for name, _, _ in INCIDENT_COLUMNS]
    return tuple(
        f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {_plain((column,))}"
        for table in ("incidents", "incidents_incoming")
        for column in INCIDENT_COLUMNS[names.index(first) :]
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

"""Tables of what is recorded about the traffic: incidents, runs, verdicts and so on; all append-only.

The tables of the traffic itself are in `tables`.
"""

from __future__ import annotations

from monitor.store.ddl import DROP_WHOLE, REMEMBER_INSERTS, REPLACED, TIME, WORD, Column, Table, columns

INCIDENT_COLUMNS = columns(
    ("run_id", WORD, "replay that found it; empty for live traffic"),
    ("incident_id", "String", "stable hash of detector, host, what it is about and the first time"),
    ("event", WORD, "opened, updated or closed"),
    ("recorded", TIME, "when the event was stored (wall clock)"),
    ("detector", WORD, "anomaly, or the id of the hunt"),
    ("severity", WORD, "low, medium, high, critical"),
    ("host", "String", "address of whom to look at first"),
    ("peer", "String", "address or name of the other end"),
    ("service", WORD, "application protocol, where it is one"),
    ("first_seen", TIME, "event time of the first evidence"),
    ("last_seen", TIME, "event time of the last evidence"),
    ("flows", "UInt64", "flows that are evidence"),
    ("score", "Float64", "0-1, higher is stranger"),
    ("p_value", "Nullable(Float64)", "combined p-value; null where the detector has none"),
    ("reasons", "Array(String)", "sentences, the strongest first"),
    ("attack", "Array(String)", "ATT&CK technique ids"),
    ("community_ids", "Array(String)", "Community IDs of some of the flows"),
    ("names", "Array(String)", "names asked for or spoken to in these flows, at most ten"),
    ("ports", "Array(UInt16)", "responders' ports of these flows"),
    ("ja4", "Array(String)", "JA4 of the clients in these flows"),
    ("state", WORD, "open, waiting (over the alert budget), suppressed, closed"),
    ("stage", WORD, "stage of an intrusion to which the behaviour belongs"),
    ("story", "String", "id of the story of which it is a part; empty: of none"),
    ("suppression", "String", "id of the suppression that hides it"),
    ("writer", WORD, "who wrote the event: a sensor, or operator; each writer's events are a chain"),
    ("ordinal", "UInt64", "place of the event in the chain of its run and writer, from 1"),
    ("previous", "String", "hash of the event before it; empty: the first"),
    ("hash", "String", "BLAKE2b of this event, `previous` among its fields"),
)
"""Columns of `incidents`."""


_RUNS = columns(
    ("run_id", "String", "hash of the inputs, or what the operator chose"),
    ("state", WORD, "writing, stored (flows are in), done (incidents are in), partial (done, but interrupted)"),
    ("recorded", TIME, "when the state was reached (wall clock)"),
    ("sensor", WORD, "sensor that the replay stands for"),
    ("sources", "Array(String)", "names of the captures"),
    ("model_version", WORD, "model that scored the flows"),
    ("flows", "UInt64", "flows stored"),
)

_VERDICTS = columns(
    ("recorded", TIME, "when it was given (wall clock)"),
    ("run_id", WORD, "replay that found the incident; empty for live traffic"),
    ("incident_id", "String", "incident that was judged"),
    ("detector", WORD, "its detector"),
    ("verdict", WORD, "true, false or benign; the latest of an incident counts"),
    ("note", "String", "why"),
    ("owner", "String", "who judged"),
)

_SUPPRESSIONS = columns(
    ("suppression_id", "String", "16 hex digits"),
    ("event", WORD, "added or ended; the latest counts"),
    ("recorded", TIME, "when the event was stored (wall clock)"),
    ("detector", WORD, "only incidents of this detector; empty: of any"),
    ("host", "String", "only with this host, or one of this network; empty: any"),
    ("peer", "String", "only with this peer, or one of this network; empty: any"),
    ("name", "String", "only when all names are this domain or below it; empty: any"),
    ("port", "UInt16", "only when all flows go to this port; 0: any"),
    ("ja4", "String", "only when all clients have this JA4; empty: any"),
    ("expires", TIME, "from then on it hides nothing"),
    ("reason", "String", "why it may be hidden"),
    ("owner", "String", "who answers for it"),
)

_SENSOR_HEALTH = columns(
    ("run_id", WORD, "replay; empty for live traffic"),
    ("sensor", WORD, "sensor"),
    ("measure", WORD, "name of the measure, that of the metric without monitor_"),
    ("label", WORD, "its label, such as a reason or a buffer; empty: none"),
    ("at", TIME, "event time up to which it was measured"),
    ("value", "Float64", "value; totals since the sensor or the replay began"),
)

_AUDIT = columns(
    ("at", TIME, "when it was done (wall clock)"),
    ("who", WORD, "user name"),
    ("action", WORD, "query, suppress, verdict, export, carve, report, reveal, drop, migrate"),
    ("subject", "String", "what it was done to"),
    ("detail", "String", "how: options, query, reason"),
)


def _incidents(name: str) -> Table:
    """Events of incidents, only ever appended, or the twin that a replay fills."""
    own = name == "incidents"
    return Table(
        name,
        INCIDENT_COLUMNS,
        partition=REPLACED.format(by="toYYYYMM(first_seen)"),
        order="(incident_id, recorded)",
        settings=(REMEMBER_INSERTS, *DROP_WHOLE) if own else (),
    )


RECORDS: tuple[Table, ...] = (
    _incidents("incidents"),
    _incidents("incidents_incoming"),
    Table("runs", _RUNS, order="(run_id, recorded)"),
    Table("verdicts", _VERDICTS, order="(incident_id, recorded)"),
    Table("suppressions", _SUPPRESSIONS, order="(suppression_id, recorded)"),
    Table(
        "sensor_health",
        _SENSOR_HEALTH,
        partition=REPLACED.format(by="toYYYYMM(at)"),
        order="(run_id, sensor, measure, label, at)",
        settings=(REMEMBER_INSERTS, *DROP_WHOLE),
    ),
    Table("audit", _AUDIT, partition="toYYYYMM(at)", order="at", settings=DROP_WHOLE),
)
"""Every table of records."""

SCHEMA_VERSIONS = Table(
    "schema_versions",
    (
        Column("version", "UInt32", "migration"),
        Column("description", "String", "what it brought"),
        Column("applied", "DateTime('UTC')", "when it was applied"),
    ),
    order="version",
)
"""The migrations that were applied."""

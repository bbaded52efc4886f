"""Gathers what a month's audit report says, article by article of the policy.

All of it is from the store; how it is shown is up to `report`, who looked at what is noted by `access_log`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any

from monitor import __version__
from monitor.errors import UsageError

if TYPE_CHECKING:
    from monitor.report import Article, Audit
    from monitor.store import Store

SILENCE = 10
"""Minutes without a flow that are told as silence."""
_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_MOST = 1_000
"""Rows of a table."""
_SHARES = ("packets", "kernel_drops", "tcp_payload_bytes", "tcp_missed_bytes")
_IN_MONTH = "{} >= {{since:DateTime('UTC')}} AND {} < {{until:DateTime('UTC')}}"


def audit(store: Store, month: str, *, run_id: str = "", now: datetime | None = None) -> Audit:
    """The report of a month (`2026-11`) of live traffic, or of a replay. Raises UsageError, StoreError."""
    from monitor.report import Audit

    found = _MONTH.fullmatch(month)
    if not found:
        raise UsageError(f"--month: {month!r} is no month such as 2026-11")
    since = datetime(int(found[1]), int(found[2]), 1, tzinfo=UTC)
    until = (since + timedelta(days=32)).replace(day=1)
    now = now or datetime.now(UTC)
    if since > now:
        raise UsageError(f"--month: {month} has not begun")
    asked = {"run": run_id, "since": since.replace(tzinfo=None), "until": until.replace(tzinfo=None)}
    incidents = _incidents(store, asked)
    return Audit(
        month=month,
        until=min(until, now),
        store=str(store),
        run_id=run_id,
        made=now,
        version=__version__,
        articles=[
            _monitoring(store, asked, since, min(until, now)),
            _separation(incidents, _zoned(store, asked)),
            _threats(incidents),
            _operation(incidents),
            _access(store, asked),
            _evaluation(store, asked, incidents, now),
        ],
    )


def only_replays(store: Store, found: Audit) -> list[str]:
    """The replays with traffic of the report's month, when it is of live traffic and has none. StoreError."""
    if found.run_id or not any(name == "no_traffic" for name, _ in found.articles[0].said):
        return []
    sql = (
        "SELECT run_id FROM flows_by_minute WHERE run_id != '' AND formatDateTime(minute, '%Y-%m') = {month:String} "
        "GROUP BY run_id ORDER BY max(minute) DESC LIMIT 3"
    )
    return [row["run_id"] for row in _rows(store, sql, {"month": found.month})]


def _rows(store: Store, sql: str, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = store.query(sql, asked).to_pylist()
    return rows


def _monitoring(store: Store, asked: Mapping[str, Any], since: datetime, until: datetime) -> Article:
    """Hours of traffic seen, what was lost of it, and when it was silent."""
    from monitor.measures import losses
    from monitor.report import Article, Rows

    here = f"run_id = {{run:String}} AND {_IN_MONTH.format('minute', 'minute')}"
    sensors = _rows(
        store,
        "SELECT sensor, toFloat64(uniqExact(minute)) / 60 AS hours, sum(flows) AS flows, "  # noqa: S608
        "sum(src_bytes + dst_bytes) AS bytes, sum(missed_bytes) AS missed_bytes, "
        "toDateTime64(min(minute), 6, 'UTC') AS first_seen, toDateTime64(max(minute), 6, 'UTC') AS last_seen "
        f"FROM flows_by_minute WHERE {here} GROUP BY sensor ORDER BY sensor",
        asked,
    )
    silences = _rows(
        store,
        "SELECT sensor, toDateTime64(previous, 6, 'UTC') AS first_seen, "  # noqa: S608
        "toDateTime64(minute, 6, 'UTC') AS last_seen, dateDiff('minute', previous, minute) AS minutes "
        "FROM ("
        "SELECT sensor, minute, lagInFrame(minute) OVER (PARTITION BY sensor ORDER BY minute "
        "ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS previous "
        f"FROM (SELECT DISTINCT sensor, minute FROM flows_by_minute WHERE {here})) "
        f"WHERE toYear(previous) > 1970 AND minutes > {SILENCE} ORDER BY minutes DESC LIMIT 100",
        asked,
    )
    lost = losses(store, asked["run"], since, until)
    hours = (until - since).total_seconds() / 3600
    seen = max((row["hours"] for row in sensors), default=0.0)
    said: list[tuple[str, Mapping[str, str]]] = [
        ("coverage", {"seen": f"{seen:,.1f}", "all": f"{hours:,.0f}", "share": f"{100 * min(seen / hours, 1):.1f} %"}),
        _loss(lost),
    ]
    return Article(
        "monitoring",
        said if sensors else [("no_traffic", {})],
        [
            Rows("sensors", ("sensor", "hours", "flows", "bytes", "missed_bytes", "first_seen", "last_seen"), sensors),
            Rows("silences", ("sensor", "first_seen", "last_seen", "minutes"), silences),
            Rows("losses", ("sensor", "measure", "label", "value"), lost),
        ],
    )


def _loss(lost: Sequence[Mapping[str, Any]]) -> tuple[str, Mapping[str, str]]:
    """The losses as shares of what there was, or that none were counted."""
    total = {name: sum(row["value"] for row in lost if row["measure"] == name) for name in _SHARES}
    if not total["packets"]:
        return "no_health", {}
    kernel = total["kernel_drops"] / (total["packets"] + total["kernel_drops"])
    missed = total["tcp_missed_bytes"] / max(total["tcp_payload_bytes"], total["tcp_missed_bytes"], 1)
    return "lost_said", {"kernel": f"{100 * kernel:.2f} %", "missed": f"{100 * missed:.2f} %"}


def _incidents(store: Store, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Incidents first seen in the month, as they stand, with when they were opened and how they were judged."""
    from monitor.detect import detector_titles

    titles = detector_titles()
    rows = _rows(
        store,
        "SELECT i.incident_id AS incident_id, i.detector AS detector, i.severity AS severity, i.host AS host, "  # noqa: S608
        "i.peer AS peer, i.first_seen AS first_seen, i.last_seen AS last_seen, "
        "if(i.state = '', 'open', i.state) AS state, "
        "i.attack AS attack, i.stage AS stage, o.opened AS opened, v.verdict AS verdict, v.owner AS owner, "
        "v.note AS note, v.recorded AS judged FROM current_incidents AS i "
        "LEFT JOIN (SELECT run_id, incident_id, min(recorded) AS opened FROM incidents "
        "GROUP BY run_id, incident_id) AS o "
        "ON o.run_id = i.run_id AND o.incident_id = i.incident_id "
        "LEFT JOIN current_verdicts AS v ON v.run_id = i.run_id AND v.incident_id = i.incident_id "
        f"WHERE i.run_id = {{run:String}} AND {_IN_MONTH.format('i.first_seen', 'i.first_seen')} "
        f"ORDER BY i.first_seen, i.incident_id LIMIT {100 * _MOST}",
        asked,
    )
    for row in rows:
        row["title"], row["title_ja"] = titles.get(row["detector"], (row["detector"], row["detector"]))
        row["hours"] = (row["judged"] - row["opened"]).total_seconds() / 3600 if row["verdict"] else None
    return rows


def _zoned(store: Store, asked: Mapping[str, Any]) -> bool:
    """Whether any flow of the month began or ended in a zone of monitor.toml: without one no breach can be told."""
    rows = _rows(
        store,
        "SELECT count() AS n FROM flows_by_minute WHERE run_id = {run:String} "  # noqa: S608
        f"AND {_IN_MONTH.format('minute', 'minute')} "
        "AND (src_zone NOT IN ('', 'home', 'internet') OR dst_zone NOT IN ('', 'home', 'internet'))",
        asked,
    )
    return bool(rows[0]["n"])


def _separation(incidents: Sequence[Mapping[str, Any]], zoned: bool) -> Article:
    from monitor.report import Article, Rows

    breaches = [row for row in incidents if row["detector"] == "zone_breach"]
    said = [("breaches", {"n": f"{len(breaches):,}"})] if breaches else [("no_breach" if zoned else "no_zones", {})]
    names = ("first_seen", "severity", "host", "peer", "state", "verdict", "incident_id")
    return Article("separation", said, [Rows("breach_table", names, breaches[:_MOST])])


def _threats(incidents: Sequence[Mapping[str, Any]]) -> Article:
    from monitor.report import Article, Rows

    kinds = []
    for detector in sorted({row["detector"] for row in incidents}):
        own = [row for row in incidents if row["detector"] == detector]
        severities = {
            name: sum(row["severity"] == name for row in own) for name in ("critical", "high", "medium", "low")
        }
        attack = ", ".join(sorted({technique for row in own for technique in row["attack"]}))
        kinds.append(
            {**{name: own[0][name] for name in ("title", "title_ja")}, "attack": attack, **severities, "n": len(own)}
        )
    said = [("incidents_said", {"n": f"{len(incidents):,}"})] if incidents else [("no_incident", {})]
    names = ("title", "attack", "critical", "high", "medium", "low", "n")
    return Article("threats", said, [Rows("kinds", names, kinds)])


def _operation(incidents: Sequence[Mapping[str, Any]]) -> Article:
    from monitor.report import Article, Rows

    times = []
    for severity in ("critical", "high", "medium", "low"):
        own = [row for row in incidents if row["severity"] == severity]
        hours = [row["hours"] for row in own if row["hours"] is not None]
        if own:
            worst = (median(hours), max(hours)) if hours else (None, None)
            times.append(
                {
                    "severity": severity,
                    "n": len(own),
                    "judged_n": len(hours),
                    "hours_median": worst[0],
                    "hours_most": worst[1],
                    "open_n": sum(row["state"] in ("open", "waiting") for row in own),
                }
            )
    unjudged = sum(not row["verdict"] and row["state"] != "suppressed" for row in incidents)
    names = (
        "first_seen", "severity", "title", "host", "peer", "state", "verdict", "owner", "hours", "incident_id",
    )  # fmt: skip
    return Article(
        "operation",
        [("unjudged", {"n": f"{unjudged:,}", "all": f"{len(incidents):,}"})],
        [
            Rows("times", ("severity", "n", "judged_n", "hours_median", "hours_most", "open_n"), times),
            Rows("handling", names, list(incidents)[:_MOST]),
        ],
    )


def _access(store: Store, asked: Mapping[str, Any]) -> Article:
    from monitor.handling import verify
    from monitor.report import Article, Rows

    rows = _rows(
        store,
        "SELECT at, who, action, subject, detail FROM audit "  # noqa: S608
        f"WHERE {_IN_MONTH.format('at', 'at')} ORDER BY at LIMIT {_MOST}",
        asked,
    )
    chains, flaws = verify(store)
    said: list[tuple[str, Mapping[str, str]]] = [("accesses", {"n": f"{len(rows):,}"})]
    said.append(("chain_broken", {"n": f"{len(flaws):,}"}) if flaws else ("chain_whole", {"n": f"{len(chains):,}"}))
    own = [{**row, "run_id": row["run_id"] or "–"} for row in chains]
    return Article(
        "access",
        said,
        [
            Rows("audit_log", ("at", "who", "action", "subject", "detail"), rows),
            Rows("chains", ("run_id", "writer", "events", "flaws", "head"), own[:_MOST]),
        ],
    )


def _evaluation(
    store: Store, asked: Mapping[str, Any], incidents: Sequence[Mapping[str, Any]], now: datetime
) -> Article:
    from monitor.report import Article, Rows

    rates = []
    for detector in sorted({row["detector"] for row in incidents}):
        own = [row for row in incidents if row["detector"] == detector]
        said = {verdict: sum(row["verdict"] == verdict for row in own) for verdict in ("true", "false", "benign")}
        judged = sum(said.values())
        rate = f"{100 * said['false'] / judged:.0f} %" if judged else "–"
        rates.append(
            {**{name: own[0][name] for name in ("title", "title_ja")}, "n": len(own), **said, "false_rate": rate}
        )
    suppressions = _rows(
        store,
        "SELECT suppression_id, detector, host, peer, name, port, ja4, expires, owner, reason, event, recorded "  # noqa: S608
        "FROM current_suppressions WHERE expires > {since:DateTime('UTC')} AND recorded < {until:DateTime('UTC')} "
        f"ORDER BY expires LIMIT {_MOST}",
        asked,
    )
    for row in suppressions:
        scopes = ("detector", "host", "peer", "name", "port", "ja4")
        row["hides"] = ", ".join(f"{scope} {row[scope]}" for scope in scopes if row[scope])
        row["state"] = "ended" if row["event"] == "ended" else "in force" if row["expires"] > now else "expired"
    models = _rows(
        store,
        "SELECT model_version, min(start) AS first_seen, max(start) AS last_seen, count() AS flows FROM flows "  # noqa: S608
        f"WHERE run_id = {{run:String}} AND {_IN_MONTH.format('start', 'start')} "
        "GROUP BY model_version ORDER BY first_seen",
        asked,
    )
    return Article(
        "evaluation",
        [("models_said", {"n": f"{len(models):,}"})],
        [
            Rows("rates", ("title", "n", "true", "false", "benign", "false_rate"), rates),
            Rows("suppressions", ("hides", "owner", "reason", "expires", "state", "suppression_id"), suppressions),
            Rows("models", ("model_version", "first_seen", "last_seen", "flows"), models),
        ],
    )

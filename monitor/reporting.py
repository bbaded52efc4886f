"""Gathers from the store what a report says: of a replay, or of one incident. How it is shown is up to `report`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from monitor import __version__, recall
from monitor.carving import sha256
from monitor.event_time import datetime_of, microseconds

if TYPE_CHECKING:
    from monitor.config import Settings
    from monitor.reading import Account
    from monitor.report import Evidence, Facts, Series
    from monitor.store import Store

SLOTS = 120
"""Columns of a timeline."""
IN_FULL = 40
"""Incidents that are told with their evidence."""
_CALLS = 2_000
_ATTEMPTS = 6_000
_SECOND = 1_000_000
_ALWAYS = (0, 4_102_444_800 * _SECOND)
"""All times of a replay: to the year 2100."""
_SCANS = ("port_scan", "horizontal_scan")

_WITHIN = (
    "run_id = {run:String} AND start >= fromUnixTimestamp64Micro({since:Int64}, 'UTC') "
    "AND start <= fromUnixTimestamp64Micro({until:Int64}, 'UTC')"
)
_HOST = "toIPv6({host:String})"
_TEXT = "replaceRegexpOne(toString({}), '^::ffff:([0-9]+[.])', '\\\\1')"


def gather(
    store: Store,
    settings: Settings,
    run_id: str,
    incidents: Sequence[Mapping[str, Any]],
    *,
    model: Mapping[str, Any] | None = None,
    sources: Mapping[str, str] | None = None,
) -> Facts:
    """The facts of a run, with these incidents told; of live traffic (`''`) those of the time around them.

    `model`: its card, `sources`: SHA-256 of the inputs by name; both as far as the store knows when they are not given.
    Raises StoreError.
    """
    from monitor.detect import detector_titles
    from monitor.report import Facts

    within = _ALWAYS if run_id else _around(incidents)
    asked = {"run": run_id, "since": within[0], "until": within[1]}
    whole = store.query(
        "SELECT count() AS flows, toUnixTimestamp64Micro(min(start)) AS first, "  # noqa: S608
        "toUnixTimestamp64Micro(max(end)) AS last, "
        "uniqExactIf(if(direction = 'inbound', dst_ip, src_ip), direction != 'external' AND "
        "if(direction = 'inbound', dst_packets, src_packets) > 0) AS hosts, sum(missed_bytes) AS missed "
        f"FROM flows WHERE {_WITHIN}",
        asked,
    ).to_pylist()[0]
    first, last = (int(whole["first"]), int(whole["last"])) if whole["flows"] else (0, 0)
    titles = detector_titles()
    told = [_evidence(store, run_id, one, titles, (first, last)) for one in incidents[:IN_FULL]]
    return Facts(
        run_id=run_id,
        store=str(store),
        sources=_sources(store, run_id) if sources is None else sources,
        first_seen=datetime_of(first) if whole["flows"] else None,
        last_seen=datetime_of(last) if whole["flows"] else None,
        flows=whole["flows"],
        hosts=whole["hosts"],
        traffic=_series(store, {"run": run_id}, (first, last), "1"),
        evidence=told,
        others=incidents[IN_FULL:],
        summary=recall.summary(store, run_id, most=10, within=within),
        model=_model(store, asked) if model is None else model,
        settings=_changed(settings),
        made=datetime.now(UTC),
        version=__version__,
        missed_bytes=whole["missed"],
    )


def _around(incidents: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """From a day before the incidents to an hour after; the last day when there are none."""
    now = datetime.now(UTC)
    first = min((one["first_seen"] for one in incidents), default=now)
    last = max((one["last_seen"] for one in incidents), default=now)
    return microseconds(first - timedelta(days=1)), microseconds(last + timedelta(hours=1))


def _sources(store: Store, run_id: str) -> dict[str, str]:
    """Names of the captures that were replayed: the run's id is a hash of what they hold, theirs are not kept."""
    return {name: "" for run in recall.runs(store, run_id=run_id, limit=1) for name in run["sources"] if run_id}


def _model(store: Store, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The models that scored flows of the time."""
    sql = f"SELECT DISTINCT model_version AS one FROM flows WHERE {_WITHIN} AND one != '' ORDER BY one LIMIT 10"  # noqa: S608
    versions = store.query(sql, asked)["one"].to_pylist()
    return {"model_version": ", ".join(versions), "training_window": None} if versions else {}


def completed(facts: Facts, account: Account, files: Sequence[str]) -> Facts:
    """The facts with what a replay knows at its end: the account of its packets, and the hashes of its inputs."""
    return replace(facts, account=account, partial=account.interrupted, sources={name: sha256(name) for name in files})


def _evidence(
    store: Store,
    run_id: str,
    incident: Mapping[str, Any],
    titles: Mapping[str, tuple[str, str]],
    whole: tuple[int, int],
) -> Evidence:
    from monitor.report import Evidence

    title, title_ja = titles.get(incident["detector"], (incident["detector"], incident["detector"]))
    if not _is_address(incident["host"]):
        return Evidence(incident, title, title_ja)
    peer = incident["peer"] if _is_address(incident["peer"]) else ""
    asked = {
        "run": run_id,
        "host": incident["host"],
        "peer": peer or "::",
        "since": microseconds(incident["first_seen"]),
        "until": microseconds(incident["last_seen"]),
    }
    mine = f"{_WITHIN} AND (src_ip = {_HOST} OR dst_ip = {_HOST})"
    pair = mine + (" AND (src_ip = toIPv6({peer:String}) OR dst_ip = toIPv6({peer:String}))" if peer else "")
    about = mine if incident["detector"] in _SCANS else pair
    sums = store.query(
        "SELECT sum(src_packets + dst_packets) AS packets, sum(src_bytes + dst_bytes) AS bytes "  # noqa: S608
        f"FROM flows WHERE {about}",
        asked,
    ).to_pylist()[0]
    scan = incident["detector"] in _SCANS
    return Evidence(
        incident,
        title,
        title_ja,
        names=_names(store, about, asked),
        peers=_peers(store, mine, asked),
        packets=sums["packets"],
        bytes=sums["bytes"],
        calls=() if scan or not peer else _calls(store, asked),
        attempts=_attempts(store, asked) if scan else (),
        upload=_series(store, asked, whole, f"(src_ip = {_HOST} OR dst_ip = {_HOST})", host=True),
    )


def _names(store: Store, about: str, asked: Mapping[str, Any]) -> list[str]:
    rows = store.query(
        "SELECT arrayJoin(arrayDistinct([server_name, dns_query])) AS name, count() AS n FROM flows "  # noqa: S608
        f"WHERE {about} GROUP BY name HAVING name != '' ORDER BY n DESC, name LIMIT 10",
        asked,
    )
    return [str(name) for name in rows["name"].to_pylist()]


def _peers(store: Store, mine: str, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = store.query(
        f"SELECT {_TEXT.format('other')} AS peer, count() AS flows, sum(packets) AS packets, sum(bytes) AS bytes FROM ("  # noqa: S608
        f"SELECT if(src_ip = {_HOST}, dst_ip, src_ip) AS other, src_packets + dst_packets AS packets, "
        f"src_bytes + dst_bytes AS bytes FROM flows WHERE {mine}) GROUP BY other ORDER BY bytes DESC, peer LIMIT 4",
        asked,
    ).to_pylist()
    return rows


def _calls(store: Store, asked: Mapping[str, Any]) -> list[tuple[int, float]]:
    rows = store.query(
        "SELECT toUnixTimestamp64Micro(start) AS at, src_bytes AS sent FROM flows "  # noqa: S608
        f"WHERE {_WITHIN} AND src_ip = {_HOST} AND dst_ip = toIPv6({{peer:String}}) AND part = 0 "
        f"ORDER BY at LIMIT {_CALLS}",
        asked,
    )
    return list(zip(rows["at"].to_pylist(), map(float, rows["sent"].to_pylist()), strict=True))


def _attempts(store: Store, asked: Mapping[str, Any]) -> list[tuple[str, int, bool]]:
    rows = store.query(
        f"SELECT {_TEXT.format('dst_ip')} AS target, dst_port AS port, "  # noqa: S608
        f"max(dst_packets > 0 AND (proto != 6 OR position(history, 'h') > 0)) AS open FROM flows "
        f"WHERE {_WITHIN} AND src_ip = {_HOST} AND part = 0 GROUP BY dst_ip, dst_port "
        f"ORDER BY dst_ip, port LIMIT {_ATTEMPTS}",
        asked,
    )
    columns = (rows[name].to_pylist() for name in ("target", "port", "open"))
    return [(str(target), int(port), bool(answered)) for target, port, answered in zip(*columns, strict=True)]


def _series(
    store: Store, asked: Mapping[str, Any], whole: tuple[int, int], which: str, *, host: bool = False
) -> Series:
    """Bytes by slot of the whole time: out of and into home, or of the host."""
    from monitor.report import Series

    first, last = whole
    step = max((last - first) // SLOTS + 1, 1)
    out = f"src_ip = {_HOST}" if host else "direction != 'inbound'"
    rows = store.query(
        "SELECT intDiv(toUnixTimestamp64Micro(start) - {origin:Int64}, {step:Int64}) AS slot, "  # noqa: S608
        f"sum(if({out}, src_bytes, dst_bytes)) AS sent, sum(if({out}, dst_bytes, src_bytes)) AS received FROM flows "
        f"WHERE run_id = {{run:String}} AND start >= fromUnixTimestamp64Micro({{origin:Int64}}, 'UTC') "
        f"AND start <= fromUnixTimestamp64Micro({{end:Int64}}, 'UTC') AND {which} "
        "GROUP BY slot ORDER BY slot",
        {**asked, "origin": first, "end": last, "step": step},
    )
    sent, received = [0.0] * SLOTS, [0.0] * SLOTS
    for slot, up, down in zip(*(rows[name].to_pylist() for name in ("slot", "sent", "received")), strict=True):
        if 0 <= slot < SLOTS:
            sent[slot], received[slot] = float(up), float(down)
    return Series(first, step, sent, received)


def _changed(settings: Settings) -> dict[str, Any]:
    """Settings that are not the defaults, by their dotted names; none of them is a secret."""
    from monitor.settings import Settings as Known

    def leaves(prefix: str, ours: Any, default: Any) -> dict[str, Any]:
        if isinstance(ours, dict) and isinstance(default, dict) and prefix != "zones.":
            found: dict[str, Any] = {}
            for name, value in ours.items():
                found |= leaves(f"{prefix}{name}.", value, default.get(name))
            return found
        return {} if ours == default else {prefix.rstrip("."): ours}

    return leaves("", settings.model_dump(mode="json"), Known().model_dump(mode="json"))


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True

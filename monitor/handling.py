"""What people do with incidents: judge them, hide what is known to be harmless, and see what came of it; and the proof
that nobody changed the log.

Everything is appended, nothing is changed. Detection is up to `detect`, printing to `report`.
"""

from __future__ import annotations

import getpass
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from monitor import recall
from monitor.errors import InputError, UsageError

if TYPE_CHECKING:
    from monitor.detect import Suppression
    from monitor.store import Store

OPERATOR = "operator"
"""Writer of events that a person caused."""
PARTITION = timedelta(days=62)
"""How much longer than the retention an event may stay: parts go as a whole."""
VERDICTS = ("true", "false", "benign")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
EVERYTHING = ("open", "waiting", "suppressed", "closed")


def give_verdict(store: Store, incident_id: str, verdict: str, *, note: str = "", owner: str = "") -> dict[str, Any]:
    """Append a verdict on the incident whose id begins so; the latest counts. Raises InputError, StoreError."""
    incident = recall.incident(store, incident_id)
    row = {
        "recorded": datetime.now(UTC),
        "run_id": incident["run_id"],
        "incident_id": incident["incident_id"],
        "detector": incident["detector"],
        "verdict": verdict,
        "note": note,
        "owner": owner or who(),
    }
    store.append("verdicts", [row])
    return row


def verdicts_on(store: Store, incident: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All verdicts on an incident, the latest last."""
    sql = (
        "SELECT recorded, verdict, note, owner FROM verdicts "
        "WHERE run_id = {run:String} AND incident_id = {id:String} ORDER BY recorded"
    )
    asked = {"run": incident["run_id"], "id": incident["incident_id"]}
    rows: list[dict[str, Any]] = store.query(sql, asked).to_pylist()
    return rows


def stats(store: Store, suppressions: Sequence[Suppression] = ()) -> list[dict[str, Any]]:
    """For each detector that found something: incidents by state, verdicts, and how many of those judged were false.

    `false_rate` is false / judged, `nuisance_rate` (false + benign) / judged; None as long as none is judged.
    """
    found = recall.incidents(store, states=EVERYTHING, suppressions=suppressions, limit=recall.MOST_READ)
    given = recall.verdicts(store)
    rows = []
    for detector in sorted({row["detector"] for row in found} | {name for name, _ in given}):
        own = [row["state"] for row in found if row["detector"] == detector]
        said = {verdict: given.get((detector, verdict), 0) for verdict in VERDICTS}
        judged = sum(said.values())
        rows.append(
            {
                "detector": detector,
                "incidents": len(own),
                "waiting": own.count("waiting"),
                "suppressed": own.count("suppressed"),
                **said,
                "false_rate": said["false"] / judged if judged else None,
                "nuisance_rate": (said["false"] + said["benign"]) / judged if judged else None,
            }
        )
    return rows


def suppress(store: Store, suppression: Suppression) -> int:
    """Add a suppression and mark what it hides in the incident log; gives how many incidents. Raises StoreError."""
    store.append("suppressions", [_event(suppression, "added")])
    return _mark(
        store, recall.incidents(store, suppressions=[suppression], states=("suppressed",), limit=recall.MOST_READ)
    )


def would_hide(store: Store, suppression: Suppression, *, days: float = 30.0) -> list[dict[str, Any]]:
    """Incidents stored in the last `days` that are shown now and that the suppression would hide."""
    later = datetime.now(UTC) - timedelta(days=days)
    shown = recall.incidents(store, limit=recall.MOST_READ)
    return [row for row in shown if row["recorded"] >= later and suppression.hides(row)]


def end_suppression(store: Store, suppression_id: str) -> tuple[Suppression, int]:
    """End the suppression whose id begins so; gives it and how many incidents are shown again.

    Raises InputError, StoreError.
    """
    from monitor.detect import in_force

    kept = in_force(store.query("SELECT * FROM suppressions").to_pylist())
    same = [one for one in kept if one.suppression_id.startswith(suppression_id)]
    if len(same) != 1:
        what = "more than one suppression begins" if same else "no suppression in force begins"
        raise InputError(f"{what} with {suppression_id}; see `monitor incidents suppressions`")
    hidden = [
        row
        for row in recall.incidents(store, suppressions=kept, states=("suppressed",), limit=recall.MOST_READ)
        if row["suppression"] == same[0].suppression_id
    ]
    store.append("suppressions", [_event(same[0], "ended")])
    others = [one for one in kept if one is not same[0]]
    again = [recall.as_it_stands(row, others) for row in hidden]
    _mark(store, again)
    return same[0], sum(row["state"] != "suppressed" for row in again)


def suppressions_listed(store: Store, known: Sequence[Suppression]) -> list[dict[str, Any]]:
    """Every suppression that was not ended, with its scope in words, its state and how many incidents it hides."""
    found = recall.incidents(store, states=("suppressed",), suppressions=known, limit=recall.MOST_READ)
    now = datetime.now(UTC)
    return [
        {
            "suppression_id": one.suppression_id,
            "hides": scope_text(one),
            "incidents": sum(row["suppression"] == one.suppression_id for row in found),
            "expires": one.expires,
            "state": "in force" if one.expires > now else "expired",
            "owner": one.owner,
            "reason": one.reason,
        }
        for one in sorted(known, key=lambda one: (one.expires, one.suppression_id))
    ]


def scope_text(suppression: Suppression) -> str:
    """`detector beacon, host 10.0.0.5, port 443`."""
    from monitor.detect import SCOPES

    return ", ".join(f"{scope} {getattr(suppression, scope)}" for scope in SCOPES if getattr(suppression, scope))


def new_suppression(**fields: Any) -> Suppression:
    """A suppression of a person's choosing. Raises UsageError when it is none."""
    from monitor.detect import Suppression

    try:
        return Suppression(**{**fields, "owner": fields.get("owner") or who()})
    except ValueError as error:
        raise UsageError(str(error)) from error


def _mark(store: Store, rows: Sequence[Mapping[str, Any]]) -> int:
    """Append what the rows have become, run by run, where it is not stored so already."""
    marked = 0
    for run_id in sorted({row["run_id"] for row in rows}):
        own = [
            {**row, "event": "updated" if row["event"] != "closed" else "closed"}
            for row in rows
            if row["run_id"] == run_id
        ]
        marked += store.continue_incidents(run_id, own, writer=OPERATOR)
    return marked


def _event(suppression: Suppression, kind: str) -> dict[str, Any]:
    from monitor.detect import SCOPES

    names = ("suppression_id", *SCOPES, "expires", "reason", "owner")
    return {
        **{name: getattr(suppression, name) for name in names},
        "event": kind,
        "recorded": datetime.now(UTC),
    }


def verify(store: Store, head: str = "", *, kept_days: int = 0) -> tuple[list[dict[str, Any]], list[str]]:
    """The chains of the incident log (`run_id`, `writer`, `events`, `head`, `flaws`), and each flaw in words.

    With `head` (or how it begins) the log must still hold the event with that hash. After `kept_days` (0: never) live
    events go, month by month: a chain of these may lack its beginning. Raises StoreError.
    """
    from monitor.store import verify_chains

    logged = store.query("SELECT * FROM incidents ORDER BY run_id, writer, ordinal, recorded").to_pylist()
    kept_since = datetime.now(UTC) - timedelta(days=kept_days) + PARTITION if kept_days else None
    chains = verify_chains(logged, kept_since=kept_since)
    said = [
        f"{_chain_name(flaw.run_id, flaw.writer)}, event {flaw.ordinal} {flaw.what}: {flaw.detail}"
        for chain in chains
        for flaw in chain.flaws
    ]
    if head and not any(event["hash"].startswith(head) for event in logged):
        said.append(f"no event has the hash {head}: the end of a chain was cut off, or a chain was written anew")
    rows = [
        {"run_id": one.run_id, "writer": one.writer, "events": one.events, "flaws": len(one.flaws), "head": one.head}
        for one in chains
    ]
    return rows, said


def _chain_name(run_id: str, writer: str) -> str:
    return f"{f'run {run_id}' if run_id else 'live'}, {writer}"


def who() -> str:
    """Name of the user who gives the command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user in the container's passwd
        return "unknown"


def expiry(text: str) -> datetime:
    """The moment that `30d`, `12h` or `2026-12-31`, perhaps with a time, means. Raises UsageError: none, or past."""
    now = datetime.now(UTC)
    found = re.fullmatch(r"(\d{1,5})\s*([hdw])", text.strip())
    try:
        moment = (
            now + int(found[1]) * _UNITS[found[2]] if found else datetime.fromisoformat(text.strip().replace(" ", "T"))
        )
    except ValueError as error:
        raise UsageError(f"--expires {text!r}: expected 30d, 12h, 8w or a date such as 2026-12-31") from error
    moment = moment.replace(tzinfo=moment.tzinfo or UTC)
    if moment <= now:
        raise UsageError(f"--expires {text}: that is past")
    return moment


def counted(count: int, noun: str) -> str:
    """`1 incident`, `12 incidents`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def dossier(store: Store, incident_id: str, suppressions: Sequence[Suppression] = ()) -> dict[str, Any]:
    """All that the store has on the incident whose id begins so.

    Its own fields, and `story_incidents`, `shown_flows`, `life`, `verdicts`, `sources`. Raises InputError, StoreError.
    """
    incident = recall.incident(store, incident_id, suppressions)
    run = next((run for run in recall.runs(store, run_id=incident["run_id"])), {}) if incident["run_id"] else {}
    return {
        **incident,
        "story_incidents": recall.story(store, incident),
        "shown_flows": recall.flows_of(store, incident),
        "life": recall.events(store, incident),
        "verdicts": verdicts_on(store, incident),
        "sources": list(run.get("sources", ())),
    }

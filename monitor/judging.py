"""Brings evidence before the docket: what the hunts and the model find, by the rules of the settings and the store.

What is evidence, and what becomes of it, is up to `detect`; writing it down is done here, for replays and live alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monitor.alerts import Telemetry
    from monitor.config import Settings
    from monitor.detect import Docket, Event, Hunt, Incident, Rules, Suppression
    from monitor.model import Model
    from monitor.store import Store

BETWEEN_LOOKS = 5.0
"""s of wall time between two looks of a paced replay."""
LOOKBACK = timedelta(hours=24)
"""Event time that hunts which come again and again look over."""
MOST_KNOWN = 10_000
"""Incidents of late that a docket begins with."""


def judge(store: Store, settings: Settings, run_id: str, model: Model | None) -> list[Incident]:
    """Incidents among the stored flows of a run, the most severe first; without those that are suppressed.

    Those that wait for the alert budget are among them, in state `waiting`. Raises StoreError.
    """
    docket, _ = settled(store, settings, run_id, model)
    return [incident for incident in docket.incidents if incident.state != "suppressed"]


def settled(store: Store, settings: Settings, run_id: str, model: Model | None) -> tuple[Docket, list[Event]]:
    """The docket of a whole run at the end of its event time, and what happened in it. Raises StoreError."""
    from monitor.detect import Docket

    docket = Docket(rules(settings, suppressions(store, settings)))
    ended = store.query("SELECT max(end) AS at FROM flows WHERE run_id = {run:String}", {"run": run_id})["at"][
        0
    ].as_py()
    return docket, docket.take(evidence(store, settings, run_id, model), ended)


def evidence(
    store: Store,
    settings: Settings,
    run_id: str,
    model: Model | None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    hunts: Sequence[Hunt] | None = None,
    further: bool = False,
) -> list[Incident]:
    """What the hunts (None: all) and the model find among the flows of a run (`''`: live ones).

    `further`: hunts for what takes days look back over those too, beside their look from `since`. Raises StoreError.
    """
    from monitor.detect import by_urgency, by_width, conduits_text, host_incidents, search, window_question
    from monitor.model import WIDTHS

    looked = search(
        run_id,
        p_cuts=model.p_cuts(settings.alert_budget) if model else {},
        window=settings.detect.window,
        since=since,
        until=until,
        hunts=hunts,
        further=further,
        parameters={"conduits": conduits_text(settings.conduits)},
    )
    if model is None or model.hosts is None:
        return looked.incidents(store, store.query_all(looked.questions))
    # All in one go, the longest first: two questions are answered at once, and none should be left alone at the end.
    counted, *tables = store.query_all([window_question(run_id, WIDTHS, since=since, until=until), *looked.questions])
    # Hours of internal hosts that the model finds strange as a whole, whatever single flows look like:
    cut, windows = model.host_cut(settings.alert_budget), by_width(counted, WIDTHS)
    strange = host_incidents(store, run_id, model.hosts.strange(windows, cut), windows, cut)
    return sorted([*looked.incidents(store, tables), *strange], key=by_urgency)


def live_docket(store: Store, settings: Settings) -> Docket:
    """The docket of live traffic as the store has it, for a sensor that starts. Raises StoreError."""
    from monitor.detect import Docket, Incident

    names = Incident.field_names()
    rows = store.query(
        "SELECT * FROM current_incidents WHERE run_id = '' ORDER BY last_seen DESC LIMIT {most:UInt32}",
        {"most": MOST_KNOWN},
    ).to_pylist()
    known = []
    for row in rows:
        state = "closed" if row["event"] == "closed" else row["state"]
        known.append(Incident(**{name: _frozen(row[name]) for name in names} | {"state": state}))
    return Docket(rules(settings, suppressions(store, settings)), known, forgets=True)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def rules(settings: Settings, suppressions: Sequence[Suppression] = ()) -> Rules:
    """By what a docket is kept under these settings."""
    from monitor.detect import Rules, detector_identities

    return Rules(
        identities=detector_identities(),
        at_home=at_home(settings),
        suppressions=suppressions,
        budget=settings.alert_budget,
        always_told=settings.detect.always_told,
        gap=timedelta(seconds=settings.detect.window),
        quiet=timedelta(seconds=settings.detect.quiet),
    )


def suppressions(store: Store, settings: Settings) -> list[Suppression]:
    """Those of the store and those of monitor.toml, expired ones among them. Raises StoreError."""
    from monitor.detect import Suppression, in_force

    kept = in_force(store.query("SELECT * FROM suppressions").to_pylist()) if store.schema.ready else []
    return [*kept, *(Suppression(**entry.scopes()) for entry in settings.suppressions)]


def at_home(settings: Settings) -> Callable[[str], bool]:
    """Whether an address, as text, lies in a home network; what is no address does not."""
    from monitor.flows import HOME_NETWORKS

    networks = [*map(ip_network, HOME_NETWORKS), *settings.home_networks]

    @lru_cache(maxsize=65536)
    def inside(address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed.version == network.version and parsed in network for network in networks)

    return inside


class Watch:
    """Judges a run: once at its end, or also while it goes on at the pace of event time."""

    def __init__(
        self, store: Store, settings: Settings, run_id: str, model: Model | None, telemetry: Telemetry | None
    ) -> None:
        from monitor.detect import Docket

        self._store, self._settings, self._run_id, self._model = store, settings, run_id, model
        self._telemetry = telemetry
        self._docket = Docket(rules(settings, suppressions(store, settings)))
        self.ended: datetime | None = None
        """Event time of the end of the latest flow; None before there is one."""
        self._looks = 0
        self._last = time.monotonic()

    def look(self) -> None:
        """Publish and judge what has come, when the last look is `BETWEEN_LOOKS` ago. Raises StoreError."""
        if time.monotonic() - self._last >= BETWEEN_LOOKS:
            self._judge()
            self._last = time.monotonic()

    def end(self) -> Docket:
        """Publish and judge all of the run; the docket as it stands then. Raises StoreError."""
        self._judge()
        return self._docket

    def _judge(self) -> None:
        store, run = self._store, self._run_id
        with store.at_rest():
            store.publish_flows(more=self._looks > 0)
            started = time.monotonic()
            sql = "SELECT max(end) AS at, count() > 0 AS any FROM flows WHERE run_id = {run:String}"
            (latest,) = store.query(sql, {"run": run}).to_pylist()
            self.ended = latest["at"] if latest["any"] else None
            found = evidence(store, self._settings, run, self._model)
        rows = [{**event.incident, "event": event.kind} for event in self._docket.take(found, latest["at"])]
        writer = self._settings.sensor
        if self._looks:
            written = store.continue_incidents(run, rows, writer=writer)
            store.mark_run("done")
        else:
            written = store.insert_incidents(rows, writer=writer)
        self._looks += 1
        if self._telemetry is not None:
            self._telemetry.hunted(time.monotonic() - started)
            self._telemetry.incidents(rows, written=written)


def write_down(
    store: Store,
    events: Iterable[Event],
    telemetry: Telemetry | None = None,
    *,
    writer: str = "sensor",
    token: str = "",
) -> int:
    """Append the events to the incident log of the run that is being written, or of live traffic, and count them.

    Gives the number of rows. Raises StoreError; to do it again with the same `token` then doubles nothing.
    """
    rows = [{**event.incident, "event": event.kind} for event in events]
    written = store.insert_incidents(rows, writer=writer, token=token)
    if telemetry is not None:
        telemetry.incidents(rows, written=written)
    return written


class News:
    """What is appended to the incident log of a run (`''`: live traffic), look by look."""

    def __init__(self, store: Store, run_id: str) -> None:
        self._store, self._run_id = store, run_id
        self._seen: dict[str, int] = {}
        self._looked = False

    def since_last(self, suppressions: Sequence[Suppression]) -> list[dict[str, Any]]:
        """Events since the last look, in order; at the first one the latest of each incident that is open.

        What a suppression hides is left out. Raises StoreError.
        """
        from monitor.recall import as_it_stands

        heads = self._heads()
        if not self._looked:
            sql = "SELECT * FROM current_incidents WHERE run_id = {run:String} AND event != 'closed' ORDER BY recorded"
            rows = self._store.query(sql, {"run": self._run_id}).to_pylist()
        else:
            rows = [
                row for writer, head in heads.items() for row in self._after(writer, self._seen.get(writer, 0), head)
            ]
        self._seen, self._looked = heads, True
        rows.sort(key=lambda row: (row["recorded"], row["writer"], row["ordinal"]))
        return [row for row in rows if as_it_stands(row, suppressions)["state"] != "suppressed"]

    def _heads(self) -> dict[str, int]:
        sql = "SELECT writer, max(ordinal) AS head FROM incidents WHERE run_id = {run:String} GROUP BY writer"
        rows = self._store.query(sql, {"run": self._run_id}).to_pylist()
        return {row["writer"]: row["head"] for row in rows}

    def _after(self, writer: str, seen: int, head: int) -> list[dict[str, Any]]:
        sql = (
            "SELECT * FROM incidents WHERE run_id = {run:String} AND writer = {writer:String} "
            "AND ordinal > {seen:UInt64} AND ordinal <= {head:UInt64} ORDER BY ordinal"
        )
        asked = {"run": self._run_id, "writer": writer, "seen": seen, "head": head}
        rows: list[dict[str, Any]] = self._store.query(sql, asked).to_pylist()
        return rows

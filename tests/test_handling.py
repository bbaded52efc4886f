"""What people do with incidents: verdicts and rates, suppressions that hide on read and write, proof of the log."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flow_builder import flows
from incident_rows import incident

from monitor import handling, recall
from monitor.config import Settings
from monitor.errors import InputError, UsageError
from monitor.judging import News, live_docket, settled, suppressions, write_down
from monitor.store import Store, open_store

BREACH = {"src_ip": "10.1.0.5", "dst_ip": "203.0.113.9", "src_zone": "mynumber", "dst_zone": "internet", "proto": 6}
_numbers = itertools.count()


def suppression(**fields: Any) -> Any:
    return handling.new_suppression(**{"expires": handling.expiry("30d"), "reason": "known", **fields})


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with open_store(f"chdb://{tmp_path_factory.mktemp('handling')}/store") as opened:
        yield opened


@pytest.fixture
def store(kept: Store) -> Store:
    """The store with three incidents in run `one`, and one of live traffic."""
    for table in ("incidents", "verdicts", "suppressions"):
        kept._client().command(f"TRUNCATE TABLE {table}")
    kept.insert_incidents([incident("dd44", host="10.0.0.9")], writer="edge")
    found = [incident("aa11"), incident("bb22", detector="port_scan", host="10.0.0.6", names=[], ports=[1, 2])]
    kept.continue_incidents("one", [{**row, "event": "opened", "state": "open"} for row in found], writer="edge")
    late = incident("cc33", severity="low", host="10.0.0.7", names=["evil.example"])
    kept.continue_incidents("one", [{**late, "event": "opened", "state": "waiting"}], writer="edge")
    return kept


def shown(store: Store, *states: str) -> list[str]:
    found = recall.incidents(store, states=states or recall.SHOWN, suppressions=suppressions(store, Settings()))
    return sorted(row["incident_id"] for row in found)


def test_verdicts_give_rates(store: Store) -> None:
    handling.give_verdict(store, "aa", "false", note="a backup", owner="soc")
    handling.give_verdict(store, "aa", "benign", owner="soc")
    handling.give_verdict(store, "dd", "true")
    handling.give_verdict(store, "cc", "false")
    rates = {row["detector"]: row for row in handling.stats(store)}
    beacon = rates["beacon"]
    assert (beacon["incidents"], beacon["waiting"], beacon["true"], beacon["false"], beacon["benign"]) == (
        3,
        1,
        1,
        1,
        1,
    )
    assert (beacon["false_rate"], beacon["nuisance_rate"]) == (1 / 3, 2 / 3)
    assert rates["port_scan"]["false_rate"] is None
    said = handling.dossier(store, "aa11")["verdicts"]
    assert [(row["verdict"], row["note"], row["owner"]) for row in said] == [
        ("false", "a backup", "soc"),
        ("benign", "", "soc"),
    ]
    with pytest.raises(InputError, match="no incident ff"):
        handling.give_verdict(store, "ff", "true")


def test_a_suppression_hides_and_its_end_shows_again(store: Store) -> None:
    wanted = suppression(name="update.example", owner="soc")
    assert [row["incident_id"] for row in handling.would_hide(store, wanted)] == ["aa11", "dd44"]
    assert handling.would_hide(store, wanted, days=1e-9) == []
    assert shown(store) == ["aa11", "bb22", "cc33", "dd44"]
    assert handling.suppress(store, wanted) == 2
    assert shown(store) == ["bb22", "cc33"]
    assert shown(store, "suppressed") == ["aa11", "dd44"]
    stored = store.query("SELECT state, suppression FROM current_incidents WHERE incident_id = 'aa11'").to_pylist()
    assert stored == [{"state": "suppressed", "suppression": wanted.suppression_id}]
    (listed,) = handling.suppressions_listed(store, suppressions(store, Settings()))
    assert (listed["incidents"], listed["state"], listed["owner"]) == (2, "in force", "soc")
    assert listed["hides"] == "name update.example"
    ended, again = handling.end_suppression(store, wanted.suppression_id[:6])
    assert (ended, again) == (wanted, 2)
    assert shown(store) == ["aa11", "bb22", "cc33", "dd44"]
    assert [row["state"] for row in handling.dossier(store, "aa11")["life"]] == ["open", "suppressed", "open"]
    with pytest.raises(InputError, match="no suppression in force"):
        handling.end_suppression(store, wanted.suppression_id)
    assert handling.verify(store)[1] == []


def test_hostile_words_stay_words(store: Store) -> None:
    hostile = "'; DROP TABLE suppressions; -- \x1b[2J \\ \u202e"
    handling.suppress(store, suppression(name="nothing.example", reason=hostile, owner=hostile))
    handling.give_verdict(store, "aa", "true", note=hostile)
    (kept,) = suppressions(store, Settings())
    assert (kept.reason, kept.owner) == (hostile, hostile)
    assert handling.dossier(store, "aa11")["verdicts"][0]["note"] == hostile


def test_suppressions_of_the_settings_count_too(store: Store) -> None:
    given = {"host": "10.0.0.5", "expires": datetime(2027, 1, 1), "reason": "known", "owner": "soc"}
    known = suppressions(store, Settings.model_validate({"suppressions": [given]}))
    found = recall.incidents(store, suppressions=known)
    assert sorted(row["incident_id"] for row in found) == ["bb22", "cc33", "dd44"]


@pytest.mark.parametrize("text", ["30d", "12h", "2w", "2099-12-31", "2099-12-31 10:00", "2099-12-31T10:00:00+09:00"])
def test_a_time_of_expiry(text: str) -> None:
    assert handling.expiry(text) > datetime.now(UTC)


@pytest.mark.parametrize("text", ["", "soon", "2020-01-01", "0d", "30", "99999999d", "2099-13-01"])
def test_no_time_of_expiry(text: str) -> None:
    with pytest.raises(UsageError, match="--expires"):
        handling.expiry(text)


def test_verify_names_the_place_and_keeps_to_a_noted_head(store: Store) -> None:
    chains, flaws = handling.verify(store)
    assert flaws == []
    assert [(row["run_id"], row["writer"], row["events"]) for row in chains] == [("", "edge", 1), ("one", "edge", 3)]
    head = chains[1]["head"]
    assert handling.verify(store, head[:16])[1] == []
    change = "ALTER TABLE incidents UPDATE severity = 'low' WHERE incident_id = 'bb22' SETTINGS mutations_sync = 2"
    store._client().command(change)
    (flaw,) = handling.verify(store)[1]
    assert flaw.startswith("run one, edge, event 2 altered: opened, incident bb22")
    store._client().command("ALTER TABLE incidents DELETE WHERE ordinal > 1 SETTINGS mutations_sync = 2")
    assert handling.verify(store)[1] == []
    assert "was cut off" in handling.verify(store, head)[1][0]


def test_news_are_told_once(store: Store) -> None:
    news = News(store, "")
    assert [row["incident_id"] for row in news.since_last([])] == ["dd44"]
    assert news.since_last([]) == []
    store.insert_incidents([incident("ee55", names=["update.example"]), incident("ff66")], writer="edge")
    store.continue_incidents("", [{**incident("dd44"), "event": "closed", "state": "closed"}], writer="operator")
    hidden = [suppression(name="update.example", detector="beacon"), suppression(name="b.example")]
    assert [(row["incident_id"], row["event"]) for row in news.since_last(hidden[1:])] == [
        ("ee55", "opened"),
        ("ff66", "opened"),
        ("dd44", "closed"),
    ]
    store.insert_incidents([incident("aa77")], writer="edge")
    assert news.since_last(hidden[:1]) == []


def test_a_sensor_that_starts_again_knows_its_incidents(store: Store) -> None:
    (known,) = live_docket(store, Settings()).incidents
    assert (known.incident_id, known.state, known.names) == ("dd44", "open", ("a.update.example",))
    later = known.last_seen + timedelta(hours=2)
    (closed,) = live_docket(store, Settings()).take([], later)
    assert (closed.kind, closed.incident.incident_id) == ("closed", "dd44")


def test_a_run_is_written_as_the_docket_has_it(kept: Store, tmp_path: Path) -> None:
    """Flows in, events out: opened and, an hour of event time later, closed; hidden on write by a suppression."""
    settings = Settings.model_validate({"zones": {"mynumber": ["10.1.0.0/16"]}})
    for known, states in ((False, ["open", "closed"]), (True, ["suppressed", "suppressed"])):
        run = f"docket-{next(_numbers)}"
        if known:
            handling.suppress(kept, suppression(detector="zone_breach", host="10.1.0.5"))
        kept.begin_run(run)
        kept.insert_flows(flows({**BREACH, "start": 5.0}, {"src_ip": "10.3.0.1", "start": 8000.0}))
        kept.publish_flows()
        docket, events = settled(kept, settings, run, None)
        assert write_down(kept, events, writer="edge") == 2
        (one,) = docket.incidents
        life = recall.events(kept, {"run_id": run, "incident_id": one.incident_id})
        assert [row["event"] for row in life] == ["opened", "closed"]
        assert [row["state"] for row in life] == states
    assert handling.verify(kept)[1] == []

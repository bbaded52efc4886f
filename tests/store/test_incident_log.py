"""Each run and each writer has a chain of its own; a store from before the chain goes on."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from incident_events import incident, log

from monitor.store import open_store
from monitor.store.chain import verify_chains


def test_each_run_and_each_writer_has_a_chain(url: str) -> None:
    with open_store(url) as store:
        store.insert_incidents([incident(1)], writer="edge")
        store.continue_incidents("", [{**incident(1), "event": "updated", "state": "suppressed"}], writer="operator")
        for run in ("a", "b", "a"):
            store.begin_run(run)
            store.publish_flows()
            store.insert_incidents([incident(1), incident(2)], writer="edge")
        store.continue_incidents("a", [{**incident(1), "event": "closed", "state": "closed"}], writer="edge")
        chains = verify_chains(log(store))
        current = store.query("SELECT run_id, incident_id, state FROM current_incidents ORDER BY ALL").to_pylist()
    assert [(chain.run_id, chain.writer, chain.events, chain.flaws) for chain in chains] == [
        ("", "edge", 1, ()),
        ("", "operator", 1, ()),
        ("a", "edge", 3, ()),
        ("b", "edge", 2, ()),
    ]
    assert [tuple(row.values()) for row in current][:2] == [
        ("", "0000000000000001", "suppressed"),
        ("a", "0000000000000001", "closed"),
    ]


def test_a_store_of_the_first_schema_goes_on(tmp_path: Path) -> None:
    """Events from before the chain stay as they are; the chain begins with the next."""
    url = f"chdb://{tmp_path}/store"
    with open_store(url) as store:
        store.insert_incidents([incident(1)])
        client = store._client()
        for table in ("incidents", "incidents_incoming"):
            for column in ("names", "ports", "ja4", "state", "stage", "story", "suppression", "writer", "ordinal"):
                client.command(f"ALTER TABLE {table} DROP COLUMN {column}")
            client.command(f"ALTER TABLE {table} DROP COLUMN previous, DROP COLUMN hash")
        client.command("DROP TABLE verdicts")
        client.command("ALTER TABLE schema_versions DELETE WHERE version > 1 SETTINGS mutations_sync = 2")
    with open_store(url) as store:
        assert store.schema.ready
        store.insert_incidents([incident(2)])
        assert [(chain.events, chain.flaws) for chain in verify_chains(log(store))] == [(1, ())]
        assert store.query("SELECT count() AS n FROM current_incidents")["n"].to_pylist() == [2]


def test_what_retention_took_is_no_flaw_but_what_somebody_took_is(tmp_path: Path) -> None:
    with open_store(f"chdb://{tmp_path}/store") as store:
        store.insert_incidents([incident(number) for number in range(1, 7)], writer="edge")
        events = log(store)
    later = events[0]["recorded"] + timedelta(days=1)
    (cut,) = verify_chains(events[3:], kept_since=later)
    assert cut.flaws == ()
    (cut,) = verify_chains(events[3:], kept_since=events[0]["recorded"] - timedelta(days=1))
    assert [(flaw.ordinal, flaw.what) for flaw in cut.flaws] == [(1, "removed")]
    (gap,) = verify_chains([*events[2:4], *events[5:]], kept_since=later)
    assert [(flaw.ordinal, flaw.what) for flaw in gap.flaws] == [(5, "removed")]
    swapped = [*events[3:4], {**events[5], "ordinal": 5}, {**events[4], "ordinal": 6}]
    (moved,) = verify_chains(swapped, kept_since=later)
    assert [(flaw.ordinal, flaw.what) for flaw in moved.flaws] == [(5, "moved"), (6, "moved")]


def test_an_insert_that_is_repeated_doubles_no_event_and_keeps_the_chain(url: str) -> None:
    """As when the answer to the first one was lost: the hash of the repeated one would be another."""
    with open_store(url) as store:
        for _ in range(2):
            store.insert_incidents([incident(1), incident(2)], writer="edge", token="hunt 1")
        store.insert_incidents([incident(3)], writer="edge", token="hunt 2")
        (chain,) = verify_chains(log(store))
    assert (chain.events, chain.flaws) == (3, ())

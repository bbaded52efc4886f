"""Whoever changes the incident log in the store, by SQL, is found out: where, and what was done."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from incident_events import incident, log

from monitor.store import Store, open_store
from monitor.store.chain import Flaw, digest, verify_chains

Tamper = Callable[..., list[Flaw]]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with open_store(f"chdb://{tmp_path_factory.mktemp('chain')}/store") as opened:
        yield opened


@pytest.fixture
def tampered(kept: Store) -> Tamper:
    """Fill a log with six events of live traffic, do something to it in SQL, and verify."""

    def tamper(*statements: str) -> list[Flaw]:
        client = kept._client()
        client.command("TRUNCATE TABLE incidents")
        for number in range(1, 5):
            kept.insert_incidents([incident(number)], writer="edge")
        kept.insert_incidents([incident(1), incident(2)], event="closed", writer="edge")
        assert [(chain.events, chain.flaws) for chain in verify_chains(log(kept))] == [(6, ())]
        for statement in statements:
            client.command(f"{statement} SETTINGS mutations_sync = 2")
        return [flaw for chain in verify_chains(log(kept)) for flaw in chain.flaws]

    return tamper


def said(flaws: list[Flaw]) -> list[tuple[int, str]]:
    return [(flaw.ordinal, flaw.what) for flaw in flaws]


@pytest.mark.parametrize(
    "change",
    [
        "severity = 'low'",
        "host = '10.0.0.6'",
        "flows = flows + 1",
        "score = score + 1e-12",
        "p_value = 0.5",
        "reasons = ['nothing to see']",
        "attack = []",
        "state = 'suppressed'",
        "event = 'closed'",
        "last_seen = last_seen + toIntervalMicrosecond(1)",
        "hash = upper(hash)",
    ],
)
def test_an_altered_event_is_named(tampered: Tamper, change: str) -> None:
    flaws = tampered(f"ALTER TABLE incidents UPDATE {change} WHERE ordinal = 3")
    assert (3, "altered") in said(flaws)
    assert "incident 0000000000000003" in flaws[0].detail
    assert {flaw.ordinal for flaw in flaws} <= {3, 4}


def test_a_removed_event_is_counted(tampered: Tamper) -> None:
    assert said(tampered("ALTER TABLE incidents DELETE WHERE ordinal = 3")) == [(3, "removed")]
    (gap,) = tampered("ALTER TABLE incidents DELETE WHERE ordinal IN (2, 3)")
    assert gap.detail.startswith("event 2 to 3; the next is opened, incident 0000000000000004")
    assert said(tampered("ALTER TABLE incidents DELETE WHERE ordinal = 1")) == [(1, "removed")]


def test_events_that_changed_places_are_told(tampered: Tamper) -> None:
    flaws = tampered("ALTER TABLE incidents UPDATE ordinal = 5 - ordinal WHERE ordinal IN (2, 3)")
    assert [flaw for flaw in said(flaws) if flaw[1] == "moved"] == [(2, "moved"), (3, "moved")]
    assert "it was number 3" in flaws[0].detail


def test_an_event_put_in_between_is_told(tampered: Tamper, kept: Store) -> None:
    copied = "SELECT * REPLACE('ffffffffffffffff' AS incident_id) FROM incidents WHERE ordinal = 4"
    assert (4, "added") in said(tampered(f"INSERT INTO incidents {copied}"))


def test_a_forged_hash_breaks_the_next_link(tampered: Tamper, kept: Store) -> None:
    """Who computes the changed event's own hash anew still has the one after it against him."""
    tampered()
    third = next(event for event in log(kept) if event["ordinal"] == 3)
    forged = digest({**third, "severity": "low"})
    change = f"severity = 'low', hash = '{forged}' WHERE ordinal = 3"
    kept._client().command(f"ALTER TABLE incidents UPDATE {change} SETTINGS mutations_sync = 2")
    (chain,) = verify_chains(log(kept))
    assert said(list(chain.flaws)) == [(4, "altered")]


def test_a_cut_end_is_seen_by_its_head(tampered: Tamper, kept: Store) -> None:
    tampered()
    (whole,) = verify_chains(log(kept))
    noted = [event["hash"] for event in log(kept)]
    assert whole.head == noted[-1]
    kept._client().command("ALTER TABLE incidents DELETE WHERE ordinal > 4 SETTINGS mutations_sync = 2")
    (cut,) = verify_chains(log(kept))
    assert (cut.flaws, cut.head) == ((), noted[3])
    assert whole.head not in {event["hash"] for event in log(kept)}

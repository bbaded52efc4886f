"""A model is trained from the store: of a time, without the flows of open and true incidents, no host owning it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import flow_builder
import pytest
from commands import Run
from flow_builder import EPOCH, packed
from incident_rows import incident
from site_flows import BEACONER, PEER, visits

from monitor.config import Settings
from monitor.contamination import guard_of
from monitor.handling import give_verdict
from monitor.store import Store, flow_batches, open_store

START = datetime.fromtimestamp(EPOCH / 1e6, UTC)


def beacon(run: str = "", **fields: Any) -> dict[str, Any]:
    seen = {"first_seen": START + timedelta(hours=10), "last_seen": START + timedelta(hours=20)}
    return incident("be" * 8, host=BEACONER, peer=PEER, state="open", **seen, **fields)


@pytest.fixture
def place(tmp_path: Path) -> str:
    return f"chdb://{tmp_path}/store"


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    with open_store(place) as opened:
        opened.insert_flows(flow_builder.flows(*visits()))
        opened.insert_incidents([{**beacon(), "event": "opened"}], writer="test")
        yield opened


def beats(store: Store, guard_at: datetime | None = None) -> tuple[int, int]:
    """Flows of the beaconer to its peer, and to others, that the guard lets through."""
    guard = guard_of(store, Settings(), "", guard_at)
    free: list[bytes] = []
    for batch in flow_batches(store, ""):
        allowed = batch.filter(guard.allowed(batch))
        free += [
            dst
            for src, dst in zip(allowed["src_ip"].to_pylist(), allowed["dst_ip"].to_pylist(), strict=True)
            if src == packed(BEACONER)
        ]
    return sum(dst == packed(PEER) for dst in free), sum(dst != packed(PEER) for dst in free)


def test_an_open_incident_takes_its_pair_a_true_one_all_of_its_host_a_false_one_nothing(store: Store) -> None:
    assert beats(store) == (0, 60)
    assert beats(store, START + timedelta(days=3)) == (600, 60), "an incident of another time takes nothing"
    give_verdict(store, "be", "true")
    assert beats(store) == (0, 0)
    give_verdict(store, "be", "benign")
    assert beats(store) == (600, 60)


def test_a_closed_incident_without_a_verdict_is_learnt_from(store: Store) -> None:
    store.insert_incidents([{**beacon(), "state": "closed", "event": "closed"}], writer="test")
    assert beats(store) == (600, 60)


def test_what_is_read_back_is_what_was_stored(store: Store) -> None:
    kept = list(flow_batches(store, ""))
    given = flow_builder.flows(*visits())
    assert all(batch.schema.equals(given.schema) for batch in kept)
    assert sorted(flow for batch in kept for flow in batch["flow_id"].to_pylist()) == sorted(
        given["flow_id"].to_pylist()
    )
    since, until = START + timedelta(minutes=90), START + timedelta(minutes=150)
    some = [at for batch in flow_batches(store, "", since=since, until=until) for at in batch["start"].to_pylist()]
    assert some
    assert some == sorted(some)
    assert since <= min(some) <= max(some) < until
    shares = [sum(b.num_rows for b in flow_batches(store, "", one_in=n)) for n in (1, 2)]
    assert 0 < shares[1] < shares[0]


def test_a_model_is_trained_from_the_store(run: Run, store: Store, place: str) -> None:
    store.close()
    status, out, err = run(
        "train", "--store", place, "-o", "site", "--until", "2026-01-02T02:00:00", "--format", "json"
    )
    assert status == 0, err
    card = json.loads(out)
    assert card["store"] == {"runs": ["live"], "since": None, "until": "2026-01-02T02:00:00+00:00"}
    told = {(row["why"], row["detector"]): (row["incidents"], row["flows"]) for row in card["left_out"]}
    assert told["open incidents", "beacon"] == (1, 600)
    assert told["over 1000 a host and service", ""][1] == 2_000
    assert card["flows"] == 2080 + 3000 + 60
    assert card["training_window"]["last"] < card["calibration_window"]["first"]
    status, out, _ = run("model", "show", "site")
    assert "Flows left out" in out
    assert "open incidents" in out


def test_what_the_store_does_not_hold_is_said(run: Run, store: Store, place: str) -> None:
    store.close()
    for arguments, wanted in (
        (("--since", "2030-01-01"), "no live flows"),
        (("--run-id", "gone"), "no flows of run gone"),
        (("--until", "2026-01-01T00:00:20"), "too few flows"),
    ):
        status, _, err = run("train", "--store", place, "-o", "site", *arguments)
        assert (status, wanted in err) == (1, True), err
    assert run("train", "x.pcap", "--store", place, "-o", "site")[0] == 2
    assert run("train", "--store", place)[0] == 2
    assert not Path("site").exists()

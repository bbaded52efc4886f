"""Incidents live: opened once, updated when it matters, closed when quiet; over the budget the weakest wait."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from incident_builder import DAY, HOST, OUTSIDE, at, incident

from monitor.detect import Docket, Event, Incident, Rules, Suppression

RULES = Rules(identities={"beacon": ("host", "peer"), "port_scan": ("host",)}, at_home=lambda text: text[:3] == "10.")


def docket(known: tuple[Incident, ...] = (), **rules: Any) -> Docket:
    return Docket(replace(RULES, **rules), known)


def later(one: Incident) -> dict[str, Any]:
    """Its times a day later."""
    return {name: one[name] + timedelta(days=1) for name in ("first_seen", "last_seen")}


def said(events: list[Event]) -> list[tuple[str, str, str]]:
    return [(event.kind, event.incident.detector, event.incident.state) for event in events]


def test_it_is_opened_once_and_updated_on_material_change_only() -> None:
    court = docket()
    first = incident(start=0, end=10, flows=10)
    assert said(court.take([first], at(10))) == [("opened", "beacon", "open")]
    grown = incident(start=0, end=15, flows=19, reasons=("other words",), score=0.9)
    assert court.take([grown], at(15)) == []
    (doubled,) = court.take([incident(start=0, end=20, flows=20)], at(20))
    assert (doubled.kind, doubled.incident.flows) == ("updated", 20)
    (worse,) = court.take([incident(start=0, end=21, flows=21, severity="high")], at(21))
    assert (worse.kind, worse.incident.severity) == ("updated", "high")
    (likelier,) = court.take([incident(start=0, end=22, flows=22, severity="high", p_value=1e-6)], at(22))
    assert likelier.incident.p_value == 1e-6
    assert {event.incident.incident_id for event in (doubled, worse, likelier)} == {first.incident_id}


def test_the_id_stays_when_the_window_has_moved_on() -> None:
    """After a day the hunt no longer sees the beginning; it is the same beacon for all that."""
    court = docket()
    court.take([incident(start=0, end=1440, flows=1440)], at(1440))
    assert court.take([incident(start=60, end=1500, flows=1440)], at(1500)) == []
    (known,) = court.incidents
    assert (known.first_seen, known.last_seen) == (at(0), at(1500))


def test_it_closes_when_quiet_and_opens_again_under_its_id() -> None:
    court = docket()
    first = incident(start=0, end=10)
    court.take([first], at(10))
    assert court.take([first], at(70)) == []
    assert said(court.take([first], at(71))) == [("closed", "beacon", "closed")]
    assert court.take([first], at(80)) == []
    assert court.take([], at(90)) == []
    (again,) = court.take([incident(start=0, end=100)], at(100))
    assert (again.kind, again.incident.state, again.incident.incident_id) == ("updated", "open", first.incident_id)


def test_a_replay_of_weeks_keeps_all_and_a_sensor_lets_go() -> None:
    """The incidents of a run's first day are told at its end, weeks later; a sensor's memory is bounded."""
    first = incident(start=0, end=10)
    last = incident("port_scan", start=20 * 1440, end=20 * 1440 + 10)
    for forgets, kept in ((False, ["beacon", "port_scan"]), (True, ["port_scan"])):
        court = Docket(RULES, forgets=forgets)
        assert len(court.take([first, last], at(20 * 1440 + 10))) == 3
        assert sorted(one.detector for one in court.incidents) == kept


def test_what_pauses_by_nature_is_not_quiet_in_a_pause() -> None:
    """Six hours between the calls: closed after three intervals, not after one hour."""
    court = docket()
    slow = incident(start=0, end=5 * 360, flows=6)
    court.take([slow], at(5 * 360))
    assert court.take([slow], at(7 * 360)) == []
    assert said(court.take([slow], at(8 * 360 + 1))) == [("closed", "beacon", "closed")]


def test_a_whole_capture_opens_and_closes_in_order() -> None:
    events = docket().take([incident(start=300, end=310), incident("port_scan", start=0, end=1)], at(311))
    assert said(events) == [
        ("opened", "port_scan", "open"),
        ("closed", "port_scan", "closed"),
        ("opened", "beacon", "open"),
    ]


def test_over_the_budget_the_weakest_wait() -> None:
    found = [incident(host=f"10.0.1.{n}", start=n, score=n / 20, severity="low") for n in range(12)]
    found += [incident(host=f"10.0.2.{n}", start=n) for n in range(3)]
    court = docket(budget=5)
    events = court.take(found, at(20))
    assert len(events) == 15
    told = [one.host for one in court.incidents if one.state == "open"]
    assert told == ["10.0.2.0", "10.0.2.1", "10.0.2.2", "10.0.1.11", "10.0.1.10"]
    tomorrow = [replace(one, incident_id=f"{n:016x}", **later(one)) for n, one in enumerate(found)]
    court.take(tomorrow, at(24 * 60 + 20))
    assert sum(one.state == "open" and one.first_seen > at(1000) for one in court.incidents) == 5


def test_the_budget_is_for_the_sum_of_detectors_but_not_for_what_is_certain() -> None:
    found = [incident("anomaly", host=f"10.0.1.{n}", p_value=1e-5) for n in range(4)]
    found += [incident("beacon", host=f"10.0.2.{n}") for n in range(4)]
    found += [incident("port_scan", host=f"10.0.3.{n}", severity="high") for n in range(4)]
    found += [incident("zone_breach", host=f"10.0.4.{n}", severity="critical") for n in range(4)]
    court = docket(budget=3)
    court.take(found, at(5))
    states = [(one.severity, one.state) for one in court.incidents]
    assert (
        states
        == [("critical", "open")] * 4 + [("high", "open")] * 4 + [("medium", "open")] * 3 + [("medium", "waiting")] * 5
    )
    strict = docket(budget=3, always_told="critical")
    strict.take(found, at(5))
    assert [one.state for one in strict.incidents].count("open") == 4 + 3


def test_a_stronger_one_takes_the_place_of_a_weaker_one() -> None:
    court = docket(budget=1)
    court.take([incident(host="10.0.1.1", severity="low")], at(1))
    events = court.take([incident(host="10.0.1.1", severity="low"), incident(host="10.0.1.2", start=1)], at(2))
    assert [(event.kind, event.incident.host, event.incident.state) for event in events] == [
        ("updated", "10.0.1.1", "waiting"),
        ("opened", "10.0.1.2", "open"),
    ]


def test_a_story_is_told_when_its_second_part_comes() -> None:
    court = docket()
    beacon = incident(start=0, end=60, flows=60)
    court.take([beacon], at(30))
    scan = incident("port_scan", start=31, attack=("T1046",), peer=OUTSIDE)
    events = court.take([beacon, scan], at(33))
    assert [(event.kind, event.incident.detector, event.incident.severity) for event in events] == [
        ("updated", "beacon", "medium"),
        ("opened", "port_scan", "high"),
    ]
    assert events[0].incident.story == events[1].incident.story != ""
    assert court.take([beacon, scan], at(34)) == []


def test_a_sensor_that_starts_again_goes_on_where_it_was() -> None:
    beacon, scan = incident(start=0, end=60, flows=60), incident("port_scan", start=31, attack=("T1046",))
    before = docket()
    before.take([beacon, scan], at(60))
    after = docket(tuple(before.incidents))
    assert after.take([beacon, scan], at(61)) == []
    alone = docket(tuple(before.incidents))
    upload = incident("upload", start=62, attack=("T1048",))
    events = alone.take([upload], at(63))
    assert [(event.kind, event.incident.detector, event.incident.severity) for event in events] == [
        ("opened", "upload", "critical")
    ]
    assert {one.severity for one in alone.incidents} == {"medium", "high", "critical"}


def test_what_is_suppressed_is_kept_but_not_told() -> None:
    known = Suppression(expires=at(10_000), reason="known", owner="soc", host=HOST)
    court = docket(suppressions=[known], budget=1)
    events = court.take([incident(), incident(host="10.0.0.6", severity="low")], at(2))
    assert sorted(said(events)) == [("opened", "beacon", "open"), ("opened", "beacon", "suppressed")]
    hidden = next(event.incident for event in events if event.incident.host == HOST)
    assert hidden.suppression == known.suppression_id
    court.rules = replace(court.rules, suppressions=[])
    events = court.take([incident(), incident(host="10.0.0.6", severity="low")], at(3))
    assert {event.incident.host: event.incident.state for event in events} == {HOST: "open", "10.0.0.6": "waiting"}


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_evidence_does_not_show(seed: int) -> None:
    rng = random.Random(seed)
    found = [
        incident(
            rng.choice(("beacon", "port_scan", "anomaly", "zone_breach")),
            start=rng.uniform(0, 2000),
            host=f"10.0.0.{rng.randrange(9)}",
            severity=rng.choice(("low", "medium", "high", "critical")),
            score=rng.random(),
            attack=(rng.choice(("T1071", "T1046", "T1110", "T1048")),),
            service=rng.choice(("tls", "dns")),
        )
        for _ in range(200)
    ]
    one, other = docket(budget=5), docket(budget=5)
    events = one.take(found, DAY + timedelta(days=2))
    assert other.take(rng.sample(found, len(found)), DAY + timedelta(days=2)) == events
    assert one.incidents == other.incidents
    assert {"open", "closed", "waiting"} >= {event.incident.state for event in events}

"""Anomalous flows become incidents by host and service; nothing depends on the order or size of the batches."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from flow_builder import flows
from hunt_cases import CLIENT, FIRES, SERVER, VICTIM, call

from monitor.detect import Incident, find_incidents
from monitor.report.lines import incident_line
from monitor.store import Store

OTHER = "203.0.113.99"


def strange(start: float, p_value: float = 1e-4, **more: Any) -> dict[str, Any]:
    """A flow that the model found strange."""
    scored = {"model_version": "m", "score": 0.7, "p_value": p_value, "reasons": ["sent 48 MB"]}
    return call(CLIENT, SERVER, start, **{**scored, **more})


def found(hunting: Any, *rows: dict[str, Any], p_cut: float = 1e-3, **how: Any) -> Sequence[Incident]:
    """Incidents of the model alone."""
    incidents: Sequence[Incident] = hunting(rows, p_cut=p_cut, **how)
    return incidents


def test_strange_flows_of_a_host_and_service_are_one_incident(hunting: Any) -> None:
    (one,) = found(hunting, strange(0), strange(800, dst_ip=OTHER), strange(1600), strange(1700, p_value=0.5))
    assert (one.detector, one.host, one.peer, one.service, one.flows) == ("anomaly", CLIENT, SERVER, "tls", 3)
    assert one.last_seen - one.first_seen == timedelta(seconds=1600.4)
    assert one.reasons == ("sent 48 MB", "2 more flows of tls as strange, in all to 2 peers")
    assert len(one.community_ids) == 3


def test_a_pause_or_another_service_makes_another_incident(hunting: Any) -> None:
    incidents = found(hunting, strange(0), strange(901), strange(10, service="http", dst_port=80))
    assert sorted((incident.service, incident.flows) for incident in incidents) == [("http", 1), ("tls", 1), ("tls", 1)]
    assert len({incident.incident_id for incident in incidents}) == 3


def test_the_host_is_the_end_at_home(hunting: Any) -> None:
    (inbound,) = found(hunting, strange(0, src_ip=SERVER, dst_ip=VICTIM))
    (outbound,) = found(hunting, strange(0, src_ip=VICTIM, dst_ip=SERVER))
    assert (inbound.host, inbound.peer) == (outbound.host, outbound.peer) == (VICTIM, SERVER)


def test_the_peer_is_the_busiest_of_the_strange_ones(hunting: Any) -> None:
    (one,) = found(hunting, strange(0), strange(1, dst_ip=OTHER), strange(2, dst_ip=OTHER))
    assert one.peer == OTHER


def test_p_values_combine_by_simes(hunting: Any) -> None:
    """min over i of p(i) * n / i: 3 * 1e-5 / 1, 3 * 2e-5 / 2, 3 * 9e-4 / 3."""
    (one,) = found(hunting, strange(0, 1e-5), strange(1, 9e-4), strange(2, 2e-5))
    assert one.p_value == pytest.approx(3e-5, rel=1e-6)


def test_flows_above_the_cut_or_not_scored_are_no_incident(hunting: Any) -> None:
    assert found(hunting, strange(0, 2e-3), strange(1, 0.0, model_version="")) == []
    assert found(hunting, strange(0), p_cut=0.0) == []


def test_each_service_has_its_own_cut(store: Store) -> None:
    store.begin_run("cuts")
    store.insert_flows(
        flows(strange(0, 1e-4), strange(1, 1e-4, service="dns", dst_port=53), strange(2, 1e-4, service="smb"))
    )
    store.publish_flows()
    found = find_incidents(store, "cuts", p_cuts={"dns": 1e-5, "tls": 1e-3, "other": 1e-3}, hunts=[])
    assert sorted(one.service for one in found) == ["smb", "tls"]
    assert {one.severity for one in found} == {"medium"}, "as far below its own cut as the others"
    store.insert_incidents([])


def test_severity_follows_the_p_value(hunting: Any) -> None:
    severities = [found(hunting, strange(0, p))[0].severity for p in (1e-3, 1e-4, 1e-5)]
    assert severities == ["low", "medium", "high"]


def test_a_large_flow_id_and_the_strangest_flows_reasons(hunting: Any) -> None:
    rows = [strange(0, 1e-4, flow_id=2**64 - 1), strange(1, 1e-6, reasons=["the strangest"], score=0.9)]
    (one,) = found(hunting, *rows)
    assert one.reasons[0] == "the strangest"
    assert one.score == pytest.approx(0.9, abs=1e-4)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_same_flows_give_the_same_bytes_in_any_order_and_batch(hunting: Any, seed: int) -> None:
    rng = random.Random(5)
    rows = [row for hunt in FIRES for case in FIRES[hunt].values() for row in case()]
    rows += [
        strange(rng.uniform(0, 5000), rng.uniform(0, 1e-3), src_ip=f"192.168.4.{n % 7}", score=rng.random())
        for n in range(300)
    ]
    names = tuple(FIRES)
    expected = [incident_line(incident) for incident in hunting(rows, *names, p_cut=1e-3)]
    shuffled = random.Random(seed).sample(rows, len(rows))
    assert [incident_line(i) for i in hunting(shuffled, *names, p_cut=1e-3, batch=977 * seed)] == expected
    assert len(expected) >= len(FIRES) + 7


def test_incidents_come_by_severity_and_have_their_fields(hunting: Any) -> None:
    rows = [row for hunt in FIRES for row in next(iter(FIRES[hunt].values()))()]
    incidents = hunting([*rows, strange(0)], *FIRES, p_cut=1e-3)
    order = ["critical", "high", "medium", "low"]
    ranks = [order.index(incident.severity) for incident in incidents]
    assert ranks == sorted(ranks)
    for incident in incidents:
        assert dict(incident)["host"] == incident.host
        assert len(incident.incident_id) == 16
        with pytest.raises(KeyError):
            incident["nothing"]


def test_times_before_1970_and_at_it_are_grouped_too(hunting: Any) -> None:
    epoch = -56 * 365.25 * 86400.0
    incidents = found(hunting, strange(epoch), strange(epoch + 1))
    assert [incident.flows for incident in incidents] == [2]

"""Evidence of one host and behaviour is one incident, whatever order it comes in."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from incident_builder import HOST, OUTSIDE, incident
from scipy import stats

from monitor.detect import Incident, detector_identities
from monitor.detect.fusion import fuse, simes
from monitor.report import reason_ja

IDENTITIES = {"beacon": ("host", "peer"), "port_scan": ("host",), "anomaly": ("host", "service")}
GAP = timedelta(minutes=15)


def fused(*evidence: Incident) -> list[Incident]:
    return fuse(evidence, IDENTITIES, gap=GAP)


def test_evidence_of_one_behaviour_joins_and_keeps_the_first_id() -> None:
    first = incident(start=0, end=10, severity="low", flows=3, community_ids=("a",))
    second = incident(start=20, end=30, severity="high", flows=4, community_ids=("b", "a"), peer=first.peer)
    (one,) = fused(second, first)
    assert (one.incident_id, one.severity, one.flows) == (first.incident_id, "high", 7)
    assert (one.first_seen, one.last_seen) == (first.first_seen, second.last_seen)
    assert one.reasons == ("beacon at 20", "beacon at 0")
    assert one.community_ids == ("b", "a")


def test_a_pause_another_peer_or_another_detector_stands_alone() -> None:
    first = incident(start=0, end=10)
    assert len(fused(first, incident(start=26, end=30))) == 2
    assert len(fused(first, incident(start=5, end=9, peer=OUTSIDE))) == 2
    assert len(fused(first, incident("port_scan", start=5))) == 2
    assert len(fused(incident("port_scan", start=0), incident("port_scan", start=5, peer=OUTSIDE))) == 1


def test_every_detector_has_an_identity() -> None:
    assert detector_identities()["anomaly"] == ("host", "service")
    assert detector_identities()["zone_breach"] == ("host",)


def test_what_the_model_finds_strange_of_a_hunts_flows_is_the_same_matter() -> None:
    beacon = incident(start=0, end=60, community_ids=("a", "b"))
    said = "sent 48 MB; usual for tls is 0.4–210 kB"
    same_peer = incident("anomaly", start=10, p_value=1e-6, service="tls", reasons=(said,))
    same_flow = incident("anomaly", start=10, p_value=1e-5, service="http", peer=OUTSIDE, community_ids=("b",))
    other = incident("anomaly", start=10, p_value=1e-4, service="ssh", peer=OUTSIDE)
    later = incident("anomaly", start=90, p_value=1e-4, service="tls")
    found = fused(beacon, same_peer, same_flow, other, later)
    assert [one.detector for one in found] == ["beacon", "anomaly", "anomaly"]
    assert found[0].incident_id == beacon.incident_id
    assert found[0].p_value == pytest.approx(2e-6)
    assert found[0].reasons[0] == "beacon at 0"
    assert f"the model finds it strange too: {said}" in found[0].reasons
    assert reason_ja(found[0].reasons[-1]) == "モデルの判定も異常：48 MB を送信（tls の通常は 0.4–210 kB）"
    assert {one.service for one in found[1:]} == {"ssh", "tls"}


def test_another_hosts_anomaly_is_its_own() -> None:
    assert len(fused(incident(), incident("anomaly", host="10.0.0.6", p_value=1e-6))) == 2


@given(st.permutations([*range(6)]))
def test_the_order_of_evidence_does_not_show(order: list[int]) -> None:
    evidence = [
        incident(start=0, end=10),
        incident(start=12, end=13, score=0.9),
        incident("port_scan", start=3),
        incident("anomaly", start=3, p_value=1e-5, service="tls"),
        incident("anomaly", start=5, p_value=1e-4, service="dns", peer=OUTSIDE),
        incident(host=OUTSIDE, peer=HOST, start=1),
    ]
    assert fused(*(evidence[at] for at in order)) == fused(*evidence)


def test_p_values_combine_as_simes_has_it() -> None:
    """The least p(i) n / i is the smallest p-value that Benjamini and Hochberg adjust to."""
    for values in itertools.product((1e-9, 0.004, 0.2, 1.0), repeat=3):
        adjusted = stats.false_discovery_control(values, method="bh")
        assert simes(values) == pytest.approx(min(adjusted), rel=1e-5)
    assert simes([]) is None

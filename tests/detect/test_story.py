"""Several behaviours of a host in the order of an intrusion are one story, and worse than each alone."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from incident_builder import HOST, OUTSIDE, PEER, incident

from monitor.detect import Incident, load_hunts
from monitor.detect.killchain import STAGES, rank_of, stage_of
from monitor.detect.story import longest_chain, tell, with_stages
from monitor.report import reason_ja

C2, DISCOVERY, PASSWORDS, LATERAL, EXFILTRATION = (
    {"attack": (technique,)} for technique in ("T1071.001", "T1046", "T1110.001", "T1021", "T1048")
)


def at_home(address: str) -> bool:
    return ip_address(address).is_private and not address.startswith(("203.0.113.", "198.51.100."))


def told(*incidents: Incident) -> list[Incident]:
    return tell(with_stages(incidents, at_home), at_home)


def severities(*incidents: Incident) -> list[str]:
    return [one.severity for one in told(*incidents)]


def test_a_second_stage_raises_and_a_third_is_critical() -> None:
    beacon = incident(start=0, end=300, **C2)
    scan = incident("port_scan", start=60, peer="10.0.0.9", **DISCOVERY)
    upload = incident("upload", start=120, peer=OUTSIDE, **EXFILTRATION)
    one, two, three = told(beacon, scan, upload)
    assert (one.severity, two.severity, three.severity) == ("medium", "high", "critical")
    assert one.story == two.story == three.story != ""
    assert [one.stage, two.stage, three.stage] == ["command and control", "discovery", "exfiltration"]
    assert one.reasons == beacon.reasons
    assert two.reasons[-1] == f"discovery after beacon (command and control) of {HOST}: raised from medium"
    assert "beacon (command and control) and port_scan (discovery)" in three.reasons[-1]
    assert reason_ja(two.reasons[-1]) == (
        f"{HOST} の「同一相手への規則的な通信（ビーコン）」（C2 通信）に続く探索のため、重大度を「中」から引き上げ"
    )
    assert "（探索）に続く持ち出しのため" in reason_ja(three.reasons[-1])


def test_the_story_keeps_its_id_as_it_grows() -> None:
    beacon, scan = incident(start=0, **C2), incident("port_scan", start=60, **DISCOVERY)
    upload = incident("upload", start=120, **EXFILTRATION)
    assert told(beacon, scan)[0].story == told(beacon, scan, upload)[2].story


@pytest.mark.parametrize(
    "others",
    [
        [],
        [incident("tunnel", start=60, **C2)],  # the same stage again
        [incident("upload", start=-60, **EXFILTRATION)],  # what comes last in an intrusion, first
        [incident("port_scan", start=60, host="10.0.0.6", **DISCOVERY)],  # another host
        [incident("port_scan", start=60, severity="low", **DISCOVERY)],
        [incident("port_scan", start=60, state="suppressed", **DISCOVERY)],
        [incident("anomaly", start=60, **EXFILTRATION)],  # a guess of the model is no stage
        [incident("port_scan", start=8 * 24 * 60, **DISCOVERY)],  # a week later
        [incident("port_scan", start=60, host=OUTSIDE, peer=HOST, **DISCOVERY)],  # everybody is scanned from outside
        [incident("flood", start=60, attack=("T1498.001",))],  # the host is the victim
    ],
    ids=["alone", "same stage", "reverse", "other host", "low", "suppressed", "model", "later", "scanned", "flooded"],
)
def test_no_story(others: list[Incident]) -> None:
    beacon = incident(start=0, **C2)
    for one, before in zip(told(beacon, *others), [beacon, *others], strict=True):
        assert (one.severity, one.story, one.reasons) == (before.severity, "", before.reasons)


def test_whoever_was_forced_from_outside_and_then_calls_out_is_one_story() -> None:
    forced = incident("brute_force", start=0, host=OUTSIDE, peer=HOST, **PASSWORDS)
    beacon = incident(start=30, host=HOST, peer=PEER, **C2)
    one, two = told(forced, beacon)
    assert (one.stage, two.stage, two.severity) == ("initial access", "command and control", "high")
    assert one.story == two.story != ""


def test_the_inside_order_is_passwords_after_discovery() -> None:
    scan = incident("port_scan", start=0, **DISCOVERY)
    forced = incident("brute_force", start=10, peer="10.0.0.9", severity="high", **PASSWORDS)
    moved = incident("lateral_movement", start=20, peer="10.0.0.9", severity="low", **LATERAL)
    assert severities(scan, forced, moved) == ["medium", "critical", "low"]


def test_every_hunt_belongs_to_a_stage() -> None:
    without = [hunt.id for hunt in load_hunts() if not stage_of(hunt.attack)]
    assert without == [], "detect/killchain.py does not know their techniques"
    assert stage_of(["T9999", "T1046"]) == "discovery"
    assert stage_of([]) == ""
    assert [rank_of(stage) for stage in (*STAGES, "")] == [*range(len(STAGES)), -1]


@pytest.mark.parametrize(
    ("ranks", "chain"),
    [([], []), ([3], [0]), ([3, 3], [0]), ([5, 2, 3, 2, 4], [1, 2, 4]), ([1, 9, 2, 3], [0, 2, 3]), ([4, 3, 2], [2])],
)
def test_the_longest_chain(ranks: list[int], chain: list[int]) -> None:
    assert longest_chain(ranks) == chain

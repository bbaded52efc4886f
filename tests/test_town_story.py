"""The recorded town: who went the whole way of an intrusion is one story, and nothing certain waits for the budget."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from commands import Run

SAMPLE = Path(__file__).parent / "lab" / "town.pcapng.xz"
CHAIN = "10.20.1.16"
"""The host of the recording that beacons, scans, guesses passwords, spreads and carries out (town.yaml)."""


@pytest.fixture
def incidents(run: Run) -> list[dict[str, Any]]:
    status, out, _ = run("replay", SAMPLE, "--store", "none", "--format", "json")
    assert status == 0
    return [json.loads(line) for line in out.splitlines()]


def test_the_chain_is_one_story_and_the_rest_are_none(incidents: list[dict[str, Any]]) -> None:
    story = sorted((row for row in incidents if row["story"]), key=lambda row: row["first_seen"])
    assert len({row["story"] for row in story}) == 1
    assert {row["host"] for row in story} == {CHAIN}
    stages = list(dict.fromkeys(row["stage"] for row in story))
    assert stages == ["command and control", "discovery", "credential access", "lateral movement", "exfiltration"]
    last = story[-1]
    assert (last["detector"], last["severity"]) == ("upload", "critical")
    assert f"of {CHAIN}: raised from" in last["reasons"][-1]

    below = Counter(row["state"] for row in incidents if row["severity"] in ("low", "medium") and not row["story"])
    assert below["open"] <= 10
    assert {row["state"] for row in incidents if row["severity"] in ("high", "critical")} == {"open"}

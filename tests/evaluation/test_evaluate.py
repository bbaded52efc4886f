"""`monitor evaluate` on captures made up for it: what it says, and what it says of labels that are wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import packets
import pytest

SCANNER, VICTIM, PERSON = "10.0.0.66", "10.0.1.5", "10.0.0.5"


def scan() -> Iterator[packets.Packet]:
    for port in range(1, 200):
        when = packets.START + port * 20_000
        yield when, packets.tcp(SCANNER, VICTIM, 40000 + port, port, "S", seq=7)
        yield when + 500, packets.tcp(VICTIM, SCANNER, port, 40000 + port, "RA", ack=8)


def visits() -> Iterator[packets.Packet]:
    for visit in range(10):
        when = packets.START + visit * visit * 7_000_000
        yield from packets.tcp_session(when, PERSON, f"198.51.100.{visit}", 51000 + visit, 443, b"GET", b"z" * 9000)


LABELS = f"""
captures:
  - capture: scan.pcap
    class: scan
    attacks:
      - {{behaviour: port_scan, host: {SCANNER}, peer: {VICTIM}}}
  - capture: both.pcap
    class: mixed
    attacks:
      - {{behaviour: beacon, host: {PERSON}}}
  - capture: visits.pcap
    class: benign
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("labelled")
    packets.write_pcap(made / "scan.pcap", sorted(scan()))
    packets.write_pcap(made / "visits.pcap", sorted(visits()))
    packets.write_pcap(made / "both.pcap", sorted([*scan(), *visits()]))
    (made / "labels.yaml").write_text(LABELS)
    return made


def evaluate(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "monitor", "evaluate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_it_says_what_was_found_what_was_missed_and_what_was_false(folder: Path) -> None:
    done = evaluate("--labels", folder / "labels.yaml", "--format", "json", "--cache", folder / "kept")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    recall = {row["class"]: row for row in rows if row["table"] == "Recall by class"}
    assert recall["scan"]["found"] == recall["scan"]["named"] == recall["scan"]["cases"] == 1
    assert recall["scan"]["laid_recall"] == 1.0
    assert recall["mixed"]["found"] == 0, "the person only visited sites: the scan beside it does not count as found"
    assert recall["all"]["recall"] == 0.5
    assert [row["attack"] for row in rows if row["table"] == "Missed"] == ["both.pcap"]
    (false,) = [row for row in rows if row["table"] == "False incidents"]
    assert (false["captures"], false["hosts"], false["false_incidents"]) == (1, 1, 0)
    assert [row for row in rows if row["table"] == "False"] == []


def test_flows_are_kept_between_evaluations_and_change_nothing(folder: Path) -> None:
    before = evaluate("--labels", folder / "labels.yaml", "--cache", folder / "kept", "--seeds", "0").stdout
    assert len(list((folder / "kept").glob("*.arrow"))) == 3
    assert evaluate("--labels", folder / "labels.yaml", "--seeds", "0").stdout == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("captures: []", "captures"),
        ("captures: [{capture: scan.pcap}]", "captures.0.class"),
        ("captures: [{capture: scan.pcap, class: x, attacks: [{behaviour: b, host: nobody}]}]", "attacks.0.host"),
        ("captures: [{capture: scan.pcap, class: x, colour: red}]", "captures.0.colour"),
        ("captures: [", "not YAML"),
    ],
)
def test_wrong_labels_are_a_usage_error_that_says_where(folder: Path, text: str, said: str) -> None:
    (folder / "wrong.yaml").write_text(text)
    done = evaluate("--labels", folder / "wrong.yaml")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_capture_that_is_not_there_fails_with_its_name(folder: Path) -> None:
    (folder / "gone.yaml").write_text("captures: [{capture: gone.pcap, class: benign}]")
    done = evaluate("--labels", folder / "gone.yaml")
    assert done.returncode == 1
    assert "gone.pcap" in done.stderr

"""From an attack to the phone: replay, metrics, the real Prometheus and Alertmanager, a message in each chat's format.

One message an incident and one when it ends, naming host, peer and reason; nothing that a sick sensor half heard;
quiet hours by severity; and nothing from the wire that a chat would take for a mention or a link.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from email import message_from_string
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any

import packets
import pytest
import yaml
from alerting import CHATS, PASSWORD, ROOT, Chats, Received, alertmanager, chats, prometheus, tell, until

SCANNER, VICTIM = "203.0.113.66", "10.20.2.10"
ALL_DAY = [{"times": [{"start_time": "00:00", "end_time": "24:00"}]}]
HOSTILE = "<!channel> <https://evil.example|click> @everyone [toall] **x** `y` http://evil.example/ & 雪"


def any_hour(settings: dict[str, Any]) -> None:
    """Whatever the hour of the test, nothing is muted."""
    for route in settings["route"]["routes"]:
        for inner in (route, *route.get("routes", ())):
            inner.pop("mute_time_intervals", None)


def all_night(settings: dict[str, Any]) -> None:
    """Whatever the hour of the test, it is night and nobody is on duty."""
    for interval in settings["time_intervals"]:
        interval["time_intervals"] = ALL_DAY


@pytest.fixture
def box() -> Iterator[Chats]:
    with chats() as running:
        yield running


def port_scan(path: Path) -> Path:
    """300 ports of one host asked within half a minute, each refused."""
    rows = []
    for port in range(1, 301):
        at = packets.START + port * 100_000
        rows.append((at, packets.tcp(SCANNER, VICTIM, 40_000 + port, port, "S", seq=1)))
        rows.append((at + 500, packets.tcp(VICTIM, SCANNER, port, 40_000 + port, "RA", seq=0, ack=2)))
    return packets.write_pcap(path, rows)


def state_of(one: Received) -> str:
    """`firing` or `resolved`, as the chat's own format says it."""
    if one.chat == "webhook":
        return str(one.content["status"])
    return "firing" if "OPEN" in title_of(one) else "resolved"


def title_of(one: Received) -> str:
    """What the chat shows as the message's title."""
    content = one.content
    match one.chat:
        case "slack" | "mattermost" | "discord":
            return str(content["attachments"][0]["title"])
        case "teams":
            return str(content["attachments"][0]["content"]["body"][0]["text"])
        case "lineworks":
            return str(content["title"])
        case "chatwork":
            return str(content).partition("[title]")[2].partition("[/title]")[0]
        case "email":
            return str(make_header(decode_header(message_from_string(content)["Subject"])))
        case _:
            return str(content["commonAnnotations"]["summary"])


def body_of(one: Received) -> str:
    """All of the message as text; a mail is decoded."""
    if one.chat == "email":
        parts = message_from_string(one.content).walk()
        return "".join(part.get_payload(decode=True).decode() for part in parts if not part.is_multipart())
    return one.text


def test_an_attack_is_one_message_in_every_chat_and_one_when_it_ends(tmp_path: Path, box: Chats) -> None:
    capture = port_scan(tmp_path / "scan.pcap")
    with (
        alertmanager(tmp_path / "alertmanager", box, change=any_hour) as alerting,
        prometheus(tmp_path / "prometheus", alerting) as (_, targets),
    ):
        command = [sys.executable, "-m", "monitor", "replay", capture, "--store", "none", "--model", "none"]
        command += ["--format", "json", "--metrics-port", "0", "--metrics-hold", "120"]
        with subprocess.Popen(
            [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as replay:
            assert replay.stdout
            assert replay.stderr
            said = next(line for line in replay.stderr if "/metrics" in line)
            port = said.rpartition(":")[2].partition("/")[0]
            targets.write_text(yaml.safe_dump([{"targets": [f"127.0.0.1:{port}"], "labels": {"sensor": "hall"}}]))
            incident = json.loads(replay.stdout.readline())
            found = time.monotonic()
            assert (incident["detector"], incident["host"]) == ("port_scan", SCANNER)
            key = f"var-incident={incident['incident_id']}"
            ready = until(lambda: {one.chat for one in seen(box, key)} == set(CHATS) and time.monotonic())
            replay.kill()
        assert ready - found < 60
        until(lambda: sum(state_of(one) == "resolved" for one in seen(box, key)) >= len(CHATS))
        time.sleep(3)  # a second message would come with the next group interval, which is one second here
    told = {chat: [one for one in seen(box, key) if one.chat == chat] for chat in CHATS}
    for chat, messages in told.items():
        assert [state_of(one) for one in messages] == ["firing", "resolved"], chat
        text = body_of(messages[0])
        for word in (SCANNER, VICTIM, "300 ports", "/d/monitor-host", "runbooks/port_scan.md"):
            assert word in text, f"{chat}: {word}"
    assert base64.b64decode(told["email"][0].headers["credentials"]).endswith(PASSWORD.encode())
    assert told["chatwork"][0].headers["x-chatworktoken"] == "chatwork secret"
    assert told["discord"][0].headers["content-type"].startswith("application/json")
    assert box.about("", "heartbeat"), "the dead man's switch is passed on"


def seen(box: Chats, key: str) -> list[Received]:
    """Messages of the incident; a mail's lines are folded, so it is decoded first."""
    return [one for one in list(box.received) if key in body_of(one)]


def alert(name: str, kind: str, severity: str, **labels: str) -> dict[str, Any]:
    annotations = {"summary": f"about {name} {labels.get('host', '')}", "description": "why", "peer": "198.51.100.9"}
    return {
        "labels": {"alertname": name, "kind": kind, "severity": severity, "sensor": "hall", **labels},
        "annotations": annotations,
    }


def incident(number: int, severity: str, **notes: str) -> dict[str, Any]:
    one = alert("Incident", "incident", severity, incident_id=f"{number:02}", host=f"10.0.0.{number}")
    one["annotations"] |= notes
    return one


def test_what_a_sick_sensor_half_hears_is_not_told_nor_what_became_graver(tmp_path: Path, box: Chats) -> None:
    with alertmanager(tmp_path / "alertmanager", box, change=any_hour) as alerting:
        tell(alerting, alert("KernelDrops", "sensor", "high"), incident(7, "high"), incident(7, "critical"))
        until(lambda: box.about("KernelDrops", "slack"))
        tell(alerting, incident(1, "low"), incident(2, "medium"), incident(3, "high"), incident(4, "critical"))
        until(lambda: box.about("10.0.0.3", "slack") and box.about("10.0.0.4", "slack"))
        time.sleep(2)
        assert not box.about("10.0.0.1")
        assert not box.about("10.0.0.2")
        assert [title_of(one) for one in box.about("10.0.0.7", "slack")] == ["[OPEN critical] about Incident 10.0.0.7"]


def test_at_night_only_high_and_critical_ring(tmp_path: Path, box: Chats) -> None:
    with alertmanager(tmp_path / "alertmanager", box, change=all_night) as alerting:
        tell(alerting, *(incident(n, word) for n, word in enumerate(("low", "medium", "high", "critical"), 1)))
        tell(alerting, alert("ModelOld", "model", "low"), alert("StoreAway", "store", "high"))
        until(lambda: all(box.about(word, "slack") for word in ("10.0.0.3", "10.0.0.4", "StoreAway")))
        time.sleep(2)
        for quiet in ("10.0.0.1", "10.0.0.2", "ModelOld"):
            assert not box.about(quiet), quiet


def test_text_from_the_wire_is_only_text_in_every_chat(tmp_path: Path, box: Chats) -> None:
    with alertmanager(tmp_path / "alertmanager", box, change=any_hour, lang="ja") as alerting:
        tell(
            alerting,
            incident(
                5,
                "high",
                description=HOSTILE,
                peer=HOSTILE,
                summary_ja="日本語の題",
                runbook_url="http://docs/beacon.md",
            ),
        )
        until(lambda: {one.chat for one in box.received if "10.0.0.5" in body_of(one)} >= set(CHATS))
    for one in box.received:
        if one.chat in ("webhook", "heartbeat"):  # a machine reads that: it gets what is there
            continue
        text = body_of(one)
        for mark in ("<!channel", "@everyone", "https://evil", "http://evil", "**x**", "`y`", "[toall]", "|click"):
            assert mark not in text, f"{one.chat}: {mark}"
        assert "雪" in text
        assert re.fullmatch(r"[\[（]発生 高[\]）] 日本語の題", title_of(one))
        assert "端末" in text
        assert "http://docs/beacon.ja.md" in text


def test_a_chat_that_was_away_gets_the_message_once_when_it_is_back(tmp_path: Path, box: Chats) -> None:
    box.away = True
    with alertmanager(tmp_path / "alertmanager", box, change=any_hour) as alerting:
        tell(alerting, incident(6, "critical"))
        until(lambda: box.refused >= len(CHATS) - 1)  # mail goes another way
        assert not [one for one in box.received if one.chat != "email"]
        box.away = False
        until(lambda: {one.chat for one in box.received if "10.0.0.6" in body_of(one)} >= set(CHATS))
        time.sleep(3)
    for chat in CHATS:
        assert len([one for one in box.about("10.0.0.6") if one.chat == chat]) == 1 or chat == "email"


def test_every_chosen_set_of_chats_is_a_valid_configuration(tmp_path: Path) -> None:
    choose = ROOT / "deploy/alertmanager/choose"
    for chosen in ([], ["slack"], ["email", "chatwork", "--lang", "ja"], [*CHATS, "heartbeat"]):
        file = choose.parent / "alertmanager.yml" if chosen == [*CHATS, "heartbeat"] else tmp_path / "a.yml"
        if file.parent == tmp_path:
            subprocess.run([sys.executable, choose, *chosen, "-o", file], check=True, timeout=60)
        subprocess.run(["amtool", "check-config", file], check=True, capture_output=True, timeout=60)
        kept = [key for receiver in yaml.safe_load(file.read_text("utf-8"))["receivers"] for key in receiver]
        assert ("slack_configs" in kept) == ("slack" in chosen)
    wrong = subprocess.run([sys.executable, choose, "icq"], capture_output=True, text=True, timeout=60, check=False)
    assert wrong.returncode == 2
    assert "unknown chat icq" in wrong.stderr

"""The relay: what it refuses, what it asks Alertmanager to try again, and that it never tells a secret."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.alerts.chat import CHATS, LANGUAGES, LONGEST, message
from monitor.alerts.relay import Relay

SECRET = "http://127.0.0.1:9/very-secret-path"
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    with Relay(("127.0.0.1", 0), tmp_path) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def post(relay: Relay, path: str, payload: Any) -> tuple[int, str]:
    url = f"http://127.0.0.1:{relay.server_port}{path}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps(payload).encode()), timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def notification(**annotations: str) -> dict[str, Any]:
    return {"status": "firing", "alerts": [{"labels": {"severity": "high"}, "annotations": annotations}]}


def test_what_is_no_notification_is_refused_for_good(relay: Relay) -> None:
    (relay.secrets / "teams_url").write_text(SECRET)
    for payload in ([], {}, {"alerts": []}, {"alerts": [1]}, "text"):
        assert post(relay, "/teams", payload)[0] == 400
    assert post(relay, "/icq", notification())[0] == 400
    assert post(relay, "/teams?lang=xx", notification())[0] == 400


def test_a_chat_that_is_away_is_tried_again_and_its_address_stays_secret(
    relay: Relay, capsys: pytest.CaptureFixture[str]
) -> None:
    status, text = post(relay, "/lineworks", notification())
    assert status == 500
    assert "lineworks_url: cannot be read" in text
    (relay.secrets / "lineworks_url").write_text("ftp://very-secret-path")
    assert post(relay, "/lineworks", notification())[0] == 500
    (relay.secrets / "lineworks_url").write_text(SECRET + "\n")
    status, text = post(relay, "/lineworks", notification())
    assert status == 502
    assert "did not take the message" in text
    assert "very-secret" not in text + "".join(capsys.readouterr())


@given(payload=JSON)
def test_any_json_is_a_message_or_a_value_error(payload: Any) -> None:
    for given_payload in (payload, {"alerts": [{"labels": payload, "annotations": payload}], "status": payload}):
        try:
            told = message(given_payload, "ja")
        except ValueError:
            continue
        for chat in CHATS.values():
            assert chat(told, "token").body


def test_when_it_began_and_ended_is_said_in_the_relays_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        given = notification(summary="s", attack="T1046")
        times = {"status": "resolved", "startsAt": "2026-11-23T00:45:54.123456789Z", "endsAt": "2026-11-23T01:00:00Z"}
        facts = dict(message({"status": "resolved", "alerts": [{**given["alerts"][0], **times}]}, "ja").facts)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert facts["発生時刻"] == "2026-11-23 09:45:54 JST"
    assert facts["終了時刻"] == "2026-11-23 10:00:00 JST"
    assert facts["ATT&CK"] == "T1046"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_long_message_is_cut_before_its_links(language: str) -> None:
    told = message(notification(summary="s", description="x" * 5000, incident_url="http://grafana/i"), language)
    assert len(told.text) <= LONGEST
    assert told.text.endswith(": http://grafana/i")

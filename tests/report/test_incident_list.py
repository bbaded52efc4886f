"""Incidents on the terminal: stories together, those that wait apart; at 80 and 160 columns, and in a pipe."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import incident_rows
import pytest

from monitor.report.dossier import draw_dossier
from monitor.report.incident_list import draw_brief, draw_incidents, draw_news, title

LONG = "2001:db8:1111:2222:3333:4444:5555:6666"
HOSTILE = "[bold]x[/] :smile: \x1b[2J\u202egnp.exe\r\n"


def incident(**fields: Any) -> dict[str, Any]:
    """As the store gives it back."""
    stored = {
        "p_value": 1e-5,
        "reasons": ["called every 60 s ± 2 %", "word " * 60],
        "service": "tls",
        "names": ["update.example"],
        "ja4": ["t13d"],
        "state": "open",
        "stage": "command and control",
        "story": "",
        "suppression": "",
        "run_id": "one",
        "recorded": datetime(2026, 11, 2, 12, tzinfo=UTC),
        "event": "opened",
    }
    return incident_rows.incident(**{**stored, **fields})


def flow(**fields: Any) -> dict[str, Any]:
    return {
        "start": datetime(2026, 11, 2, 10, 0, 0, 5000, tzinfo=UTC),
        "duration": 0.5,
        "src_ip": LONG,
        "src_port": 40000,
        "dst_ip": LONG,
        "dst_port": 443,
        "service": "tls",
        "name": HOSTILE,
        "src_bytes": 10,
        "dst_bytes": 20,
        "state": "SF",
        "community_id": "1:CrEnM7iytSlEH3nYFqAB3Wa9cuE=",
        **fields,
    }


def dossier(**fields: Any) -> dict[str, Any]:
    life = {
        "recorded": datetime(2026, 11, 2, 12, tzinfo=UTC),
        "event": "opened",
        "state": "open",
        "severity": "medium",
        "flows": 90,
        "writer": "edge",
    }
    verdict = {"recorded": datetime(2026, 11, 2, 13, tzinfo=UTC), "verdict": "false", "note": HOSTILE, "owner": "soc"}
    story = [incident(), incident(incident_id="feed", detector="port_scan", stage="discovery", severity="critical")]
    return (
        incident(story_incidents=story, shown_flows=[flow()], life=[life], verdicts=[verdict], sources=["a.pcap"])
        | fields
    )


def drawn(draw: Callable[..., None], *what: Any, **how: Any) -> str:
    out = io.StringIO()
    draw(*what, out, **how)
    return out.getvalue()


@pytest.mark.parametrize("columns", [80, 160])
@pytest.mark.parametrize(
    ("draw", "what"),
    [
        (draw_incidents, [incident(host=LONG, peer=LONG), incident(story="s"), incident(story="s", host=HOSTILE)]),
        (draw_incidents, [incident(state="waiting", host=LONG)]),
        (draw_brief, [incident(host=LONG, peer=LONG), incident(reasons=[HOSTILE * 9])]),
        (draw_news, [incident(host=LONG, peer=LONG), incident(reasons=[HOSTILE * 9])]),
        (draw_dossier, dossier(host=LONG, peer=LONG, names=["x" * 250, HOSTILE], reasons=[HOSTILE * 9])),
    ],
)
def test_it_keeps_to_the_width_and_the_wire_says_nothing(
    draw: Callable[..., None], what: Any, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = drawn(draw, what)
    assert max(map(len, text.splitlines())) <= columns
    assert not [line for line in text.splitlines() if line != line.rstrip()]
    assert not {"\x1b", "\u202e", "\r"} & set(text)
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = drawn(draw, what)
    assert "\x1b[" in coloured
    assert "\x1b[2J" not in coloured


def test_a_pipe_is_not_broken_into_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert "• " + ("word " * 60).rstrip() in drawn(draw_incidents, [incident()])
    (line,) = drawn(draw_brief, [incident(reasons=["word " * 60])]).splitlines()
    assert line.endswith("word")


def test_a_story_is_one_block_before_what_is_as_severe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    scan = incident(
        detector="port_scan",
        stage="discovery",
        severity="high",
        story="s",
        incident_id="22",
        first_seen=datetime(2026, 11, 2, 10, 30, tzinfo=UTC),
    )
    alone = incident(severity="high", host="10.0.0.9", incident_id="33")
    text = drawn(draw_incidents, [alone, scan, incident(story="s")])
    assert "story   10.0.0.5: command and control → discovery" in text
    assert text.index("command and control → discovery") < text.index("beacon  10.0.0.5") < text.index("port_scan")
    assert text.index("port_scan") < text.index("10.0.0.9")
    assert text.startswith("3 incidents: 2 high, 1 medium")


def test_those_that_wait_are_counted_and_seen() -> None:
    text = drawn(draw_incidents, [incident(), incident(state="waiting", host="10.0.0.8")], budget="10")
    assert text.startswith("1 incident: 1 medium")
    assert "1 incident waits, over the alert budget of 10 a day" in text
    assert text.index("waits") < text.index("10.0.0.8")
    text = drawn(draw_incidents, [incident(state="suppressed", suppression="abcd")])
    assert "suppressed by abcd" in text


def test_the_end_of_a_long_name_is_kept() -> None:
    text = drawn(draw_incidents, [incident(names=["x" * 200 + ".evil.example", "y"])])
    assert ".evil.example, and 1 more)" in text
    assert "x" * 50 not in text


def test_the_title_is_in_the_language_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    english = title("port_scan")
    monkeypatch.setenv("LANG", "ja_JP.UTF-8")
    assert (english, title("port_scan")) == ("Port scan of a host", "ホストへのポートスキャン")
    assert title("of tomorrow") == "of tomorrow"


def test_the_dossier_says_what_happened_and_what_to_do() -> None:
    text = drawn(draw_dossier, dossier(host="10.0.0.5; rm -rf /"), store="http://u@h/d")
    for said in (
        "command and control  beacon → 203.0.113.9",
        "Flows (1 of 90)",
        "1:CrEnM7iytSlEH3nYFqAB3Wa9cuE=",
        "by edge",
        "false by soc",
        "a.pcap",
        "docs/runbooks/beacon.md",
        "p 1.0e-05",
        "update.example",
        "t13d",
        "monitor carve CAPTURE --incident 00c0ffee00c0ffee -o 00c0ffee00c0ffee.pcapng --store http://u@h/d",
        "--host '10.0.0.5; rm -rf /'",
    ):
        assert said in text, said

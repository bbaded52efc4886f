"""Tables: the most severe first, readable at 80 columns, and deaf to what the wire says."""

from __future__ import annotations

import io
from typing import Any

import pytest
from incident_rows import incident

from monitor.report import Summary, draw_summary
from monitor.report.incident_list import draw_incidents
from monitor.report.terminal import byte_count, draw_facts, draw_rows


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def drawn(*rows: dict[str, Any]) -> str:
    out = io.StringIO()
    draw_incidents(rows, out)
    return out.getvalue()


def test_the_most_severe_comes_first_and_is_counted() -> None:
    text = drawn(incident(severity="low", host="10.0.0.1"), incident(severity="critical", host="10.0.0.2"))
    assert text.index("10.0.0.2") < text.index("10.0.0.1")
    assert text.startswith("2 incidents: 1 critical, 1 low")


def test_an_incident_says_who_what_when_and_why() -> None:
    text = drawn(incident())
    for said in (
        "10.0.0.5",
        "→ 203.0.113.9",
        "beacon",
        "T1071",
        "90 flows",
        "called every 60 s ± 2 %",
        "00c0ffee00c0ffee",
    ):
        assert said in text
    assert "2026-11-02" in text


def test_nothing_found_is_said() -> None:
    assert drawn() == "No incidents.\n"


def test_long_addresses_and_reasons_stay_within_80_columns() -> None:
    address = "2001:db8:1111:2222:3333:4444:5555:6666"
    text = drawn(incident(host=address, peer=address, reasons=["x" * 200, "several words " * 20]))
    assert max(map(len, text.splitlines())) <= 80
    assert not [line for line in text.splitlines() if line != line.rstrip()]
    assert "x" * 20 in text


def test_the_wire_cannot_write_markup_or_move_the_cursor() -> None:
    hostile = "[bold red]x[/] :smile: \x1b[2J \u202egnp.exe [link=http://evil]y[/link]"
    text = drawn(incident(peer=hostile, reasons=[hostile]))
    joined = "".join(text.split())
    assert "[boldred]x[/]" in joined
    assert ":smile:" in joined
    assert "\\x1b[2J" in joined
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_facts_and_rows_show_each_value_once() -> None:
    out = io.StringIO()
    draw_facts({"ready": True, "flows": 12345, "reasons": ["first", "second"], "p_value": None}, out)
    draw_rows("Runs", [{"run": "a", "flows": 7}, {"run": "\x1b[31m", "flows": 1234567}], out)
    text = out.getvalue()
    for said in ("yes", "12,345", "first", "second", "Runs", "1,234,567", "\\x1b[31m"):
        assert text.count(said) == 1, said


def test_the_summary_tells_who_was_busy_and_what_was_left_out() -> None:
    out = io.StringIO()
    services = [{"service": "tls", "flows": 1234, "bytes": 48_200_000}]
    hosts = [{"host": "2001:db8::1", "flows": 2, "sent": 920, "received": 110}]
    draw_summary(Summary(services, hosts), {"arp": 7, "llc": 0}, {"duplicate": 3}, out)
    text = out.getvalue()
    for said in ("tls", "1,234", "48.2 MB", "2001:db8::1", "920 B", "110 B", "arp", "duplicate"):
        assert said in text
    assert "llc" not in text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (99_949, "99.9 kB"), (99_950, "100 kB"), (48_200_000, "48.2 MB")],
)
def test_bytes_are_counted_in_decimal_units(count: int, text: str) -> None:
    assert byte_count(count) == text

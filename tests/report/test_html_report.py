"""The HTML report in a real browser: it renders, fits, is readable, and shows hostile text as text."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from report.browser import browser, cut_in_print, needs_chromium, opened, overflow, violations

from monitor.report import Evidence, Facts, Series, Summary, traffic_report
from monitor.report.plots import gauge

SAMPLE = Path(__file__).resolve().parents[1] / "lab" / "town.pcapng.xz"
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m\u202egnp.exe'
START = datetime(2026, 11, 2, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the lab's sample, made as a user makes it."""
    path = tmp_path_factory.mktemp("report") / "out.html"
    command = [sys.executable, "-m", "monitor", "replay", SAMPLE, "--store", "none", "--report", path]
    subprocess.run(command, check=True, capture_output=True)
    return path


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as one:
        yield one


def incident(**changes: object) -> dict[str, Any]:
    fields = {
        "incident_id": "00112233aabbccdd", "detector": "beacon", "severity": "high", "host": "10.0.0.5",
        "peer": "203.0.113.9", "service": "tls", "first_seen": START, "last_seen": START + timedelta(minutes=9),
        "flows": 12, "score": 0.9, "p_value": 1e-6, "reasons": ["sent 48 MB; usual for tls is 0.4–210 kB"],
        "attack": ["T1071"], "community_ids": ["1:LQU9qZlK+B5F3KDmev6m5PMibrg="],
    }  # fmt: skip
    return {**fields, **changes}


def facts(**changes: Any) -> Facts:
    series = Series(int(START.timestamp() * 1e6), 5_000_000, [1e5] * 120, [3e4] * 120)
    calls = [(int(START.timestamp() * 1e6) + n * 45_000_000, 1300.0) for n in range(12)]
    one = Evidence(incident(), "Regular calls", "定期的な通信", ["cdn.example"], [], 120, 5000, calls, (), series)
    whole = Facts(
        "run", "chdb", {"a.pcap": "ab" * 32}, START, START + timedelta(minutes=10), 900, 12, series, [one], [],
        Summary([], []), {}, {}, START, "0.1.0",
    )  # fmt: skip
    return replace(whole, **changes)


@needs_chromium
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_it_renders_fits_and_is_accessible(chromium: Any, sample: Path, width: int, scheme: str) -> None:
    with opened(chromium, sample, width=width, scheme=scheme) as page:
        assert overflow(page) <= 0
        assert page.locator("article.card").count() >= 5
        assert page.locator("h1").inner_text() == "Traffic report"
        assert page.locator("svg").count() >= 10
        assert violations(page) == []
        assert cut_in_print(page) == []


@needs_chromium
def test_the_keyboard_reaches_the_incidents(chromium: Any, sample: Path) -> None:
    with opened(chromium, sample) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        assert page.evaluate("location.hash") == "#incidents"
        reached = set()
        for _ in range(30):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.getAttribute('href') || ''"))
        assert sum(link.startswith("#i") for link in reached) >= 5


@needs_chromium
def test_it_is_small_and_opens_at_once(chromium: Any, sample: Path) -> None:
    assert sample.stat().st_size < 2_000_000
    began = time.monotonic()
    with opened(chromium, sample):
        assert time.monotonic() - began < 5  # on a busy machine; benchmarks.carve has the figure


@needs_chromium
def test_text_from_the_wire_is_shown_as_text(chromium: Any, tmp_path: Path) -> None:
    hostile = incident(host=HOSTILE, peer=HOSTILE, reasons=[HOSTILE], service=HOSTILE, community_ids=[HOSTILE])
    told = Evidence(hostile, "Regular calls", "", [HOSTILE], [{"peer": HOSTILE, "flows": 1, "packets": 2, "bytes": 3}])
    page_facts = facts(
        sources={HOSTILE: ""}, evidence=[told], others=[hostile], run_id=HOSTILE, settings={HOSTILE: HOSTILE},
        summary=Summary([{"service": HOSTILE, "flows": 1, "bytes": 2}], []),
    )  # fmt: skip
    path = tmp_path / "hostile.html"
    for language in ("en", "ja"):
        path.write_text(traffic_report(page_facts, language=language), encoding="utf-8")  # type: ignore[arg-type]
        assert not set(path.read_text()) & {"\x1b", "\u202e"}
        with opened(chromium, path, width=390) as page:
            assert page.locator("script, img").count() == 0
            assert "<script>alert(1)</script>" in page.locator("main").inner_text()
            assert overflow(page) <= 0


def test_no_incident_says_so() -> None:
    page = traffic_report(facts(evidence=[]))
    assert "No incident was found" in page
    assert "no model scored them" in page
    model = {"model_version": "m", "training_window": None}
    assert "The hunts and the model looked" in traffic_report(facts(evidence=[], model=model))
    assert "<article" not in page


def test_what_is_wrong_with_the_run_is_said_first() -> None:
    page = traffic_report(facts(partial=True))
    assert page.index("was interrupted") < page.index("<article")


def test_the_languages_say_the_same() -> None:
    english, japanese = (traffic_report(facts(), language=language) for language in ("en", "ja"))  # type: ignore[arg-type]
    assert 'lang="ja"' in japanese
    assert "定期的な通信" in japanese
    assert re.findall(r"<h2|<h4|<svg|<tr", english) == re.findall(r"<h2|<h4|<svg|<tr", japanese)
    assert "インシデント" in japanese
    assert "48 MB を送信（tls の通常は 0.4–210 kB）" in japanese
    assert "docs/runbooks/beacon.md" in english
    assert "docs/runbooks/beacon.ja.md" in japanese


@pytest.mark.parametrize(
    ("reason", "outside"),
    [
        ("sent 48 MB; usual for tls is 0.4–210 kB", True),
        ("lasted 42.6 s; usual for dns is 0–3.07 s", True),
        ("sent 460 packets; usual for dns is 1–4 packets", True),
        ("lasted 2 min; usual for dns is 1–300 s", False),
    ],
)
def test_a_value_is_drawn_where_it_lies(reason: str, outside: bool) -> None:
    drawn = str(gauge(reason))
    value = float(re.findall(r'cx="([\d.]+)"', drawn)[0])
    begin, width = (float(re.findall(rf'{name}="([\d.]+)"', drawn)[0]) for name in (" x", "width"))
    assert (value > begin + width) is outside
    assert value > begin


@pytest.mark.parametrize("reason", ["used a dynamic port; usual for dns is well-known port", "no other host calls it"])
def test_what_is_no_number_is_not_drawn(reason: str) -> None:
    assert gauge(reason) == ""


def test_the_command_that_gets_the_packets_can_be_pasted() -> None:
    awkward = {"my captures/it's $(x).pcap": ""}
    page = unescape(traffic_report(facts(sources=awkward)))
    command = shlex.split(re.findall(r"<pre>(monitor carve .*?)</pre>", page)[0])
    assert command == ["monitor", "carve", *awkward, "--incident", "00112233aabbccdd", "-o", "00112233aabbccdd.pcapng"]
    page = unescape(traffic_report(facts(sources=awkward, store="none")))
    command = shlex.split(re.findall(r"<pre>(monitor carve .*?)</pre>", page)[0])
    assert command[3:7] == ["--host", "10.0.0.5", "--peer", "203.0.113.9"]
    assert command[7:11] == ["--since", "2026-11-02T01:00:00Z", "--until", "2026-11-02T01:09:01Z"]

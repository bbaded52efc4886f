"""Hunts are data with rules of their own: a broken header is refused with file, line and what is expected."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitor.detect import HuntError, lint, load_hunts
from monitor.detect.hunt import ANOMALY, check_columns, load_hunt
from monitor.detect.wording import sentence

GOOD = """\
-- id: calm
-- title: Calm
-- title_ja: 平穏
-- severity: low
-- attack: T1046
-- window: 1h
-- identity: host
-- parameter: floor UInt32 3 | as few as that
-- reason: saw {n:count} of them
-- false_positive: none known
-- reference: RFC 2606
-- runbook: docs/runbooks/calm.md
--
-- Free text: about anything.
SELECT {run:String}, {since:Int64}, {until:Int64}, {floor:UInt32}
"""


def load(folder: Path, text: str) -> None:
    (folder / "calm.sql").write_text(text)
    load_hunt(folder / "calm.sql")


def test_the_shipped_hunts_load() -> None:
    assert {"beacon", "horizontal_scan", "port_scan", "zone_breach"} <= {hunt.id for hunt in load_hunts()}
    assert load_hunt(ANOMALY).id == "anomaly"


def test_no_hunt_depends_on_the_order_of_rows() -> None:
    """Functions whose result is whichever row came first, or that round as they are summed."""
    loose = re.compile(
        r"\b(any|anyLast|first_value|last_value|groupArray\(\d+\)|groupUniqArray\(\d+\)|topK|uniq|quantile|avg)\("
    )
    for hunt in (*load_hunts(), load_hunt(ANOMALY)):
        assert not loose.search(hunt.sql), f"{hunt.id}: {loose.search(hunt.sql)}"
        assert "ORDER BY" in hunt.sql.rpartition("FROM")[2], f"{hunt.id}: its rows have no order"


def test_a_good_header_loads(tmp_path: Path) -> None:
    load(tmp_path, GOOD)


@pytest.mark.parametrize(
    ("line", "instead", "what"),
    [
        ("-- id: calm", "-- id: storm", "file's name"),
        ("-- severity: low", "-- severity: mild", "severity must be one of low, medium"),
        ("-- attack: T1046", "-- attack: scanning", "technique ids"),
        ("-- window: 1h", "-- window: soon", "window must be"),
        ("-- window: 1h\n", "", "lacks window"),
        ("-- reference: RFC 2606\n", "", "lacks reference"),
        ("-- identity: host", "-- identity: colour", "identity must be"),
        ("-- window: 1h", "-- window: 1h\n-- further: 9d", "a window and parameters"),
        ("-- window: 1h", "-- window: 1h\n-- further: 9d roof=3", "no such parameters: \\['roof'\\]"),
        ("-- title: Calm", "-- titel: Calm", "calm.sql:2: expected"),
        ("-- title: Calm", "-- title: Calm\n-- title: Calmer", "calm.sql:3: title is given twice"),
        ("-- title: Calm", "-- title if x: Calm", "only a reason"),
        ("UInt32 3 | as few as that", "UInt32 3", "name Type default"),
        ("{n:count}", "{n:furlong}", "unknown kind"),
        ("{n:count}", "{n:furlong host}", "unknown kind"),
        ("{n:count}", "{n.__class__:count}", "not {column:kind}"),
        ("{n:count}", "{n:count", "reason"),
        (", {floor:UInt32}", "", "does not use: \\['floor'\\]"),
        (", {floor:UInt32}", ", {floor:UInt32}, {roof:UInt32}", "without a line: \\['roof'\\]"),
        ("{since:Int64}, ", "", "must use run, since, until"),
    ],
)
def test_a_broken_header_is_refused(tmp_path: Path, line: str, instead: str, what: str) -> None:
    assert line in GOOD
    with pytest.raises(HuntError, match=what):
        load(tmp_path, GOOD.replace(line, instead))


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HuntError, match="holds no hunts"):
        load_hunts(tmp_path)


def test_a_result_without_the_columns_of_its_reasons_is_refused() -> None:
    (hunt,) = (entry for entry in load_hunts() if entry.id == "beacon")
    with pytest.raises(HuntError, match=r"beacon: its result lacks .*beats"):
        check_columns(hunt, ["host", "peer", "service", "first_seen", "last_seen", "flows", "score", "flow_ids"])


@pytest.mark.parametrize(
    ("template", "value", "said"),
    [
        ("{x:count}", 1234567, "1,234,567"),
        ("{x:count other host}", 1, "1 other host"),
        ("{x:count other host}", 1200, "1,200 other hosts"),
        ("{x:percent}", 1.0, "100 %"),
        ("{x:percent}", 0.998, "99.8 %"),
        ("{x:percent}", 0.99999, "> 99.9 %"),
        ("{x:percent}", 0.00001, "< 0.1 %"),
        ("{x:percent}", 0.0, "0 %"),
        ("{x:duration}", 0.0, "0 ms"),
        ("{x:duration}", 59.96, "60 s"),
        ("{x:duration}", 5400.0, "1.5 h"),
        ("{x:bytes}", 48_200_000, "48.2 MB"),
        ("{x:bytes}", 517, "517 B"),
        ("{x:address}", bytes(10) + b"\xff\xff\x0a\x00\x00\x09", "10.0.0.9"),
        ("{x:words}", ["tcp/22", "tcp/23"], "tcp/22, tcp/23"),
        ("{x} %", "{y}", "{y} %"),
    ],
)
def test_values_are_written_as_people_read_them(template: str, value: object, said: str) -> None:
    assert sentence(template, {"x": value}) == said


def test_the_linter_finds_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Both runbooks of each hunt are there, the engine takes its SQL, and the list in docs/hunts.md is up to date."""
    assert lint.main([]) == 0, capsys.readouterr().err


def test_the_linter_names_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "calm.sql").write_text(GOOD.replace("SELECT", "SELEKT"))
    wrong = list(lint.faults([load_hunt(tmp_path / "calm.sql")], tmp_path))
    assert any("docs/runbooks/calm.ja.md is missing" in fault for fault in wrong)
    assert any("its rows have no order" in fault for fault in wrong)
    assert any("Syntax error" in fault for fault in wrong)

"""Alert and recording rules: promtool takes them, each fires and stays quiet as it must, and each has its runbooks."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from exported import RULES, exported, read_by, rules

from monitor.detect import detector_titles

ROOT = Path(__file__).parents[2]
RUNBOOKS = ROOT / "docs/runbooks"
CASES = sorted(Path(__file__).parent.glob("rules_*.yml"))
SECTIONS = {".md": ("Meaning", "Impact", "Diagnosis", "Mitigation"), ".ja.md": ("意味", "影響", "確認", "対処")}
ANNOTATIONS = {"summary", "summary_ja", "description", "runbook_url", "dashboard_url"}


ALERTS, RECORDED = rules("alert"), rules("record")


def promtool(*arguments: Any) -> None:
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_takes_rules_and_configuration() -> None:
    promtool("check", "rules", *RULES.glob("*.yml"))
    promtool("check", "config", ROOT / "deploy/prometheus/prometheus.yml")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_rules_fire_and_stay_quiet_as_they_must(case: Path) -> None:
    promtool("test", "rules", case)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_tried_and_has_what_a_message_needs(name: str) -> None:
    tried = "".join(case.read_text() for case in CASES)
    assert f'alertname="{name}"' in tried, "no case of promtool test rules"
    rule = ALERTS[name]
    assert rule["annotations"].keys() >= ANNOTATIONS
    assert rule["labels"]["kind"] in {"incident", "detection", "sensor", "store", "model", "watchdog"}
    if rule["labels"]["kind"] != "incident":  # an incident brings its own severity
        assert rule["labels"]["severity"] in {"low", "medium", "high", "critical"}
        assert "description_ja" in rule["annotations"]
        assert rule["annotations"]["runbook_url"].endswith(f"/{name}.md")


@pytest.mark.parametrize("suffix", SECTIONS)
@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_has_a_runbook_in_both_languages(name: str, suffix: str) -> None:
    text = (RUNBOOKS / f"{name}{suffix}").read_text("utf-8")
    marks = re.findall(r"^\*\*(\w+)[.。]\*\*", text, re.MULTILINE)
    assert tuple(marks) == SECTIONS[suffix]
    assert "\n1. " in text
    assert "\n- " in text


@pytest.mark.parametrize("suffix", SECTIONS)
def test_the_runbook_that_an_incident_links_to_is_there(suffix: str) -> None:
    missing = [name for name in detector_titles() if not (RUNBOOKS / f"{name}{suffix}").is_file()]
    assert not missing


def test_no_runbook_of_an_alert_that_is_gone() -> None:
    pages = {path.name.split(".")[0] for path in RUNBOOKS.glob("[A-Z]*.md")}
    assert pages - {"README"} == set(ALERTS)


def test_what_the_rules_read_is_exported_or_recorded() -> None:
    for name, rule in (ALERTS | RECORDED).items():
        unknown = read_by(rule["expr"]) - exported() - set(RECORDED)
        assert not unknown, f"{name} reads {unknown}"

"""The dashboards as files: current, laid out without gaps, each panel with what a reader needs, each metric real."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
import yaml
from exported import exported, read_by, rules

from dashboards.asking import BOARDS, FOLDER, panels, prom_queries
from dashboards.build import built
from dashboards.panels import BAD, BLUE, GOOD, GREY, NOTICE, PINK, WARN, YELLOW
from dashboards.queries import CLICKHOUSE, PROMETHEUS

OKABE_ITO = {"#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#999999", "#000000"}
WANTED = ("overview", "incidents", "incident", "host", "hunts", "sensor-health", "model-health", "store")
JAPANESE = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")


def test_the_files_are_what_the_builders_make() -> None:
    assert {f"monitor-{name}" for name in WANTED} == set(BOARDS)
    for uid, text in built().items():
        assert (FOLDER / f"{uid}.json").read_text("utf-8") == text, f"{uid}: run python -m dashboards.build"


@pytest.mark.parametrize("uid", BOARDS)
def test_a_dashboard_is_in_both_languages_and_in_the_towns_time(uid: str) -> None:
    board = BOARDS[uid]
    english, japanese = board["title"].split(" · ")
    assert english.isascii()
    assert JAPANESE.search(japanese)
    assert board["timezone"] == "Asia/Tokyo"
    names = {variable["name"] for variable in board["templating"]["list"]}
    assert {"sensor", "run"} <= names
    used = set(re.findall(r"\$\{?([a-z]+)\b", str(board["panels"])))
    assert used & {"sensor", "zone", "severity", "detector", "state", "host", "incident", "run"} <= names
    shown = {variable["name"] for variable in board["templating"]["list"] if not variable.get("hide")}
    assert shown <= used, "a choice that changes nothing"


def test_an_incident_leads_to_its_host_and_to_what_the_hunts_found_there() -> None:
    for uid, columns in (("monitor-incident", {"host", "detector"}), ("monitor-host", {"incident", "detector"})):
        links = {
            override["matcher"]["options"]: one["value"][0]["url"]
            for panel in BOARDS[uid]["panels"]
            for override in panel["fieldConfig"]["overrides"]
            for one in override["properties"]
            if one["id"] == "links"
        }
        assert columns <= set(links)
        for column, url in links.items():
            target, _, asked = url.partition("?")
            names = {variable["name"] for variable in BOARDS[target.removeprefix("/d/")]["templating"]["list"]}
            assert set(re.findall(r"var-(\w+)=", asked)) <= names, f"{column}: {target} has no such variable"


@pytest.mark.parametrize("uid", BOARDS)
def test_the_layout_has_neither_overlaps_nor_gaps(uid: str) -> None:
    cells: dict[tuple[int, int], int] = {}
    for panel in BOARDS[uid]["panels"]:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in cells, f"{panel['title']} lies over panel {cells[x, y]}"
                cells[x, y] = panel["id"]
    bottom = max(y for _, y in cells) + 1
    assert set(cells) == {(x, y) for x in range(24) for y in range(bottom)}
    numbers = [panel["id"] for panel in BOARDS[uid]["panels"]]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize(("uid", "panel"), list(panels()), ids=[f"{uid}-{panel['id']}" for uid, panel in panels()])
def test_a_panel_has_unit_description_titles_and_colours_for_every_eye(uid: str, panel: dict[str, Any]) -> None:
    english, japanese = panel["title"].split(" · ")
    assert english.isascii() or "≤" in english
    assert JAPANESE.search(japanese)
    assert len(panel["description"]) > 20
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"]
    assert panel["datasource"] in (PROMETHEUS.to_json(), CLICKHOUSE.to_json())
    assert panel["targets"]
    assert set(re.findall(r"#[0-9A-Fa-f]{6}", str(panel["fieldConfig"]))) <= OKABE_ITO
    steps = [step["value"] for step in defaults.get("thresholds", {}).get("steps", [])][1:]
    assert all(a < b for a, b in pairwise(steps))


def test_the_same_colour_means_the_same_everywhere() -> None:
    assert {GOOD, NOTICE, WARN, BAD, YELLOW, BLUE, PINK, GREY} <= OKABE_ITO
    seen: dict[str, set[str]] = {}
    for _, panel in panels():
        for override in panel["fieldConfig"]["overrides"]:
            for one in override["properties"]:
                if one["id"] == "color":
                    seen.setdefault(override["matcher"]["options"], set()).add(one["value"]["fixedColor"])
    assert seen
    assert all(len(colours) == 1 for colours in seen.values())


def test_what_the_panels_read_is_exported_or_recorded() -> None:
    for asked in prom_queries():
        unknown = read_by(asked.text) - exported() - set(rules("record"))
        assert not unknown, f"{asked} reads {unknown}"


def test_the_data_sources_are_provisioned_under_the_uids_that_panels_name() -> None:
    text = (FOLDER.parent / "provisioning/datasources.yml").read_text("utf-8")
    given = {one["uid"]: one for one in yaml.safe_load(text)["datasources"]}
    for source in (PROMETHEUS, CLICKHOUSE):
        assert given[str(source.uid)]["type"] == source.type_val
        assert given[str(source.uid)]["editable"] is False
    assert "password" not in text.lower() or "$__file{" in text

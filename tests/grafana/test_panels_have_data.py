"""Every query of every panel, after a replay of the lab's sample: PromQL in a real Prometheus, SQL in the engine."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import yaml
from alerting import ROOT, free_port, prometheus, until

from dashboards.asking import Asked, Span, expanded, prom_queries, sql_queries
from monitor.config import load_settings
from monitor.store import Store, open_store

SAMPLE = ROOT / "tests/lab/town.pcapng.xz"
SENSOR = "hall"
CHOICES = ("sensor", "zone", "severity", "detector", "state")
NOT_YET = {"Behind", "Disk lasts", "Features that moved most"}
"""Panels whose gauge only a live sensor, a server or many flows of a service know; they are there, and not a number."""


class Replayed(NamedTuple):
    """What a replay of the sample left."""

    prometheus: str
    store: Store
    incident: dict[str, Any]
    run: str
    began: float


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replayed]:
    folder = tmp_path_factory.mktemp("replayed")
    began = time.time()
    place = f"chdb://{folder}/store"
    port = free_port()
    with prometheus(folder / "prometheus") as (address, targets):
        targets.write_text(yaml.safe_dump([{"targets": [f"127.0.0.1:{port}"], "labels": {"sensor": SENSOR}}]))
        until(lambda: asked_of(address, "up", True, began))  # an increase needs a scrape from before it
        command = [sys.executable, "-m", "monitor", "replay", SAMPLE, "--store", place, "--run-id", "sample"]
        command += ["--format", "json", "--metrics-port", port, "--metrics-hold", "600"]
        with subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True) as run:
            try:
                assert run.stdout
                incident = json.loads(run.stdout.readline())
                until(lambda: asked_of(address, "sensor:monitor_incidents:increase1d > 0", True, began))
                time.sleep(2)
                with open_store(place, create=False) as store:
                    yield Replayed(address, store, incident, "sample", began)
            finally:
                run.kill()


def asked_of(address: str, text: str, instant: bool, began: float) -> list[dict[str, Any]]:
    """Series that Prometheus answers with."""
    now = time.time()
    given = {"query": text, "time": now} if instant else {"query": text, "start": began, "end": now, "step": 1}
    url = f"http://{address}/api/v1/query{'' if instant else '_range'}?" + urllib.parse.urlencode(given)
    with urllib.request.urlopen(url, timeout=30) as answer:
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return found


@pytest.mark.parametrize("asked", prom_queries(), ids=str)
def test_promql_has_data(replayed: Replayed, asked: Asked) -> None:
    text = asked.text.replace("$__rate_interval", "5s").replace("$__range", "10m").replace("$sensor", SENSOR)
    unknown = asked.title.split(" · ")[0] in NOT_YET

    def told() -> bool:
        found = asked_of(replayed.prometheus, text, asked.instant, replayed.began)
        values = [float(value) for one in found for _, value in one.get("values", [one.get("value")])]
        return bool(values) and (unknown or any(map(math.isfinite, values)))

    until(told, 15)  # one scrape may come too late on a busy machine


@pytest.mark.parametrize("asked", sql_queries(), ids=str)
def test_sql_has_rows(replayed: Replayed, asked: Asked) -> None:
    incident = replayed.incident
    values = {
        "run": replayed.run,
        "host": incident["host"],
        "incident": incident["incident_id"],
        **dict.fromkeys(CHOICES, "$__all"),
    }
    first = replayed.store.query("SELECT toUnixTimestamp(min(start)) AS a, toUnixTimestamp(max(start)) AS b FROM flows")
    begin, end = first["a"][0].as_py() - 60, first["b"][0].as_py() + 60
    if "modification_time" in asked.text:  # by wall clock
        begin, end = int(replayed.began) - 60, int(time.time()) + 60
    if asked.title.startswith("Sent and received"):
        begin -= 3600
    found = replayed.store.query(expanded(asked.text, Span(begin - 3600, end), values))
    assert found.num_rows > 0


def test_what_is_chosen_is_shown_and_nothing_else(replayed: Replayed) -> None:
    told = {**dict.fromkeys(CHOICES, "$__all"), "host": "", "incident": "", "run": replayed.run}
    (triage,) = (asked for asked in sql_queries() if asked.title.startswith("Triage"))

    def shown(**chosen: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = replayed.store.query(
            expanded(triage.text, Span(0, 1 << 31), {**told, **chosen})
        ).to_pylist()
        return rows

    everything = shown()
    for column, word in (("severity", "critical"), ("detector", "upload"), ("state", "waiting")):
        wanted = [row for row in everything if row[column] == word]
        assert wanted
        assert shown(**{column: word}) == wanted
    assert shown(sensor="another") == []
    assert shown(sensor=load_settings(None).sensor) == everything


def test_a_host_that_is_none_breaks_no_query(replayed: Replayed) -> None:
    hostile = {"host": "x'; DROP TABLE flows --", "incident": "'", "run": "''", **dict.fromkeys(CHOICES, "a'b")}
    for asked in sql_queries():
        replayed.store.query(expanded(asked.text, Span(0, 1), hostile))

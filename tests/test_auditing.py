"""The monthly audit report: its figures from a store whose truth is known, in a browser, in two languages, as CSV."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import packets
import pytest
from commands import Run
from flow_builder import flows
from packets import tcp, tcp_session, write_pcap
from report.browser import browser, cut_in_print, needs_chromium, opened, overflow, violations
from store.incident_events import incident

from monitor import access_log, auditing, handling, recall
from monitor.config import load_settings
from monitor.report import audit_report, audit_tables
from monitor.reporting import gather
from monitor.store import Store, open_store

SCANNER, TARGET = "10.0.0.66", "10.0.1.5"
HOSTILE = '=cmd|"/c calc"!A1<script>alert(1)</script>'


def traffic() -> list[packets.Packet]:
    """A scan of ports, and half an hour later a visit: a silence lies between. All in November 2023."""
    scan = [(packets.START + n * 9000, tcp(SCANNER, TARGET, 40000 + n, n, "S")) for n in range(1, 90)]
    later = packets.START + 1_800_000_000
    return scan + list(tcp_session(later, "10.0.0.5", "198.51.100.9", 51000, 443, b"GET", b"z" * 900))


@pytest.fixture
def store(run: Run, tmp_path: Path) -> Any:
    capture = write_pcap(tmp_path / "month.pcap", traffic())
    assert run("replay", capture, "--store", f"chdb://{tmp_path}/store", "--run-id", "nov")[0] == 0
    with open_store(f"chdb://{tmp_path}/store") as one:
        yield one


def tables(store: Store, month: str = "2023-11") -> dict[str, list[dict[str, str]]]:
    found = audit_tables(auditing.audit(store, month, run_id="nov"))
    return {name: list(csv.DictReader(io.StringIO(text))) for name, text in found.items()}


def test_coverage_silences_and_models_are_from_the_flows(store: Store) -> None:
    found = tables(store)
    (sensor,) = found["monitoring-sensors.csv"]
    assert float(sensor["hours"]) == pytest.approx(2 / 60, abs=1e-3)
    assert int(sensor["flows"]) == 90
    assert sensor["first_seen"] == "2023-11-14T22:13:00.000000Z"
    (silence,) = found["monitoring-silences.csv"]
    assert int(silence["minutes"]) == 30
    (model,) = found["evaluation-models.csv"]
    assert int(model["flows"]) == 90


def test_losses_are_those_of_the_run(store: Store) -> None:
    found = {(row["measure"], row["label"]): float(row["value"]) for row in tables(store)["monitoring-losses.csv"]}
    assert found["packets", ""] == len(traffic())
    assert found["tcp_connections", ""] >= 1
    assert ("tcp_missed_bytes", "") not in found
    assert not tables(store, "2023-12")["monitoring-losses.csv"]


def test_totals_of_a_sensor_that_was_started_again_add_up(tmp_path: Path) -> None:
    """Twelve drops until noon, five more until two; then a new sensor, which says three and four of its own."""
    noon = datetime(2026, 11, 3, 12, tzinfo=UTC)
    said = [(-30 * 24, 99), (-1, 2), (0, 12), (2, 17), (3, 3), (4, 4)]
    with open_store(f"chdb://{tmp_path}/store") as one:
        for hours, drops in said:
            one.measure(
                noon + timedelta(hours=hours), "north", [("kernel_drops", "", drops), ("fill_ratio", "ring", 1)]
            )
        one.measure(noon, "north", [("kernel_drops", "", 12)], token="again")
        one.measure(noon, "north", [("kernel_drops", "", 12)], token="again")
        (row,) = list(
            csv.DictReader(io.StringIO(audit_tables(auditing.audit(one, "2026-11"))["monitoring-losses.csv"]))
        )
    assert (row["sensor"], row["measure"], float(row["value"])) == ("north", "kernel_drops", 17 + 4)


def test_a_month_with_replays_only_names_them(store: Store) -> None:
    """Whoever asks for the report of live traffic, of which there is none."""
    assert auditing.only_replays(store, auditing.audit(store, "2023-11")) == ["nov"]
    assert auditing.only_replays(store, auditing.audit(store, "2023-12")) == []
    assert auditing.only_replays(store, auditing.audit(store, "2023-11", run_id="nov")) == []


def test_verdicts_make_rates_and_response_times(store: Store) -> None:
    (incident,) = [one for one in recall.incidents(store) if one["detector"] == "port_scan"]
    before = tables(store)
    (row,) = [row for row in before["operation-handling.csv"] if row["incident_id"] == incident["incident_id"]]
    assert (row["verdict"], row["hours"]) == ("", "")
    handling.give_verdict(store, incident["incident_id"], "false", note="our scanner", owner="sato")
    after = tables(store)
    (row,) = [row for row in after["operation-handling.csv"] if row["incident_id"] == incident["incident_id"]]
    assert (row["verdict"], row["owner"]) == ("false", "sato")
    assert 0 <= float(row["hours"]) < 1
    (rate,) = [row for row in after["evaluation-rates.csv"] if row["title"] == "Port scan of a host"]
    assert (rate["false"], rate["false_rate"]) == ("1", "100 %")


def test_suppressions_name_their_owner_and_reason_and_formulas_stay_text(store: Store) -> None:
    fields = {"host": TARGET, "expires": datetime.now(UTC) + timedelta(days=9), "reason": HOSTILE, "owner": "=sato"}
    handling.suppress(store, handling.new_suppression(**fields))
    month = f"{datetime.now(UTC):%Y-%m}"
    (row,) = tables(store, month)["evaluation-suppressions.csv"]
    assert (row["hides"], row["owner"], row["state"]) == (f"host {TARGET}", "'=sato", "in force")
    page = audit_report(auditing.audit(store, month, run_id="nov"))
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_access_is_noted_and_the_chain_is_told(store: Store) -> None:
    access_log.note(store, "carve", "feed", "out.pcapng")
    found = auditing.audit(store, f"{datetime.now(UTC):%Y-%m}", run_id="nov")
    page = audit_report(found)
    assert "The incident log is whole" in page
    (noted,) = tables(store, found.month)["access-audit_log.csv"]
    assert (noted["action"], noted["subject"], noted["detail"]) == ("carve", "feed", "out.pcapng")
    head = tables(store, found.month)["access-chains.csv"][0]["head"]
    assert head in page


def test_another_month_is_empty_and_says_so(store: Store) -> None:
    page = audit_report(auditing.audit(store, "2023-10", run_id="nov"))
    assert "No traffic was stored in this month" in page
    assert "No incident began in this month" in page


@needs_chromium
def test_the_page_fits_and_is_accessible(store: Store, tmp_path: Path) -> None:
    audit = auditing.audit(store, "2023-11", run_id="nov")
    with browser() as chromium:
        for language, width in (("en", 1280), ("ja", 390)):
            path = tmp_path / f"{language}.html"
            path.write_text(audit_report(audit, language=language), encoding="utf-8")  # type: ignore[arg-type]
            with opened(chromium, path, width=width) as page:
                assert page.locator("h2").count() == 6
                assert overflow(page) <= 0
                assert violations(page) == []
                assert cut_in_print(page) == []


def test_the_commands_write_what_they_say(run: Run, tmp_path: Path) -> None:
    capture = write_pcap(tmp_path / "month.pcap", traffic())
    where = ("--store", f"chdb://{tmp_path}/store")
    assert run("replay", capture, *where, "--run-id", "nov")[0] == 0
    arguments = ("--month", "2023-11", "--run-id", "nov", "-o", "audit.html", "--csv", "tables", "--lang", "ja")
    assert run("report", *arguments, *where)[0] == 0
    page = (tmp_path / "audit.html").read_text()
    assert "監査報告 2023-11" in page
    assert "判定できません" in page  # no zone was watched: that there was no breach would be untrue
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", page)
    assert not {"open", "waiting", "packets", "tcp_payload_bytes"} & set(cells)
    assert "未終了" in cells
    assert len(list((tmp_path / "tables").glob("*.csv"))) == 12
    handling_csv = (tmp_path / "tables/operation-handling.csv").read_bytes()
    assert handling_csv.startswith("\ufeff開始 (UTC),重大度,".encode())  # Excel takes it for UTF-8
    assert ",高," in handling_csv.decode() or ",中," in handling_csv.decode()
    assert "未終了" in handling_csv.decode()
    with open_store(where[1]) as store:
        incident = recall.incidents(store)[0]["incident_id"]
    assert run("report", "--incident", incident[:9], "-o", "one.html", *where)[0] == 0
    page = (tmp_path / "one.html").read_text()
    assert page.count("<article") == 1
    assert incident in page
    assert "flows were not scored" not in page
    assert "carve month.pcap" in page
    assert run("incidents", "show", incident[:9], *where)[0] == 0
    assert run("incidents", "list", "--host", SCANNER, "--brief", *where)[0] == 0
    assert run("hunt", "port_scan", "--run-id", "nov", *where)[0] == 0
    with open_store(where[1]) as store:
        noted = store.query("SELECT action, subject, detail FROM audit ORDER BY at").to_pylist()
    assert [tuple(row.values()) for row in noted] == [
        ("report", "2023-11", "audit.html"),
        ("export", "2023-11", "tables"),
        ("report", incident[:9], "one.html"),
        ("query", "incident", incident[:9]),
        ("query", "incidents", f"host={SCANNER}"),
        ("query", "hunt", "port_scan run=nov"),
    ]


def test_the_report_of_a_live_incident_is_of_its_own_time(tmp_path: Path) -> None:
    """Not of the last day: it is often made when the case is closed."""
    with open_store(f"chdb://{tmp_path}/store") as one:
        seen = {"src_ip": "10.0.0.5", "dst_ip": "203.0.113.9", "src_bytes": 700, "model_version": "m1"}
        one.insert_flows(flows(*({**seen, "start": start} for start in (60.0, 3000.0, 40 * 86400.0))))
        told = gather(one, load_settings(None), "", [incident(1, community_ids=[])])
    assert (told.flows, told.summary.hosts[0]["sent"], told.model["model_version"]) == (2, 1400, "m1")
    assert sum(told.traffic.sent) == 1400
    assert told.evidence[0].upload is not None
    assert sum(told.evidence[0].upload.sent) == 1400


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "say which report"),
        (("--month", "2026-13"), "no month such as"),
        (("--month", "2999-01"), "has not begun"),
        (("--month", "2026-11", "--incident", "ab"), "say which report"),
        (("--incident", "ab", "--csv", "x"), "--csv goes with --month"),
    ],
)
def test_mistakes_are_told(run: Run, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    where = ("--store", f"chdb://{tmp_path}/store")
    run("db", "init", *where)
    status, out, err = run("report", *arguments, "-o", "out.html", *where)
    assert (status, out) == (2, "")
    assert said in err
    assert not (tmp_path / "out.html").exists()

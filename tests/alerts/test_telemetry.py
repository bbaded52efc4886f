"""What Prometheus reads: right counts, bounded labels that exist from the start, incidents that come and go."""

from __future__ import annotations

import math
import socket
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import flow_builder
import numpy as np
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from monitor.alerts import Telemetry
from monitor.alerts.active import LABELS, LONGEST, ActiveIncidents
from monitor.config import MetricsSettings
from monitor.metrics import SCORE_BOUNDS, BatchHistogram, Metrics
from monitor.reading import Account


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    settings = MetricsSettings(active_incidents=2)
    with Telemetry(
        settings,
        services=["tls", "dns"],
        detectors=["beacon"],
        ignored=["arp"],
        dropped=["duplicate"],
        titles={"beacon": ("Regular calls", "規則的な通信")},
        alert_budget=10,
        max_flows=50,
    ) as running:
        yield running


def scraped(telemetry: Telemetry) -> dict[tuple[str, ...], float]:
    """Samples by name and label values in order of the labels' names, read over HTTP as Prometheus does."""
    url = f"http://{telemetry.exporter.address}:{telemetry.exporter.port}/metrics"
    text = urllib.request.urlopen(url, timeout=10).read().decode()
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def incident(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "incident_id": f"{number:016x}",
        "detector": "beacon",
        "severity": "high",
        "host": "10.0.0.5",
        "peer": "203.0.113.9",
        "first_seen": datetime(2026, 1, 1, tzinfo=UTC),
        "last_seen": datetime(2026, 1, 1, 0, number, tzinfo=UTC),
        "reasons": ["called every 60 s"],
        "attack": ["T1071", "T1573"],
        **fields,
    }


def test_every_known_label_exists_before_anything_happens(telemetry: Telemetry) -> None:
    samples = scraped(telemetry)
    for key in (
        ("monitor_packets_total",),
        ("monitor_packets_ignored_total", "arp"),
        ("monitor_packets_dropped_total", "duplicate"),
        ("monitor_flows_total", "dns"),
        ("monitor_flows_total", "other"),
        ("monitor_score_count", "tls"),
        ("monitor_incidents_total", "beacon", "critical"),
        ("monitor_store_rows_total", "dropped", "flows"),
        ("monitor_store_rows_total", "written", "incidents"),
        ("monitor_incidents_not_shown",),
    ):
        assert samples[key] == 0, key
    assert any(name[0] == "monitor_build_info" for name in samples)
    assert not [name for name in samples if name[0] == "monitor_incident_active"]


def test_counters_follow_the_account(telemetry: Telemetry) -> None:
    telemetry.account(Account(packets=10, bytes=900, decoded=7, ignored={"arp": 2}, dropped={"duplicate": 1}))
    telemetry.account(
        Account(packets=30, bytes=1900, decoded=25, ignored={"arp": 4}, dropped={"duplicate": 1}, evicted=3, active=5)
    )
    samples = scraped(telemetry)
    assert samples["monitor_packets_total",] == 30
    assert samples["monitor_packet_bytes_total",] == 1900
    assert (samples["monitor_flows_evicted_total",], samples["monitor_flows_active",]) == (3, 5)
    assert samples["monitor_fill_ratio", "flow_table"] == 0.1
    assert samples["monitor_packets_total",] == (
        samples["monitor_packets_decoded_total",]
        + samples["monitor_packets_ignored_total", "arp"]
        + samples["monitor_packets_dropped_total", "duplicate"]
    )


def test_flows_and_scores_are_counted_by_known_services(telemetry: Telemetry) -> None:
    batch = flow_builder.flows(
        {"service": "tls", "score": 0.41, "start": 0.0, "end": 5.0},
        {"service": "tls", "score": 0.72, "start": 1.0, "end": 9.0},
        {"service": "gopher", "score": 0.5},
        {"service": "dns", "score": 0.0},
    )
    telemetry.flows(batch, written=4, seconds=0.5)
    samples = scraped(telemetry)
    assert [samples["monitor_flows_total", name] for name in ("tls", "dns", "other")] == [2, 1, 1]
    assert [samples["monitor_score_count", name] for name in ("tls", "dns", "other")] == [2, 0, 1]
    assert samples["monitor_score_bucket", "0.45", "tls"] == 1
    assert samples["monitor_score_bucket", "+Inf", "tls"] == 2
    assert samples["monitor_score_sum", "tls"] == pytest.approx(1.13)
    assert samples["monitor_store_rows_total", "written", "flows"] == 4
    assert samples["monitor_store_insert_seconds_total",] == 0.5
    assert samples["monitor_last_packet_timestamp_seconds",] == flow_builder.EPOCH / 1e6 + 9


def test_the_histogram_counts_as_numpy_does() -> None:
    scores = np.random.default_rng(1).random(1000).astype(np.float32)
    services = np.arange(1000) % 2
    histogram = BatchHistogram("monitor_score", "", ["a", "b"], SCORE_BOUNDS)
    histogram.observe(services[:500], scores[:500])
    histogram.observe(services[500:], scores[500:])
    (family,) = histogram.collect()
    for service, name in enumerate(("a", "b")):
        mine = scores[services == service]
        for bound in SCORE_BOUNDS:
            (value,) = [s.value for s in family.samples if s.labels == {"service": name, "le": str(bound)}]
            assert value == np.sum(mine <= np.float32(bound))


def test_open_incidents_are_shown_up_to_the_cap_and_go_when_closed(telemetry: Telemetry) -> None:
    rows = [incident(1, severity="low"), incident(2), incident(3, severity="critical")]
    telemetry.incidents(rows, written=3)
    samples = scraped(telemetry)
    shown = {label for key in samples if key[0] == "monitor_incident_active" for label in key[1:]}
    assert shown >= {f"{2:016x}", f"{3:016x}"}
    assert f"{1:016x}" not in shown
    assert samples["monitor_incidents_not_shown",] == 1
    assert [samples["monitor_incidents_open", name] for name in ("low", "medium", "high", "critical")] == [1, 0, 1, 1]
    telemetry.close(f"{3:016x}")
    samples = scraped(telemetry)
    assert (samples["monitor_incidents_not_shown",], samples["monitor_incidents_open", "critical"]) == (0, 0)
    assert samples["monitor_incidents_total", "beacon", "low"] == 1
    assert samples["monitor_store_rows_total", "written", "incidents"] == 3


def test_an_incident_is_counted_when_it_is_told(telemetry: Telemetry) -> None:
    """What waits or is suppressed is counted as such and not shown; it opens when it is told after all."""
    events = [
        incident(1, event="opened", state="waiting"),
        incident(2, event="opened", state="suppressed"),
        incident(3, event="opened", state="open"),
    ]
    telemetry.incidents(events, written=3)
    samples = scraped(telemetry)
    assert samples["monitor_incidents_total", "beacon", "high"] == 1
    assert samples["monitor_incidents_waiting_total", "beacon"] == 1
    assert samples["monitor_incidents_suppressed_total", "beacon"] == 1
    assert samples["monitor_incidents_open", "high"] == 1
    told = [incident(1, event="updated", state="open"), incident(3, event="updated", state="waiting")]
    telemetry.incidents([*told, incident(1, event="updated", state="open")], written=3)
    telemetry.verdicts({("beacon", "false"): 3})
    samples = scraped(telemetry)
    assert samples["monitor_incidents_total", "beacon", "high"] == 2
    assert samples["monitor_incidents_waiting_total", "beacon"] == 1
    shown = [labels for name, *labels in samples if name == "monitor_incident_active"]
    assert [f"{1:016x}" in labels for labels in shown] == [True]
    assert samples["monitor_verdicts", "beacon", "false"] == 3
    telemetry.incidents([incident(1, event="closed", state="closed")], written=1)
    assert scraped(telemetry)["monitor_incidents_open", "high"] == 0


def test_loss_and_one_sidedness_are_told_from_the_flows(telemetry: Telemetry) -> None:
    whole = {"proto": 6, "src_packets": 5, "dst_packets": 5, "src_flags": 0x1A, "dst_flags": 0x12}
    whole |= {"src_payload": 0, "dst_payload": 0}
    batch = flow_builder.flows(
        {**whole, "src_payload": 600, "dst_payload": 300, "missed_bytes": 90},
        {**whole, "dst_packets": 0, "dst_flags": 0, "src_payload": 100},
        {**whole, "src_packets": 1, "dst_packets": 0, "src_flags": 0x02, "dst_flags": 0},  # a SYN without an answer
        {**whole, "proto": 17, "src_payload": 4000},
    )
    telemetry.flows(batch, written=4, seconds=0.1)
    samples = scraped(telemetry)
    assert (samples["monitor_tcp_payload_bytes_total",], samples["monitor_tcp_missed_bytes_total",]) == (1000, 90)
    assert (samples["monitor_tcp_connections_total",], samples["monitor_tcp_one_sided_total",]) == (2, 1)


def test_what_is_not_known_yet_is_not_a_number_and_alarms_nobody(telemetry: Telemetry) -> None:
    samples = scraped(telemetry)
    for name in ("monitor_store_up", "monitor_model_drift", "monitor_store_days_left", "monitor_traffic_norm_ratio"):
        assert math.isnan(samples[name,])
    assert samples["monitor_alert_budget",] == 10


def text_of(*rows: dict[str, Any], closed: tuple[str, ...] = ()) -> str:
    metrics = Metrics()
    active = ActiveIncidents(metrics, cap=10, titles={})
    registry = metrics.registry
    for row in rows:
        active.open(row)
    for incident_id in closed:
        active.close(incident_id)
    return generate_latest(registry).decode()


def test_an_incident_is_one_series_however_often_it_is_renewed() -> None:
    text = text_of(incident(1), incident(1, severity="critical"))
    assert text.count("monitor_incident_active{") == 1
    assert 'severity="critical"' in text


def test_a_closed_incident_is_gone() -> None:
    assert "monitor_incident_active{" not in text_of(incident(1), closed=(f"{1:016x}", "unknown"))


def test_labels_are_escaped_and_short() -> None:
    hostile = 'a"b\\c\nd\x1b[31m\u202e' + "x" * 1000
    text = text_of(incident(1, peer=hostile))
    (family,) = [f for f in text_string_to_metric_families(text) if f.name == "monitor_incident_active"]
    labels = family.samples[0].labels
    assert set(labels) == set(LABELS)
    assert labels["peer"].startswith('a"b\\c\\x0ad\\x1b[31m\\u202ex')
    assert len(labels["peer"]) == LONGEST
    assert labels["peer"].endswith("…")
    assert labels["attack"] == "T1071 T1573"


def test_a_chat_message_finds_title_reasons_and_begin_in_the_labels(telemetry: Telemetry) -> None:
    reasons = ["called every 60 s", "no other host calls it that often", "x" * LONGEST]
    telemetry.incidents([incident(1, reasons=reasons)], written=1)
    url = f"http://{telemetry.exporter.address}:{telemetry.exporter.port}/metrics"
    text = urllib.request.urlopen(url, timeout=10).read().decode()
    (family,) = [f for f in text_string_to_metric_families(text) if f.name == "monitor_incident_active"]
    labels = family.samples[0].labels
    assert labels["reason"] == "called every 60 s; no other host calls it that often"
    assert labels["reason_ja"] == "called every 60 s／これほど頻繁に通信するホストは他になし"
    assert (labels["title"], labels["title_ja"]) == ("Regular calls", "規則的な通信")
    begun = datetime(2026, 1, 1, tzinfo=UTC).astimezone()
    assert labels["since"] == begun.strftime("%Y-%m-%d %H:%M:%S %Z")


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"cannot serve metrics on 127.0.0.1:{port}.*--metrics-port"):
            Telemetry(MetricsSettings(port=port))


def test_what_a_writer_tells_is_shown() -> None:
    from monitor.store import Counts, DiskUse

    with Telemetry(MetricsSettings(), services=["dns"]) as telemetry:
        telemetry.delivery(Counts(taken=100, written=60, spooled=30, dropped=7, set_aside=3, delayed=30, spool_bytes=50,
                                  oldest=time.time() - 60), up=False, spool_limit=100)  # fmt: skip
        telemetry.delivery(Counts(taken=100, written=90, dropped=7, set_aside=3, delayed=30), up=True, spool_limit=100)
        telemetry.disk(DiskUse(own=1000, logs=24, budget=10_000, per_day=100, days_left=89.5))
        value = telemetry.metrics.registry.get_sample_value
        assert [
            value("monitor_store_rows_total", {"table": "flows", "outcome": outcome})
            for outcome in ("written", "spooled", "dropped")
        ] == [90, 30, 10]
        assert (value("monitor_store_up"), value("monitor_spool_bytes"), value("monitor_store_lag_seconds")) == (
            1,
            0,
            0,
        )
        assert (value("monitor_store_bytes"), value("monitor_store_days_left")) == (1024, 89.5)

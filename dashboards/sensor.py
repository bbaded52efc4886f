"""Sensor health: does it hear everything, does it understand it, does it keep up?"""

from __future__ import annotations

from typing import Any

from dashboards.page import page
from dashboards.panels import BAD, WARN, number, series
from dashboards.phrases import BY_SENSOR
from dashboards.queries import RUN, SERIES, prom, sql

_S = 'sensor=~"$sensor"'


def build() -> Any:
    """The dashboard monitor-sensor-health."""
    return page(
        "sensor-health",
        ("Sensor health", "センサーの状態"),
        "Does the sensor hear everything, does it understand it, does it keep up?",
        ("sensor", "run"),
        [
            (4, _now()),
            (8, [(8, _packets()), (8, _ignored()), (8, _dropped())]),
            (8, [(8, _loss()), (8, _mirror()), (8, _missed_by_flows())]),
            (8, [(8, _fill()), (8, _table()), (8, _process())]),
        ],
    )


def _now() -> list[tuple[int, Any]]:
    answers = number(
        ("Answers", "応答"),
        "1: Prometheus can read the sensor's metrics.",
        "none",
        prom(f'min(up{{job="monitor", {_S}}})', instant=True),
        steps=[(1, "#009E73")],
        below=BAD,
    )
    running = number(
        ("Running for", "稼働時間"),
        "Time since the sensor or the replay began.",
        "s",
        prom(f"time() - max(monitor_start_timestamp_seconds{{{_S}}})", instant=True),
        decimals=0,
    )
    restarts = number(
        ("Workers that died", "異常終了したワーカー"),
        "Capture workers that died and were started again, in the time range.",
        "none",
        prom(f"sum(increase(monitor_worker_restarts_total{{{_S}}}[$__range]))", instant=True),
        steps=[(1, WARN), (3, BAD)],
        decimals=0,
    )
    jumps = number(
        ("Clock jumps", "時刻の飛び"),
        "Times that the packet clock jumped, in the time range.",
        "none",
        prom(f"sum(increase(monitor_clock_steps_total{{{_S}}}[$__range]))", instant=True),
        steps=[(1, WARN)],
        decimals=0,
    )
    damage = number(
        ("Damaged captures", "破損したキャプチャ"),
        "Places at which a capture could not be read on.",
        "none",
        prom(f"sum(monitor_capture_damage_total{{{_S}}})", instant=True),
        steps=[(1, WARN)],
    )
    merged = number(
        ("Merged frames", "結合されたフレーム"),
        "Frames above the MTU: the network card merges packets (GRO, LRO); switch that off.",
        "none",
        prom(f"sum(increase(monitor_oversized_frames_total{{{_S}}}[$__range]))", instant=True),
        steps=[(1, WARN)],
        decimals=0,
    )
    return [(4, panel) for panel in (answers, running, restarts, jumps, damage, merged)]


def _packets() -> Any:
    return series(
        ("Packets", "パケット"),
        "Packets read a second, and those that joined a flow.",
        "pps",
        prom(f"sum(sensor:monitor_packets:rate1m{{{_S}}})", "read"),
        prom(f"sum(rate(monitor_packets_decoded_total{{{_S}}}[1m]))", "decoded", ref="B"),
    )


def _ignored() -> Any:
    return series(
        ("Ignored packets", "対象外のパケット"),
        "Packets a second that no flow takes, by reason (docs/decoding.md says what each means).",
        "pps",
        prom(f"sum by (reason) (rate(monitor_packets_ignored_total{{{_S}}}[5m])) > 0", "{{reason}}"),
        stacked=True,
    )


def _dropped() -> Any:
    return series(
        ("Dropped packets", "破棄したパケット"),
        "Packets a second that should have joined a flow but did not, by reason.",
        "pps",
        prom(f"sum by (reason) (rate(monitor_packets_dropped_total{{{_S}}}[5m]))", "{{reason}}"),
        stacked=True,
    )


def _loss() -> Any:
    return series(
        ("Loss", "欠落"),
        "Share of packets dropped by the kernel, and of TCP payload lost before the sensor.",
        "percentunit",
        prom(f"max(sensor:monitor_kernel_drops:ratio5m{{{_S}}})", "kernel"),
        prom(f"max(sensor:monitor_tcp_missed:ratio10m{{{_S}}})", "before the sensor", ref="B"),
        steps=[(0.001, WARN), (0.01, BAD)],
    )


def _mirror() -> Any:
    return series(
        ("Mirror", "ミラー"),
        "Share of TCP connections seen in one direction only, and of packets that came twice.",
        "percentunit",
        prom(f"max(sensor:monitor_tcp_one_sided:ratio1h{{{_S}}})", "one-sided"),
        prom(f"max(sensor:monitor_packets_duplicate:ratio5m{{{_S}}})", "duplicate", ref="B"),
        steps=[(0.2, BAD)],
    )


def _missed_by_flows() -> Any:
    text = f"""
        SELECT $__timeInterval(minute) AS time, sum(m.missed_bytes) AS missed
        FROM flows_by_minute AS m WHERE {RUN} AND $__timeFilter(minute) AND {BY_SENSOR}
        GROUP BY time ORDER BY time"""
    return series(
        ("Missed payload", "届かなかったデータ"),
        "Bytes of TCP payload that were sent but never seen, by the begin of their flows.",
        "bytes",
        sql(text, SERIES),
    ).interval("1m")


def _fill() -> Any:
    return series(
        ("How full", "使用率"),
        "Each bounded buffer of the sensor; when one is full, what does not fit is dropped and counted. The evidence "
        "ring is full by design.",
        "percentunit",
        prom(f"max by (buffer) (monitor_fill_ratio{{{_S}}})", "{{buffer}}"),
        steps=[(0.9, BAD)],
    )


def _table() -> Any:
    return series(
        ("Flow table", "フローテーブル"),
        "Flows in the table; a second: flows that a full table ended before their time, and flows that were lost.",
        "none",
        prom(f"sum(monitor_flows_active{{{_S}}})", "active"),
        prom(f"sum(rate(monitor_flows_evicted_total{{{_S}}}[5m]))", "evicted a second", ref="B"),
        prom(f"sum(rate(monitor_flows_lost_total{{{_S}}}[5m]))", "lost a second", ref="C"),
    )


def _process() -> Any:
    return series(
        ("Memory", "メモリ"),
        "Resident memory of the sensor's main process.",
        "bytes",
        prom(f'sum(process_resident_memory_bytes{{job="monitor", {_S}}})', "memory"),
    )

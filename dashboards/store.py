"""Store: does it take what it is given, how far behind is it, how long will the disk last?"""

from __future__ import annotations

from typing import Any

from dashboards.page import page
from dashboards.panels import BAD, WARN, number, rows, series
from dashboards.queries import SERIES, prom, sql

_S = 'sensor=~"$sensor"'
_PARTS = "system.parts WHERE active AND database = currentDatabase()"


def build() -> Any:
    """The dashboard monitor-store."""
    return page(
        "store",
        ("Store", "ストア"),
        "Does the store take what it is given, and how long will the disk last?",
        ("sensor", "run"),
        [
            (4, _now()),
            (8, [(8, _rows()), (8, _inserts()), (8, _spool())]),
            (9, [(12, _tables()), (12, _growth())]),
            (9, [(12, _runs()), (12, _schema())]),
        ],
    )


def _now() -> list[tuple[int, Any]]:
    up = number(
        ("Takes rows", "書き込み可"),
        "1: the latest insert was taken.",
        "none",
        prom(f"min(monitor_store_up{{{_S}}})", instant=True),
        steps=[(1, "#009E73")],
        below=BAD,
    )
    lag = number(
        ("Behind", "遅れ"),
        "Age of the oldest flow record that is not in the store yet.",
        "s",
        prom(f"max(monitor_store_lag_seconds{{{_S}}})", instant=True),
        steps=[(60, WARN), (600, BAD)],
        decimals=0,
    )
    dropped = number(
        ("Rows lost", "失われた行"),
        "Rows that were neither stored nor spooled, in the time range.",
        "none",
        prom(f'sum(increase(monitor_store_rows_total{{{_S}, outcome="dropped"}}[$__range]))', instant=True),
        steps=[(1, BAD)],
        decimals=0,
    )
    days = number(
        ("Disk lasts", "ディスク残り日数"),
        "Days until the disk budget is used up, at the rate of late.",
        "d",
        prom(f"min(monitor_store_days_left{{{_S}}})", instant=True),
        steps=[(14, WARN), (30, "#009E73")],
        below=BAD,
        decimals=0,
    )
    size = number(
        ("On disk", "使用容量"),
        "Bytes on disk of all tables.",
        "bytes",
        sql(f"SELECT sum(bytes_on_disk) AS bytes FROM {_PARTS}"),
    )
    flow = number(
        ("Bytes a flow", "1 フローの容量"),
        "Bytes on disk for each flow record, compressed.",
        "bytes",
        sql(f"SELECT sum(bytes_on_disk) / sum(rows) AS bytes FROM {_PARTS} AND table = 'flows'"),
        decimals=1,
    )
    return [(4, panel) for panel in (up, lag, dropped, days, size, flow)]


def _rows() -> Any:
    return series(
        ("Rows", "行数"),
        "Rows a second handed to the store, by what became of them.",
        "cps",
        prom(f"sum by (outcome) (sensor_outcome:monitor_store_rows:rate1m{{{_S}}})", "{{outcome}}"),
        stacked=True,
    )


def _inserts() -> Any:
    return series(
        ("Time spent on inserts", "書き込み時間"),
        "Share of the time that the writer waits for inserts; at 1 it does nothing else.",
        "percentunit",
        prom(f"sum by (sensor) (rate(monitor_store_insert_seconds_total{{{_S}}}[1m]))", "{{sensor}}"),
        steps=[(0.8, WARN)],
    )


def _spool() -> Any:
    return series(
        ("Spool", "スプール"),
        "Bytes that wait on the sensor's disk for the store.",
        "bytes",
        prom(f"sum by (sensor) (monitor_spool_bytes{{{_S}}})", "{{sensor}}"),
    )


def _tables() -> Any:
    text = f"""
        SELECT table, sum(p.rows) AS rows, sum(p.bytes_on_disk) AS bytes, sum(p.bytes_on_disk) / sum(p.rows) AS each,
        count() AS parts, min(nullIf(min_time, toDateTime(0))) AS oldest
        FROM (SELECT * FROM {_PARTS}) AS p GROUP BY table ORDER BY bytes DESC"""
    return rows(
        ("Tables", "テーブル"),
        "Rows, bytes and parts of each table; many small parts mean inserts that are too small.",
        sql(text),
        units={"bytes": "bytes", "each": "bytes", "rows": "short"},
    )


def _growth() -> Any:
    text = f"""
        SELECT toStartOfHour(modification_time) AS time, table, sum(bytes_on_disk) AS bytes
        FROM {_PARTS} AND $__timeFilter(modification_time) GROUP BY time, table ORDER BY time"""
    return series(
        ("Written", "書き込み量"),
        "Bytes on disk of the parts that were written or merged in each hour, by table.",
        "bytes",
        sql(text, SERIES),
        stacked=True,
        bars=True,
    )


def _runs() -> Any:
    text = """
        SELECT run_id, argMax(r.state, r.recorded) AS state, max(r.recorded) AS recorded, max(r.flows) AS flows,
        argMax(r.sensor, r.recorded) AS sensor, argMax(r.model_version, r.recorded) AS model,
        arrayStringConcat(argMax(r.sources, r.recorded), ' ') AS sources
        FROM runs AS r GROUP BY run_id ORDER BY recorded DESC LIMIT 50"""
    return rows(
        ("Replays", "リプレイ"),
        "Replays that are kept; put a run_id into the variable Run to look at one.",
        sql(text),
    )


def _schema() -> Any:
    return rows(
        ("Schema", "スキーマ"),
        "Migrations that were applied to the store.",
        sql("SELECT version, description, applied FROM schema_versions ORDER BY version"),
    )

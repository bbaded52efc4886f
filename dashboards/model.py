"""Model health: how its scores and p-values spread, whether the traffic moved away from it, how old it is."""

from __future__ import annotations

from typing import Any

from dashboards.page import page
from dashboards.panels import BAD, NOTICE, WARN, number, series, spread
from dashboards.queries import prom

_S = 'sensor=~"$sensor"'


def build() -> Any:
    """The dashboard monitor-model-health."""
    return page(
        "model-health",
        ("Model health", "モデルの状態"),
        "Do p-values still mean what the alert budget counts on?",
        ("sensor", "run"),
        [
            (4, _now()),
            (9, [(12, _scores()), (12, _p_values())]),
            (9, [(12, _low()), (12, _by_service())]),
            (9, [(24, _features())]),
            (7, [(12, _budget()), (12, _verdicts())]),
        ],
    )


def _now() -> list[tuple[int, Any]]:
    age = number(
        ("Age", "経過時間"),
        "Time since the end of the traffic that the model learned.",
        "s",
        prom(f"time() - max(monitor_model_trained_timestamp_seconds{{{_S}}})", instant=True),
        steps=[(60 * 86400, NOTICE), (90 * 86400, WARN)],
        decimals=0,
    )
    drift = number(
        ("Drift", "ドリフト"),
        "Population stability index of late p-values: 0 as calibrated, 0.1 some change, 0.25 another population.",
        "none",
        prom(f"max(monitor_model_drift{{{_S}}})", instant=True),
        steps=[(0.1, NOTICE), (0.25, BAD)],
        decimals=2,
    )
    low = number(
        ("p below 0.01", "0.01 未満の p 値"),
        "Share of the scored flows of the last hour with a p-value below 0.01; 1 % when the model fits.",
        "percentunit",
        prom(f"max(sensor:monitor_p_value_low:ratio1h{{{_S}}})", instant=True),
        steps=[(0.02, NOTICE), (0.05, WARN)],
        decimals=1,
    )
    scored = number(
        ("Scored flows", "スコア付けしたフロー"),
        "Flows that the model scored since the sensor began.",
        "none",
        prom(f"sum(monitor_score_count{{{_S}}})", instant=True),
    )
    return [(6, panel) for panel in (age, drift, low, scored)]


def _scores() -> Any:
    return spread(
        ("Scores", "スコアの分布"),
        "Flows by anomaly score over time; a band that climbs is traffic that grows strange.",
        "none",
        prom(f"sum by (le) (increase(monitor_score_bucket{{{_S}}}[$__rate_interval]))", "{{le}}", heatmap=True),
    )


def _p_values() -> Any:
    bucket = f'sum(increase(monitor_p_value_bucket{{{_S}, le="%s"}}[$__range]))'
    total = f"sum(increase(monitor_p_value_count{{{_S}}}[$__range]))"
    bounds = ("0.001", "0.01", "0.05", "0.1", "0.25", "0.5", "0.75")
    queries = [
        prom(f"{bucket % bound} / {total} / {bound}", f"p ≤ {bound}", ref=chr(ord("A") + place))
        for place, bound in enumerate(bounds)
    ]
    return series(
        ("p-values against uniform", "p 値の一様性"),
        "Share of flows with at most this p-value over the share that usual traffic has: 1 when the model fits, 2 when "
        "there are twice as many alarms as budgeted.",
        "none",
        *queries,
        steps=[(2, WARN)],
    )


def _low() -> Any:
    return series(
        ("Share of p below 0.01", "0.01 未満の p 値の割合"),
        "By sensor; rises when the traffic moves away from what the model learned, or under attack.",
        "percentunit",
        prom(f"sensor:monitor_p_value_low:ratio1h{{{_S}}}", "{{sensor}}"),
        steps=[(0.02, NOTICE), (0.05, WARN)],
    )


def _by_service() -> Any:
    low = f'sum by (service) (increase(monitor_p_value_bucket{{{_S}, le="0.01"}}[1h]))'
    all_of_it = f"sum by (service) (increase(monitor_p_value_count{{{_S}}}[1h]))"
    return series(
        ("p below 0.01 by service", "サービス別の 0.01 未満の割合"),
        "Share of the scored flows of the last hour with a p-value below 0.01; far above 1 %: the service has changed.",
        "percentunit",
        prom(f"{low} / ({all_of_it} > 0)", "{{service}}"),
        steps=[(0.02, NOTICE), (0.05, WARN)],
    )


def _features() -> Any:
    return series(
        ("Features that moved most", "分布が変化した特徴量"),
        "Population stability index of the eight features of late flows that are farthest from calibration: 0.1 some "
        "change, 0.25 another population. A feature may move without any harm to p-values; they decide.",
        "none",
        prom(f"topk(8, max by (feature) (monitor_model_feature_drift{{{_S}}}))", "{{feature}}"),
        steps=[(0.1, NOTICE), (0.25, WARN)],
    )


def _budget() -> Any:
    return series(
        ("Incidents a day against the budget", "1 日の件数と想定件数"),
        "Incidents opened in the last 24 hours, without zone breaches, and the alert budget.",
        "none",
        prom(f"sum(sensor:monitor_incidents_budgeted:increase1d{{{_S}}})", "incidents"),
        prom(f"sum(monitor_alert_budget{{{_S}}})", "budget", ref="B"),
    )


def _verdicts() -> Any:
    return series(
        ("Verdicts", "判定"),
        "Incidents with a verdict, by what it was.",
        "none",
        prom(f"sum by (verdict) (monitor_verdicts{{{_S}}})", "{{verdict}}"),
        stacked=True,
    )

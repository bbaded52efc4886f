"""Overview: is the link healthy, and what is unusual now?"""

from __future__ import annotations

from typing import Any

from dashboards.page import HOST_LINK, INCIDENT_LINK, page
from dashboards.panels import BAD, NOTICE, WARN, number, rows, series
from dashboards.phrases import BY_SENSOR, BY_WRITER, BY_ZONE, FLOW_UNITS, SHOWN, address, flow_list, incidents
from dashboards.queries import RUN, SERIES, prom, sql


def build() -> Any:
    """The dashboard monitor-overview."""
    return page(
        "overview",
        ("Overview", "概況"),
        "Is the link healthy, and what is unusual now?",
        ("sensor", "zone", "run"),
        [(4, _health()), (8, _traffic()), (9, _unusual()), (9, _who())],
    )


def _health() -> list[tuple[int, Any]]:
    return [
        (
            4,
            number(
                ("Sensors that answer", "応答中のセンサー"),
                "Sensors whose metrics Prometheus can read.",
                "none",
                prom('sum(up{job="monitor", sensor=~"$sensor"})', instant=True),
                steps=[(1, "#009E73")],
                below=BAD,
            ),
        ),
        (
            4,
            number(
                ("Open incidents", "未終了のインシデント"),
                "Incidents that are open now, of any severity.",
                "none",
                prom('sum(monitor_incidents_open{sensor=~"$sensor"})', instant=True),
                steps=[(1, NOTICE), (10, WARN)],
            ),
        ),
        (
            4,
            number(
                ("Packets", "パケット"),
                "Packets read a second, mean of the last minute.",
                "pps",
                prom('sum(sensor:monitor_packets:rate1m{sensor=~"$sensor"})', instant=True),
            ),
        ),
        (
            4,
            number(
                ("Traffic", "通信量"),
                "Bits a second as on the wire, mean of the last minute.",
                "bps",
                prom('sum(sensor:monitor_packet_bits:rate1m{sensor=~"$sensor"})', instant=True),
            ),
        ),
        (
            4,
            number(
                ("Lost before us", "手前での欠落"),
                "Share of the TCP payload that hosts acknowledged but the sensor never saw.",
                "percentunit",
                prom('max(sensor:monitor_tcp_missed:ratio10m{sensor=~"$sensor"})', instant=True),
                steps=[(0.001, WARN), (0.01, BAD)],
                decimals=2,
            ),
        ),
        (
            4,
            number(
                ("Dropped by the kernel", "カーネルの取りこぼし"),
                "Share of the packets for which the capture ring had no room.",
                "percentunit",
                prom('max(sensor:monitor_kernel_drops:ratio5m{sensor=~"$sensor"})', instant=True),
                steps=[(0.0001, WARN), (0.001, BAD)],
                decimals=2,
            ),
        ),
    ]


def _traffic() -> list[tuple[int, Any]]:
    by_direction = f"""
        SELECT $__timeInterval(minute) AS time, direction, 8 * sum(src_bytes + dst_bytes) / $__interval_s AS bits
        FROM flows_by_minute WHERE {RUN} AND $__timeFilter(minute) AND {BY_SENSOR} AND {BY_ZONE}
        GROUP BY time, direction ORDER BY time"""
    return [
        (
            12,
            series(
                ("Traffic by direction", "方向別の通信量"),
                "IP bits a second of the flows that began then, by direction.",
                "bps",
                sql(by_direction, SERIES),
                stacked=True,
            ).interval("1m"),
        ),
        (
            12,
            series(
                ("Flows by service", "サービス別のフロー"),
                "Flow records a second, by service.",
                "cps",
                prom('sum by (service) (sensor_service:monitor_flows:rate5m{sensor=~"$sensor"}) > 0', "{{service}}"),
                stacked=True,
            ),
        ),
    ]


def _unusual() -> list[tuple[int, Any]]:
    strange = f"""
        SELECT $__timeInterval(minute) AS time, -log10(greatest(min(least_p_value), 1e-12)) AS strangeness
        FROM flows_by_minute WHERE {RUN} AND $__timeFilter(minute) AND {BY_SENSOR} AND {BY_ZONE}
        GROUP BY time ORDER BY time"""
    return [
        (
            16,
            rows(
                ("Open incidents", "未終了のインシデント"),
                "The gravest first; click an incident for its story.",
                sql(incidents(f"$__timeFilter(last_seen) AND {SHOWN} AND {BY_WRITER}", limit=50)),
                links={"incident": INCIDENT_LINK, "host": HOST_LINK},
                units={"p_value": "sci"},
            ),
        ),
        (
            8,
            series(
                ("Strangest flow", "最も異常なフロー"),
                "-log10 of the lowest p-value of the flows that began then: 3 is one in a thousand usual flows.",
                "none",
                sql(strange, SERIES),
                steps=[(4, WARN), (6, BAD)],
            ).interval("1m"),
        ),
    ]


def _who() -> list[tuple[int, Any]]:
    busiest = f"""
        SELECT {address("host")} AS host, sum(sent) AS sent, sum(received) AS received, sum(h.flows) AS flows,
        sum(h.unanswered) / sum(h.flows) AS unanswered
        FROM hosts_by_hour AS h WHERE {RUN} AND $__timeFilter(hour)
        GROUP BY h.host ORDER BY sent + received DESC LIMIT 25"""
    strange = f"$__timeFilter(start) AND p_value < 0.001 AND {BY_SENSOR} AND {BY_ZONE}"
    return [
        (
            10,
            rows(
                ("Busiest hosts", "通信量の多い端末"),
                "Inside hosts by bytes, at all sensors; a high share of unanswered flows is a scan or an outage.",
                sql(busiest),
                links={"host": HOST_LINK},
                units={"sent": "bytes", "received": "bytes", "unanswered": "percentunit"},
            ),
        ),
        (
            14,
            rows(
                ("Strangest flows", "異常度の高いフロー"),
                "Flows with the lowest p-values, and what made them strange.",
                sql(flow_list(strange, order="p_value", limit=50)),
                links={"host": HOST_LINK},
                units=FLOW_UNITS,
            ),
        ),
    ]

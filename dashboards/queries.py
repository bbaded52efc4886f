"""What a panel asks: PromQL of Prometheus, SQL of ClickHouse (through the plugin grafana-clickhouse-datasource).

The data sources are provisioned under these uids. Macros of the plugin ($__timeFilter, $__timeInterval ...) are left
to Grafana; variables go into SQL quoted by Grafana (`:sqlstring`).
"""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.cog import builder, variants
from grafana_foundation_sdk.models.dashboard import DataSourceRef
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

PROMETHEUS = DataSourceRef(type_val="prometheus", uid="monitor-prometheus")
CLICKHOUSE = DataSourceRef(type_val="grafana-clickhouse-datasource", uid="monitor-clickhouse")

SERIES, TABLE = "timeseries", "table"
_FORMATS = {SERIES: 0, TABLE: 1}

RUN = "run_id = ${run:sqlstring}"
"""Rows of live traffic (the variable is empty), or of one replay."""


class ClickHouseQuery(variants.Dataquery):
    """One SQL query in the form of the plugin's version 4."""

    def __init__(self, sql: str, form: str, ref: str) -> None:
        self._sql, self._form, self._ref = sql, form, ref

    def to_json(self) -> dict[str, Any]:
        """What the plugin reads."""
        return {
            "datasource": CLICKHOUSE,
            "editorType": "sql",
            "format": _FORMATS[self._form],
            "pluginVersion": "4.0.0",
            "queryType": self._form,
            "rawSql": self._sql,
            "refId": self._ref,
        }


class _Sql(builder.Builder[variants.Dataquery]):
    def __init__(self, text: str, form: str, ref: str) -> None:
        self._built = ClickHouseQuery(text, form, ref)

    def build(self) -> variants.Dataquery:
        return self._built


Query = builder.Builder[variants.Dataquery]


def sql(text: str, form: str = TABLE, ref: str = "A") -> Query:
    """A SELECT; as a time series it gives `time`, numbers, and at most one column of words that names the series."""
    return _Sql("\n".join(line.strip() for line in text.strip().splitlines()), form, ref)


def prom(expression: str, legend: str = "", *, ref: str = "A", instant: bool = False, heatmap: bool = False) -> Query:
    """A PromQL expression over the panel's time, or at its end when `instant`."""
    query = prometheus.Dataquery().expr(" ".join(expression.split())).legend_format(legend or "__auto").ref_id(ref)
    query = query.datasource(PROMETHEUS).format(PromQueryFormat.HEATMAP if heatmap else PromQueryFormat.TIME_SERIES)
    return query.instant() if instant else query.range()

"""Adds up flow records as they pass: flows and bytes of each service and of the busiest hosts.

Bounded: beyond HOSTS hosts the least busy are forgotten, so that a flood of addresses costs no memory. Printing is in
`terminal.py`.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

HOSTS = 65_536
"""Hosts kept between batches."""

_HOSTS = pa.schema(
    [("host", pa.binary(16)), ("flows", pa.int64()), ("sent", pa.uint64()), ("received", pa.uint64())],
)
_SERVICES = pa.schema([("service", pa.string()), ("flows", pa.int64()), ("bytes", pa.uint64())])


class Summary:
    """Totals of all batches given to `add`."""

    def __init__(self) -> None:
        self._hosts = _HOSTS.empty_table()
        self._services = _SERVICES.empty_table()

    def add(self, batch: pa.RecordBatch) -> None:
        """Add a batch of flow records."""
        ones = pa.repeat(pa.scalar(1, pa.int64()), batch.num_rows)
        sent, received = batch.column("src_bytes"), batch.column("dst_bytes")
        both = pc.add(sent, received)
        services = pa.table([batch.column("service").cast(pa.string()), ones, both], schema=_SERVICES)
        self._services = _totals(pa.concat_tables([self._services, _totals(services, _SERVICES)]), _SERVICES)
        initiators = pa.table([batch.column("src_ip"), ones, sent, received], schema=_HOSTS)
        responders = pa.table([batch.column("dst_ip"), ones, received, sent], schema=_HOSTS)
        self._hosts = _totals(pa.concat_tables([self._hosts, initiators, responders]), _HOSTS)
        if self._hosts.num_rows > 2 * HOSTS:
            self._hosts = self._busiest(HOSTS)

    def services(self, count: int) -> list[dict[str, Any]]:
        """The services with most flows: `service`, `flows`, `bytes`."""
        order = [("flows", "descending"), ("service", "ascending")]
        rows: list[dict[str, Any]] = self._services.sort_by(order).slice(0, count).to_pylist()
        return rows

    def hosts(self, count: int) -> list[dict[str, Any]]:
        """The hosts with most bytes: `host` (text), `flows`, `sent`, `received` (bytes)."""
        from monitor.report.address_text import address_text

        busiest = self._busiest(count).combine_chunks()
        rows: list[dict[str, Any]] = busiest.to_pylist()
        if rows:
            for row, text in zip(rows, address_text(busiest.column("host").chunk(0)).to_pylist(), strict=True):
                row["host"] = text
        return rows

    def _busiest(self, count: int) -> pa.Table:
        both = pc.add(self._hosts.column("sent"), self._hosts.column("received"))
        order = [("both", "descending"), ("host", "ascending")]
        return self._hosts.append_column("both", both).sort_by(order).slice(0, count).drop_columns(["both"])


def _totals(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """One row for each value of the first column, the others summed."""
    first, *others = schema.names
    grouped = table.group_by(first, use_threads=False).aggregate([(name, "sum") for name in others])
    return grouped.select([first, *(f"{name}_sum" for name in others)]).rename_columns(schema.names).cast(schema)

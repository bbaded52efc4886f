"""Bytes on disk of a flow, a column, once parts are merged and recompressed: of the flows of real captures.

    python -m benchmarks.footprint [--flows FILE.arrow] [--most 20]

Without a file the benign captures in ../shared/data are metered first. Merged means OPTIMIZE FINAL, which brings the
parts to the state that they reach by themselves when they are an hour old.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.table import Row, against
from monitor.flows.schema import arrow_schema
from monitor.store import column_sizes, open_store, table_sizes

BENIGN = Path(__file__).parents[2] / "shared" / "data" / "benign"


def measure(flows: Path) -> tuple[float, float, list[dict[str, Any]]]:
    """Bytes a flow as inserted and once merged, and of each column."""
    with pa.ipc.open_file(flows) as file, open_store("none") as store:
        store.begin_run("footprint")
        for number in range(file.num_record_batches):
            store.insert_flows(as_records(file.get_batch(number)))
        store.publish_flows()
        fresh = _whole(store)
        client = store._client()
        client.command("ALTER TABLE flows MODIFY SETTING min_bytes_for_wide_part = 0")  # a file a column, to see each
        client.command("OPTIMIZE TABLE flows FINAL")
        return fresh, _whole(store), column_sizes(store)


def as_records(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch of a file of flows, whose addresses are text, with the schema of records between stages."""
    columns = {}
    for field in arrow_schema():
        column = batch.column(field.name)
        if field.type == pa.binary(16) and column.type != field.type:
            texts = column.dictionary_encode()
            packed = [ip_address(text) for text in texts.dictionary.to_pylist()]
            raw = [one.packed if one.version == 6 else bytes(10) + b"\xff\xff" + one.packed for one in packed]
            column = pa.array(raw, field.type).take(texts.indices)
        columns[field.name] = column.cast(field.type)
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=arrow_schema())


def _whole(store: Any) -> float:
    (size,) = [row["bytes_a_row"] for row in table_sizes(store) if row["table"] == "flows"]
    return float(size)


def metered(output: Path) -> Path:
    """Flow records of the benign captures."""
    command = [sys.executable, "-m", "monitor", "flows", str(BENIGN), "-o", str(output)]
    subprocess.run(command, check=False, stderr=subprocess.DEVNULL)
    return output


def rows() -> list[Row]:
    """The figure of the issue's table."""
    with tempfile.TemporaryDirectory() as folder:
        fresh, merged, columns = measure(metered(Path(folder) / "benign.arrow"))
    most = ", ".join(f"{row['column']} {row['bytes_a_flow']:.1f}" for row in columns[:6])
    return [
        against("bytes on disk a flow, benign captures, merged", merged, 60, "bytes", most=True,
                command="python -m benchmarks.footprint", detail=f"{fresh:.0f} as inserted; {most}")
    ]  # fmt: skip


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--flows", type=Path, help="Arrow file of `monitor flows`")
    parser.add_argument("--most", type=int, default=20, help="columns to show")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fresh, merged, columns = measure(given.flows or metered(Path(folder) / "benign.arrow"))
    print(f"{'as inserted (LZ4)':24} {fresh:8.2f}\n{'merged (ZSTD)':24} {merged:8.2f}")
    for row in columns[: given.most]:
        print(f"{row['column']:24} {row['bytes_a_flow']:8.2f}")


if __name__ == "__main__":
    main()

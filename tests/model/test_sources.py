"""Flow files of all four formats teach what the flows themselves teach; what is no flow file says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from synthetic_flows import ordinary

from monitor.model import Source, flow_file, flow_format
from monitor.model.gathering import gather
from monitor.report import FlowFile

SUFFIXES = ("jsonl", "csv", "parquet", "arrow")


def write(path: Path, batch: pa.RecordBatch) -> Path:
    with FlowFile(str(path), path.suffix[1:]) as file:
        for start in range(0, batch.num_rows, 400):
            file.write(batch.slice(start, 400))
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_teaches_what_its_flows_teach(tmp_path: Path, suffix: str) -> None:
    batch = ordinary(1_000, seed=1)
    path = write(tmp_path / f"day.{suffix}", batch)
    read = gather([Source("day", flow_file(path).batches)], host_cap=1_000, training_share=0.4)
    direct = gather([Source("day", [batch])], host_cap=1_000, training_share=0.4)
    np.testing.assert_allclose(read.values, direct.values, rtol=1e-6)
    for name in ("starts", "services", "ties", "role"):
        np.testing.assert_array_equal(getattr(read, name), getattr(direct, name), err_msg=name)
    assert len(np.unique(read.groups)) == len(np.unique(direct.groups))
    assert read.totals == direct.totals


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_format_is_known_by_content(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"day.{suffix}", ordinary(10, seed=1))
    plain = path.rename(tmp_path / "flows")
    assert flow_format(plain) == suffix
    assert sum(batch.num_rows for batch in flow_file(plain).batches) == 10
    assert flow_file(plain).session == "flows"


def test_only_the_columns_that_are_needed_must_be_there(tmp_path: Path) -> None:
    table = pa.Table.from_batches([ordinary(50, seed=1)]).drop_columns(
        ["flow_id", "src_ip", "part", "dst_ip", "sensor"]
    )
    pq.write_table(table, tmp_path / "few.parquet")
    assert sum(batch.num_rows for batch in flow_file(tmp_path / "few.parquet").batches) == 50


def test_a_missing_column_is_named_with_the_file(tmp_path: Path) -> None:
    table = pa.Table.from_batches([ordinary(5, seed=1)]).drop_columns(["src_payload", "state"])
    pq.write_table(table, tmp_path / "poor.parquet")
    with pytest.raises(ValueError, match=r"poor\.parquet.*src_payload, state"):
        list(flow_file(tmp_path / "poor.parquet").batches)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_truncated_file_is_an_error_with_its_name(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"day.{suffix}", ordinary(500, seed=1))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=rf"day\.{suffix}"):
        list(flow_file(path).batches)


def test_lists_that_point_beyond_their_values_are_refused(tmp_path: Path) -> None:
    """An Arrow file is mapped as it is: the kernel must not follow its offsets out of the file."""
    batch = ordinary(20, seed=1)
    offsets = batch.column("splt_len").offsets.to_numpy()
    with pa.OSFile(str(tmp_path / "bad.arrow"), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    content = (tmp_path / "bad.arrow").read_bytes()
    assert offsets.tobytes() in content
    (tmp_path / "bad.arrow").write_bytes(content.replace(offsets.tobytes(), (offsets * 1_000_000).tobytes()))
    with pytest.raises(ValueError, match=r"bad\.arrow: damaged"):
        list(flow_file(tmp_path / "bad.arrow").batches)


@pytest.mark.parametrize("content", [b"", b"hello\n", b"\xd4\xc3\xb2\xa1" + bytes(40), b"a,b,c\n1,2,3\n"])
def test_what_is_no_flow_file_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)
    assert flow_format(tmp_path / "other") is None
    with pytest.raises(ValueError, match="not a file of flow records"):
        list(flow_file(tmp_path / "other").batches)


def test_text_files_may_leave_numbers_empty(tmp_path: Path) -> None:
    batch = ordinary(20, seed=1)
    at = batch.schema.get_field_index("src_entropy")
    nan = pa.array(np.full(20, np.nan, np.float32))
    path = write(tmp_path / "day.jsonl", batch.set_column(at, batch.schema.field(at), nan))
    found = next(iter(flow_file(path).batches))
    assert pc.sum(found.column("src_entropy")).as_py() == 0

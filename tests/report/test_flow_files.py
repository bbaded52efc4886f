"""Files of flow records: every format says the same, hostile strings do no harm, a failed write leaves nothing."""

from __future__ import annotations

import csv
import io
import ipaddress
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import flow_builder
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.flows.schema import COLUMNS, NAMES
from monitor.report import FlowFile, flow_format
from monitor.report.address_text import address_text
from monitor.report.flow_files import ROWS

HOSTILE = [
    '"quoted", and comma',
    "=cmd|' /C calc'!A0",
    "\x1b]0;owned\x07",
    "line\nbreak",
    "back\\slash",
    "\u202egnp.exe",
    "役所",
]


def hostile_flows() -> pa.RecordBatch:
    rows = [
        {"start": float(at), "server_name": text, "user_agent": text, "alpn": text, "dns_answers": [text, "1.2.3.4"]}
        for at, text in enumerate(HOSTILE)
    ]
    plain: dict[str, Any] = {"start": 99.25, "src_ip": "2001:db8::1", "dst_ip": "fe80::", "splt_len": [60, -52]}
    return flow_builder.flows(*rows, {**plain, "splt_iat": [0, 250]})


def write(path: Path, format: str, *batches: pa.RecordBatch) -> Path:
    with FlowFile(str(path), flow_format(str(path), format)) as file:
        for batch in batches:
            file.write(batch)
    return path


def test_json_lines_hold_every_column_and_read_back(tmp_path: Path) -> None:
    batch = hostile_flows()
    rows = [json.loads(line) for line in write(tmp_path / "f", "jsonl", batch).read_text("ascii").splitlines()]
    assert [list(row) for row in rows] == [list(NAMES)] * batch.num_rows
    assert [row["server_name"] for row in rows[:-1]] == HOSTILE
    assert [row["dns_answers"][0] for row in rows[:-1]] == HOSTILE
    assert [row["alpn"] for row in rows[:-1]] == HOSTILE
    last = rows[-1]
    assert (last["src_ip"], last["dst_ip"]) == ("2001:db8::1", "fe80::")
    assert last["start"] == "2026-01-01T00:01:39.250000Z"
    assert (last["splt_len"], last["splt_iat"]) == ([60, -52], [0, 250])
    assert last["service_on_odd_port"] is False


def test_csv_cells_run_nothing_and_stay_on_their_line(tmp_path: Path) -> None:
    text = write(tmp_path / "f", "csv", hostile_flows()).read_text("utf-8")
    assert text.count("\n") == 1 + len(HOSTILE) + 1
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["server_name"] for row in rows[:-1]] == [
        '"quoted", and comma',
        "'=cmd|' /C calc'!A0",
        "\\x1b]0;owned\\x07",
        "line\\x0abreak",
        "back\\slash",
        "\\u202egnp.exe",
        "役所",
    ]
    assert rows[-1]["splt_len"] == "[60,-52]"
    assert json.loads(rows[0]["dns_answers"]) == [HOSTILE[0], "1.2.3.4"]


@pytest.mark.parametrize("format", ["arrow", "parquet"])
def test_columnar_files_read_back(tmp_path: Path, format: str) -> None:
    batch = hostile_flows()
    path = write(tmp_path / "f", format, batch)
    table = pq.read_table(path) if format == "parquet" else pa.ipc.open_file(path).read_all()
    assert table.column_names == list(NAMES)
    assert table["start"].type == pa.timestamp("us", tz="UTC")
    assert table["start"][0].as_py() == datetime(2026, 1, 1, tzinfo=UTC)
    assert table["src_ip"].to_pylist()[-1] == "2001:db8::1"
    assert table["server_name"].to_pylist()[:-1] == HOSTILE
    for entry in COLUMNS:
        if entry.kind not in ("ip", "word"):
            assert table[entry.name].to_pylist() == batch.column(entry.name).to_pylist(), entry.name


def test_words_that_appear_later_join_the_dictionary(tmp_path: Path) -> None:
    first = flow_builder.flows({"service": "tls"}, {"service": "dns"})
    second = flow_builder.flows({"service": "ssh"}, {"service": "tls"})
    filling = [flow_builder.flows(*[{"service": "dns"}] * 512)] * (ROWS // 512)
    many = [first, *filling, second]
    path = write(tmp_path / "f", "arrow", *many)
    with pa.ipc.open_file(path) as reader:
        assert reader.num_record_batches == 2
        services = reader.read_all()["service"].to_pylist()
    assert services[:2] == ["tls", "dns"]
    assert services[-2:] == ["ssh", "tls"]


@pytest.mark.parametrize("format", ["jsonl", "csv", "arrow", "parquet"])
def test_the_size_of_batches_does_not_show(tmp_path: Path, format: str) -> None:
    batch = hostile_flows()
    whole = write(tmp_path / "whole", format, batch).read_bytes()
    pieces = [batch.slice(at, 3) for at in range(0, batch.num_rows, 3)]
    assert write(tmp_path / "pieces", format, *pieces).read_bytes() == whole


def not_utf8(raw: bytes, rows: int) -> pa.Array:
    ends = np.arange(rows + 1, dtype=np.int32) * len(raw)
    return pa.StringArray.from_buffers(rows, pa.py_buffer(ends), pa.py_buffer(raw * rows))


@pytest.mark.parametrize("format", ["jsonl", "csv", "arrow", "parquet"])
def test_what_is_not_utf8_is_escaped(tmp_path: Path, format: str) -> None:
    batch = flow_builder.flows({}, {})
    names = batch.schema.names
    words = pa.DictionaryArray.from_arrays(pa.array([0, 0], pa.int32()), not_utf8(b"h2\xff", 1))
    listed = pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), not_utf8(b"\xfe", 2))
    batch = batch.set_column(names.index("server_name"), batch.schema.field("server_name"), not_utf8(b"a\xff.b", 2))
    batch = batch.set_column(names.index("alpn"), batch.schema.field("alpn"), words)
    batch = batch.set_column(names.index("dns_answers"), batch.schema.field("dns_answers"), listed)
    path = write(tmp_path / "f", format, batch)
    row: dict[str, Any]
    if format == "jsonl":
        row = json.loads(path.read_text("utf-8").splitlines()[0])
    elif format == "csv":
        row = next(csv.DictReader(path.open(encoding="utf-8")))
        row["dns_answers"] = json.loads(row["dns_answers"])
    else:
        table = pq.read_table(path) if format == "parquet" else pa.ipc.open_file(path).read_all()
        table.validate(full=True)
        row = table.to_pylist()[0]
    assert (row["server_name"], row["alpn"], row["dns_answers"]) == ("a\\xff.b", "h2\\xff", ["\\xfe"])


def test_what_is_no_number_is_null(tmp_path: Path) -> None:
    batch = flow_builder.flows({"rtt": float("nan"), "score": float("inf")}, {"rtt": 0.5})
    rows = [json.loads(line) for line in write(tmp_path / "f", "jsonl", batch).read_text().splitlines()]
    assert [(row["rtt"], row["score"]) for row in rows] == [(None, None), (0.5, 0)]
    cells = list(csv.DictReader(write(tmp_path / "c", "csv", batch).open()))
    assert [(cell["rtt"], cell["score"]) for cell in cells] == [("", ""), ("0.5", "0")]


@pytest.mark.parametrize("format", ["jsonl", "csv", "arrow", "parquet"])
def test_no_flows_make_a_valid_file(tmp_path: Path, format: str) -> None:
    path = write(tmp_path / "f", format)
    if format == "jsonl":
        assert path.read_bytes() == b""
    elif format == "csv":
        assert path.read_text().strip() == ",".join(NAMES)
    else:
        table = pq.read_table(path) if format == "parquet" else pa.ipc.open_file(path).read_all()
        assert (table.num_rows, table.column_names) == (0, list(NAMES))


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "flows.jsonl"
    path.write_text("before")
    with pytest.raises(AttributeError), FlowFile(str(path), "jsonl") as file:
        file.write(None)
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["flows.jsonl"]


def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        write(Path("/dev/full"), "arrow", *[hostile_flows()] * 1000)
    assert Path("/dev/full").is_char_device()


def test_the_extension_tells_the_format() -> None:
    named = {name: flow_format(name, None) for name in ("a.arrow", "b.PARQUET", "c.csv", "d.jsonl", "-")}
    assert list(named.values()) == ["arrow", "parquet", "csv", "jsonl", "jsonl"]
    assert flow_format("a.arrow", "csv") == "csv"
    with pytest.raises(ValueError, match="--format"):
        flow_format("flows.bin", None)


@pytest.mark.parametrize("format", ["arrow", "parquet"])
def test_bytes_behind_a_column_are_not_written(tmp_path: Path, format: str) -> None:
    """Kernels hand over arrays with room to spare; what lies there may be a packet."""
    batch = flow_builder.flows({}, {})
    names = batch.schema.names
    spare = pa.py_buffer(b"S" + b"F" + b"payload of somebody" * 100)
    ends = pa.py_buffer(np.array([0, 1, 2], np.int32))
    history = pa.StringArray.from_buffers(2, ends, spare)
    listed = pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), history)
    for name, column in (("history", history), ("dns_answers", listed)):
        batch = batch.set_column(names.index(name), batch.schema.field(name), column)
    written = write(tmp_path / "f", format, batch).read_bytes()
    assert b"somebody" not in written


def texts(*packed: bytes) -> list[str]:
    result: list[str] = address_text(pa.array(packed, pa.binary(16))).to_pylist()
    return result


@given(st.lists(st.tuples(*[st.sampled_from([0, 0, 0, 1, 0x10, 0xFFFF, 0xABCD])] * 8), max_size=20))
def test_ipv6_is_written_as_rfc_5952_says(groups: list[tuple[int, ...]]) -> None:
    packed = [b"".join(group.to_bytes(2, "big") for group in address) for address in groups]
    expected = [ipaddress.IPv6Address(address) for address in packed]
    assert texts(*packed) == [str(address.ipv4_mapped or address) for address in expected]


@given(st.lists(st.ip_addresses(v=4), max_size=20))
def test_mapped_ipv4_is_written_dotted(addresses: list[ipaddress.IPv4Address]) -> None:
    packed = [b"\0" * 10 + b"\xff\xff" + address.packed for address in addresses]
    assert texts(*packed) == [str(address) for address in addresses]


def test_a_slice_of_addresses_is_read_at_its_place() -> None:
    column = pa.array([bytes(15) + bytes([n]) for n in range(5)], pa.binary(16))
    assert address_text(column.slice(2, 2)).to_pylist() == ["::2", "::3"]


def test_kernels_stay_within_bounds() -> None:
    """The tests above in a process whose kernels check every access: one outside would be an IndexError."""
    if os.environ.get("NUMBA_BOUNDSCHECK") == "1":
        pytest.skip("already runs with checked kernels")
    chosen = "rfc_5952 or dotted or slice or hostile or json or csv"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, __file__],
        env=os.environ | {"NUMBA_BOUNDSCHECK": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "passed" in done.stdout

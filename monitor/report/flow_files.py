"""Flow records to a file or stdout: JSON lines, CSV, Parquet, Arrow IPC; written aside, then renamed into place.

In files addresses are text and times are UTC. Says nothing about which flows, and never holds more than a batch.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol

import numpy as np
import pyarrow as pa

from monitor.flows.schema import COLUMNS
from monitor.lean import arrow_function
from monitor.report.address_text import address_text
from monitor.report.escape import as_text
from monitor.report.flow_formats import FlowFormat

ROWS = 65_536
"""Rows of a record batch or row group in a file, however many each hand-over had."""

_REPEATING = [entry.name for entry in COLUMNS if entry.kind in ("word", "text", "ip", "u8")]
"""Columns for which Parquet tries a dictionary."""


class _Sink(Protocol):
    """A format's writer."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Write a batch of the stages' schema."""

    def close(self) -> None:
        """Write what the format ends with."""


class FlowFile:
    """A file of flow records, as a context manager: complete on leaving it, gone when an error leaves it.

    `path` `-` is stdout; Arrow is then the IPC stream format, else the IPC file format with LZ4. Raises OSError.
    """

    def __init__(self, path: str, format: FlowFormat) -> None:
        self.path = path
        self.rows = 0
        aside = path != "-" and not (os.path.exists(path) and not os.path.isfile(path))
        self._aside = Path(path).with_name(f".{Path(path).name}.{os.getpid()}.part") if aside else None
        to_file = open(self._aside or path, "wb", buffering=1 << 20) if path != "-" else None  # noqa: SIM115
        self._stream: IO[bytes] = to_file or sys.stdout.buffer
        self._sink = _sink(format, self._stream, to_pipe=path == "-")

    def __enter__(self) -> FlowFile:
        return self

    def write(self, batch: pa.RecordBatch) -> None:
        """Write a batch of flow records."""
        self._sink.write(batch)
        self.rows += batch.num_rows

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._sink.close()
                self._stream.flush()
                if self._aside is not None:
                    self._stream.close()
                    self._aside.replace(self.path)
        finally:
            if self.path != "-":
                self._stream.close()
            if self._aside is not None:
                self._aside.unlink(missing_ok=True)


def _sink(format: FlowFormat, stream: IO[bytes], *, to_pipe: bool) -> _Sink:
    if format in ("jsonl", "csv"):
        return _TextSink(stream, format)
    return _ColumnSink(stream, format, to_pipe)


class _TextSink:
    """JSON lines or CSV."""

    def __init__(self, stream: IO[bytes], format: FlowFormat) -> None:
        from monitor.report import flow_text

        self._stream = stream
        self._rows = flow_text.TEXT_ROWS
        self._lines = flow_text.json_lines if format == "jsonl" else flow_text.csv_lines
        if format == "csv":
            stream.write(flow_text.csv_header())

    def write(self, batch: pa.RecordBatch) -> None:
        for start in range(0, batch.num_rows, self._rows):
            self._stream.write(self._lines(batch.slice(start, self._rows)))

    def close(self) -> None:
        pass


class _ColumnSink:
    """Parquet or Arrow IPC: batches of exactly ROWS rows, words in one dictionary that only grows."""

    def __init__(self, stream: IO[bytes], format: FlowFormat, to_pipe: bool) -> None:
        self._words = {entry.name: _GrowingDictionary() for entry in COLUMNS if entry.kind == "word"}
        self._pending: list[list[Any]] = []
        self._rows = 0
        schema = file_schema()
        if format == "parquet":
            import pyarrow.parquet as pq

            self._writer: Any = pq.ParquetWriter(
                stream, schema, compression="zstd", compression_level=1, use_dictionary=_REPEATING
            )
        else:
            # A fifth of the bytes for the same processor time: the disk, not we, set the pace of a plain file.
            options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True, compression=None if to_pipe else "lz4")
            make = pa.ipc.new_stream if to_pipe else pa.ipc.new_file
            self._writer = make(stream, schema, options=options)

    def write(self, batch: pa.RecordBatch) -> None:
        start = 0
        while start < batch.num_rows:
            piece = batch.slice(start, ROWS - self._rows)
            self._pending.append(
                [
                    self._column(entry.kind, entry.name, column)
                    for entry, column in zip(COLUMNS, piece.columns, strict=True)
                ]
            )
            self._rows += piece.num_rows
            start += piece.num_rows
            if self._rows == ROWS:
                self._emit()

    def close(self) -> None:
        if self._rows:
            self._emit()
        self._writer.close()

    def _column(self, kind: str, name: str, column: Any) -> Any:
        if kind == "ip":
            return address_text(column)
        if kind == "word":
            return self._words[name].indices(column)
        return valid_text(column) if kind in ("text", "words") else column

    def _emit(self) -> None:
        columns = []
        for position, entry in enumerate(COLUMNS):
            parts = [row[position] for row in self._pending]
            exact = entry.kind in ("text", "words")  # a copy even of one part: what lies behind its bytes stays here
            column = parts[0] if len(parts) == 1 and not exact else pa.concat_arrays(parts)
            columns.append(self._words[entry.name].encoded(column) if entry.kind == "word" else column)
        self._writer.write_batch(pa.record_batch(columns, schema=file_schema()))
        self._pending, self._rows = [], 0


class _GrowingDictionary:
    """Distinct words of a column so far, in order of appearance: Arrow files let a dictionary grow but not change."""

    def __init__(self) -> None:
        self._position: dict[str, int] = {}
        self._last: Any = None
        self._words: list[str] = []
        self._mapping = np.empty(0, np.int32)

    def indices(self, column: Any) -> Any:
        """Dictionary-encoded column -> indices into this dictionary."""
        if self._last is None or not column.dictionary.equals(self._last):
            self._last = column.dictionary
            self._words = valid_text(self._last).to_pylist()
            self._mapping = np.array([self._position.get(word, -1) for word in self._words], np.int32)
        for place in arrow_function("unique", column.indices).to_pylist():
            if self._mapping[place] < 0:
                self._mapping[place] = self._position.setdefault(self._words[place], len(self._position))
        return pa.Array.from_buffers(
            pa.int32(), len(column), [None, pa.py_buffer(self._mapping[column.indices.to_numpy()])]
        )

    def encoded(self, indices: Any) -> Any:
        """Indices -> dictionary-encoded column."""
        return pa.DictionaryArray.from_arrays(indices, pa.array(list(self._position), pa.string()))


def valid_text(column: Any) -> Any:
    """Strings or lists of strings with what is not UTF-8 escaped: readers reject a file that says it is and is not."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        if pa.types.is_list(column.type):
            import pyarrow.compute as pc

            offsets = pc.subtract(column.offsets, column.offsets[0])
            return pa.ListArray.from_arrays(offsets, valid_text(column.flatten()))
        return pa.array([as_text(value) for value in column.view(pa.binary()).to_pylist()], pa.string())
    return column


def file_schema() -> pa.Schema:
    """Arrow schema of files: as between stages, with addresses as text; unit and meaning as metadata."""
    return pa.schema(
        [
            pa.field(
                entry.name,
                pa.string() if entry.kind == "ip" else entry.arrow,
                nullable=False,
                metadata={"unit": entry.unit, "meaning": entry.meaning},
            )
            for entry in COLUMNS
        ]
    )

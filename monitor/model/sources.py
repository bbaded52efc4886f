"""Where training gets its flows: named sources of record batches, and readers of the files that `monitor flows` writes.

Captures become batches through the flow meter, which the pipeline joins to this; what is learnt is up to `training`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.flows.schema import column as schema_column
from monitor.model.extraction import COLUMNS_READ

if TYPE_CHECKING:
    import pyarrow as pa

_NEEDED = (*COLUMNS_READ, "start", "service")
_WELCOME = ("flow_id", "part", "src_ip")
COLUMNS_TRAINED = (*_NEEDED, *_WELCOME)
"""Columns that training reads of a flow record."""
_BLOCK = 4 << 20
"""Bytes of text parsed at a time."""


@dataclass(frozen=True, slots=True)
class Source:
    """Flows of one session: one capture, or one stretch of a network's traffic."""

    session: str
    """Name that tells the session from others; a file's name, not where the file lies."""
    batches: Iterable[pa.RecordBatch]
    weight: float = 1.0
    """Below 1 for traffic that no people make: so much less of it is learnt from, and counts in rates."""


def flow_format(path: Path) -> str | None:
    """`parquet`, `arrow`, `arrow stream`, `jsonl` or `csv` when `path` is a file of flow records, by its first bytes;
    else None. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(256)
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"ARROW1"):
        return "arrow"
    if head.startswith(b"\xff\xff\xff\xff") and b"schema" not in head[:4]:
        return "arrow stream"
    if head.startswith(b'{"'):
        return "jsonl"
    names = head.split(b"\n")[0].split(b",")
    return "csv" if b"start" in names or b"flow_id" in names or names[0] == b"sensor" else None


def flow_file(path: str | Path) -> Source:
    """The flows of one file (JSON lines, CSV, Parquet, Arrow), read as they are asked for; the session is its name.

    Needs the columns that the features are made of, `start` and `service`; takes `flow_id`, `part`, `src_ip` when they
    are there. Raises ValueError (while reading) naming the file and what is missing or damaged, OSError.
    """
    file = Path(path)
    return Source(file.name, _read(file))


def _read(path: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    form = flow_format(path)
    if form is None:
        raise ValueError(f"{path}: not a file of flow records (JSON lines, CSV, Parquet or Arrow of `monitor flows`)")
    try:
        for batch in _OPENERS[form](path):
            batch.validate(full=True)  # kernels follow the offsets of its lists
            yield _conform(path, batch)
    except pa.ArrowException as error:
        raise ValueError(f"{path}: damaged {form} file: {str(error).splitlines()[0]}") from error


def _parquet(path: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        wanted = [name for name in COLUMNS_TRAINED if name in file.schema_arrow.names]
        yield from file.iter_batches(columns=wanted)


def _arrow(path: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    with pa.memory_map(str(path)) as mapped, pa.ipc.open_file(mapped) as reader:
        for at in range(reader.num_record_batches):
            yield reader.get_batch(at)


def _arrow_stream(path: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    with pa.memory_map(str(path)) as mapped, pa.ipc.open_stream(mapped) as reader:
        yield from reader


def _jsonl(path: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.json

    kinds = pa.schema([pa.field(name, _text_type(name)) for name in COLUMNS_TRAINED])
    options = pa.json.ParseOptions(explicit_schema=kinds, unexpected_field_behavior="ignore")
    reading = pa.json.ReadOptions(block_size=_BLOCK)
    with path.open("rb") as file, pa.json.open_json(file, reading, options) as reader:
        yield from reader


def _csv(path: Path) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.csv

    with path.open("rb") as file:
        header = file.readline(1 << 16).decode("utf-8", "replace").strip().split(",")
    wanted = [name for name in COLUMNS_TRAINED if name in header]
    lists = {name: pa.string() for name in wanted if pa.types.is_list(schema_column(name).arrow)}
    kinds = {name: lists.get(name, _text_type(name)) for name in wanted}
    convert = pa.csv.ConvertOptions(column_types=kinds, include_columns=wanted)
    with pa.csv.open_csv(path, pa.csv.ReadOptions(block_size=_BLOCK), convert_options=convert) as reader:
        yield from reader


_OPENERS = {"parquet": _parquet, "arrow": _arrow, "arrow stream": _arrow_stream, "jsonl": _jsonl, "csv": _csv}


def _text_type(name: str) -> pa.DataType:
    """Type of a column in a text file: addresses, words and times are strings there."""
    import pyarrow as pa

    kind = schema_column(name)
    return pa.string() if kind.kind in ("ip", "word", "time", "text") else kind.arrow


def _conform(path: Path, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Only the columns of training, in the types between stages; addresses stay text."""
    import pyarrow as pa

    missing = [name for name in _NEEDED if batch.schema.get_field_index(name) < 0]
    if missing:
        raise ValueError(
            f"{path}: flow records without {', '.join(missing)}; write them again with `monitor flows`, all columns"
        )
    names = [name for name in COLUMNS_TRAINED if batch.schema.get_field_index(name) >= 0]
    return pa.RecordBatch.from_arrays([_cast(name, batch.column(name)) for name in names], names=names)


def _cast(name: str, column: Any) -> Any:
    """A column in the type between stages; what is null becomes 0, empty or false."""
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = schema_column(name).arrow
    if name == "src_ip":
        return column
    if pa.types.is_list(wanted):
        if pa.types.is_string(column.type):
            column = _json_lists(column)
        return pc.cast(pc.if_else(pc.is_valid(column), column, pa.scalar([], column.type)), wanted)
    if pa.types.is_dictionary(wanted):
        return column if pa.types.is_dictionary(column.type) else column.fill_null("").dictionary_encode()
    column = pc.cast(column, wanted)
    if column.null_count == 0:
        return column
    if pa.types.is_timestamp(wanted):
        raise pa.ArrowInvalid(f"{name} is empty in {column.null_count} flows")
    return column.fill_null(pa.scalar(0).cast(wanted))


def _json_lists(column: Any) -> Any:
    """ "[1,-2]" as a list of strings; "[]" as the empty list."""
    import pyarrow as pa
    import pyarrow.compute as pc

    inner = pc.utf8_trim(column, "[] ")
    return pc.if_else(pc.equal(inner, ""), pa.scalar([], pa.list_(pa.string())), pc.split_pattern(inner, ","))

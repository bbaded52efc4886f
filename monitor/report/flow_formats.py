"""The formats of files of flow records, and how a file's name tells its own; writing them is up to `flow_files`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

FlowFormat = Literal["jsonl", "csv", "parquet", "arrow"]

_SUFFIXES: dict[str, FlowFormat] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}


def flow_format(path: str, wanted: str | None) -> FlowFormat:
    """The format asked for, else the one of the file's extension, else JSON lines for stdout. Raises ValueError."""
    known = get_args(FlowFormat)
    if wanted is not None:
        if wanted not in known:
            raise ValueError(f"unknown format {wanted!r}; known: {', '.join(known)}")
        return wanted  # type: ignore[return-value]
    if path == "-":
        return "jsonl"
    suffix = Path(path).suffix.lower()
    if suffix not in _SUFFIXES:
        raise ValueError(f"{path}: the extension does not tell the format; give --format {'|'.join(known)}")
    return _SUFFIXES[suffix]

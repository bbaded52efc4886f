"""Flow records of labelled captures as Arrow tables, kept on disk between evaluations.

Metering is up to `flows`, reading to `reading`; what the flows are laid into is up to `scenario`.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from monitor.reading import Reading

if TYPE_CHECKING:
    import pyarrow as pa

    from monitor.config import Settings
    from monitor.report import Progress

_PACKAGE = Path(__file__).resolve().parent.parent


def flow_table(capture: Path, settings: Settings, progress: Progress, kept: Path | None = None) -> pa.Table:
    """All flow records of a capture. `kept`: folder in which they stay for the next time.

    Raises CaptureError, OSError.
    """
    import pyarrow as pa

    if kept is None:
        return _metered(capture, settings, progress)
    file = kept / f"{_key(capture, settings)}.arrow"
    if not file.exists():
        table = _metered(capture, settings, progress)
        kept.mkdir(parents=True, exist_ok=True)
        aside = file.with_suffix(".part")
        with pa.OSFile(str(aside), "wb") as sink, pa.ipc.new_file(sink, table.schema) as out:
            out.write_table(table)
        aside.replace(file)
    with pa.memory_map(str(file)) as mapped, pa.ipc.open_file(mapped) as reader:
        return reader.read_all()


def _metered(capture: Path, settings: Settings, progress: Progress) -> pa.Table:
    """Dictionaries are made one for the table, so that rows can be taken across batches."""
    import pyarrow as pa

    from monitor.flows.schema import arrow_schema

    batches = list(Reading([str(capture)], settings, progress).records())
    return pa.Table.from_batches(batches, arrow_schema()).unify_dictionaries().combine_chunks()


def _key(capture: Path, settings: Settings) -> str:
    """A name for what the flows depend on: the file as it is, the settings, and the code that meters."""
    state = capture.stat()
    facts = (capture.resolve(), state.st_size, state.st_mtime_ns, settings.flows, settings.home_networks, _code())
    return hashlib.blake2b(repr(facts).encode(), digest_size=12).hexdigest()


@cache
def _code() -> str:
    digest = hashlib.blake2b(digest_size=12)
    for stage in ("capture", "flows"):
        for file in sorted((_PACKAGE / stage).rglob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()

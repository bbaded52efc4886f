"""What a replay is called: a hash of its inputs, so that the same captures replayed again replace what they left.

How the rows of a run are replaced is in `store`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")
_SAMPLE = 64 << 10
_SAMPLES = 64


def check_run_id(run_id: str) -> str:
    """`run_id` itself. Raises ValueError when it is not 1-64 letters, digits, `_ . : -`, a letter or digit first."""
    if not _RUN_ID.fullmatch(run_id):
        raise ValueError(f"run id {run_id!r}: use 1-64 letters, digits, '_', '.', ':' or '-', a letter or digit first")
    return run_id


def default_run_id(files: Sequence[str | Path], settings: Mapping[str, object] | None = None) -> str:
    """16 hex digits from what the files hold (size and 64 samples of 64 KiB of each), in order, and from `settings`.

    Names and times of the files do not count. Without files (standard input) the id is random. Raises OSError.
    """
    if not files:
        return os.urandom(8).hex()
    digest = hashlib.blake2b(digest_size=8)
    digest.update(json.dumps(dict(settings or {}), sort_keys=True, default=str).encode())
    for file in files:
        _sample(Path(file), digest)
    return digest.hexdigest()


def _sample(file: Path, digest: hashlib.blake2b) -> None:
    """Feed the size and evenly spread samples, first and last bytes among them."""
    with file.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        digest.update(size.to_bytes(8, "big"))
        if size <= _SAMPLE * _SAMPLES:
            digest.update(stream.read())
            return
        for place in range(_SAMPLES):
            stream.seek((size - _SAMPLE) * place // (_SAMPLES - 1))
            digest.update(stream.read(_SAMPLE))

"""A model on disk: a JSON card and one `.npz` of flat arrays, checked on reading, never half-written.

What the arrays mean is up to `forest` and `calibration`; which version is in use, up to `registry`.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.model.features import FEATURE_NAMES, FEATURE_VERSION

CARD = "card.json"
FORMAT = 1
"""Layout of card and arrays."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
_MEND = "restore the folder from its source, or train a new one with `monitor train`"


class ModelError(ValueError):
    """A model cannot be used: which file, what is wrong with it, what to do."""


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """An `.npz` of the arrays: the same arrays give the same bytes. Objects (pickle) are refused with ValueError."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(arrays):
            entry = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            inner = io.BytesIO()
            np.lib.format.write_array(inner, np.ascontiguousarray(arrays[name]), allow_pickle=False)
            archive.writestr(entry, inner.getvalue())
    return out.getvalue()


def write(folder: Path, card: Mapping[str, Any], arrays: bytes) -> None:
    """Write arrays, then the card that names them by file and SHA-256; each aside first, then renamed.

    Until the card is renamed the folder holds the old model, whole. Raises OSError (disk full, no permission) with
    the old model untouched.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{card['model_version']}.npz"
    replace(folder / name, arrays)
    rewrite_card(folder, {**card, "arrays": {"file": name, "sha256": hashlib.sha256(arrays).hexdigest()}})
    for old in folder.glob("*.npz"):
        if old.name != name:
            old.unlink()


def rewrite_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Replace the card, which names the arrays that lie there. Raises OSError with the old card untouched."""
    replace(folder / CARD, (json.dumps(card, indent=2, ensure_ascii=False) + "\n").encode())


def read(folder: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Card and arrays of the model in `folder`.

    Raises ModelError when a file is missing, unreadable, damaged, or made for other features than this program's.
    """
    card = _read_card(folder / CARD)
    file = folder / _text(card, "arrays", "file", where=folder / CARD)
    if file.parent != folder:
        raise ModelError(f"{folder / CARD}: names arrays outside its folder; {_MEND}")
    content = _read(file)
    if hashlib.sha256(content).hexdigest() != _text(card, "arrays", "sha256", where=folder / CARD):
        raise ModelError(f"{file}: damaged or altered, its SHA-256 is not the one in {CARD}; {_MEND}")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return card, {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"{file}: not a readable .npz of plain arrays ({error}); {_MEND}") from error


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(_read(path))
    except ValueError as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{path}: damaged, not JSON ({error}); {_MEND}") from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        found = card.get("format") if isinstance(card, dict) else None
        raise ModelError(f"{path}: model format {found!r}, this program reads format {FORMAT}; train a new model")
    version, names = card.get("feature_version"), card.get("features")
    if version != FEATURE_VERSION or names != list(FEATURE_NAMES):
        raise ModelError(
            f"{path}: trained on features of version {version!r}, this program computes version {FEATURE_VERSION}; "
            "train a new model with `monitor train`, or use the program version that trained it"
        )
    return card


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror}); is this the folder of a model?") from error


def _text(card: Mapping[str, Any], *keys: str, where: Path) -> str:
    found: Any = card
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    if not isinstance(found, str):
        raise ModelError(f"{where}: {'.'.join(keys)} is missing or not text; {_MEND}")
    return found


def replace(path: Path, content: bytes) -> None:
    """Write aside, force to disk, rename; raises OSError with the old file untouched."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        aside.replace(path)
    except OSError:
        aside.unlink(missing_ok=True)
        raise

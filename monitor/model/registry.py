"""Which model is in use: a folder of versions with a file that names the current one.

    models/city/20261122-1a2b3c4d/card.json …    one folder a version
    models/city/current                          its name, one line; replaced in one step by promote and roll-back

A folder that holds a card is a model itself. Reading what is in a model's folder is up to `artefact`.
"""

from __future__ import annotations

from pathlib import Path

from monitor.model.artefact import CARD, ModelError

CURRENT = "current"
_PACKAGED = Path(__file__).resolve().parent.parent.parent / "models"


def resolve(path: str | Path) -> Path:
    """Folder of the model that `path` means: a model's folder, a registry's current version, or `default`.

    Raises ModelError when there is none.
    """
    folder = Path(path)
    if str(path) == "default" and not folder.exists():
        folder = _PACKAGED / "default"
    if (folder / CARD).is_file():
        return folder
    named = folder / CURRENT
    if named.is_file():
        version = named.read_text("utf-8").strip()
        if Path(version).name != version or not (folder / version / CARD).is_file():
            raise ModelError(f"{named}: names {version!r}, of which there is no model; promote one that exists")
        return folder / version
    raise ModelError(f"{folder}: no model here ({CARD} is missing); train one with `monitor train -o {folder}`")

"""Writes every dashboard's JSON into `dashboards/json/`, from where Grafana is provisioned.

python -m dashboards.build
"""

from __future__ import annotations

import json
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards import host, hunts, incident, incidents, model, overview, sensor, store

FOLDER = Path(__file__).parent / "json"
MODULES = (overview, incidents, incident, host, hunts, sensor, model, store)


def built() -> dict[str, str]:
    """JSON text of each dashboard by its uid."""
    boards = [module.build() for module in MODULES]
    return {
        board.uid: json.dumps(board, cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        for board in boards
    }


def main() -> None:
    """Write the files."""
    for uid, text in built().items():
        (FOLDER / f"{uid}.json").write_text(text, "utf-8")


if __name__ == "__main__":
    main()

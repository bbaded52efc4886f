"""Draws docs/replay.svg anew, how a replay of the sample looks on a terminal: `python tests/report/picture.py`.

The text is what the command prints; fonts are the reader's own, nothing is loaded from elsewhere.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = "tests/lab/town.pcapng.xz"
WIDTH, LINES = 100, 44


def picture(ansi: str, title: str) -> str:
    """SVG of the first lines of a terminal's output."""
    lines = ansi.splitlines()
    whole = max((number for number, line in enumerate(lines[:LINES]) if not line), default=LINES)
    shown = "\n".join([*lines[:whole], "", "…"] if len(lines) > LINES else lines)
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(shown))
    form = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    form = form.replace("Fira Code", "DejaVu Sans Mono").replace(
        "<!-- Generated with Rich https://www.textualize.io -->", ""
    )
    return re.sub(r"[ \t]+\n", "\n", console.export_svg(title=title, code_format=form))


def main() -> None:
    """Replay the sample and write the picture."""
    command = [sys.executable, "-m", "monitor", "replay", SAMPLE, "--store", "none"]
    wanted = {**os.environ, "COLUMNS": str(WIDTH), "FORCE_COLOR": "1", "LANG": "C.UTF-8"}
    done = subprocess.run(command, cwd=ROOT, env=wanted, capture_output=True, text=True, check=True)
    (ROOT / "docs" / "replay.svg").write_text(picture(done.stdout, f"monitor replay {SAMPLE}"), "utf-8")


if __name__ == "__main__":
    main()

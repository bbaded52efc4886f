"""The statements of an SQL file, one by one."""

from __future__ import annotations

import re
from pathlib import Path


def statements(file: Path) -> list[str]:
    """Without comments; a semicolon ends each at the end of a line."""
    text = re.sub(r"^--.*\n", "", file.read_text(), flags=re.MULTILINE)
    return [statement.strip() for statement in re.split(r";\n", text) if statement.strip()]

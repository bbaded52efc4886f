"""Draws memory and processor time of a soak as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.live_watch import Sample

WIDTH, HEIGHT, LEFT, TOP = 720, 180, 60, 30


def draw(path: Path, samples: Sequence[Sample], title: str) -> None:
    """Two curves over minutes: MB of all processes, and processors in use."""
    minutes = [one.at / 60 for one in samples]
    used = [(b.processor - a.processor) / max(b.at - a.at, 1e-9) for a, b in pairwise(samples)]
    parts = [_curve(minutes, [one.memory for one in samples], "memory, MB", 0, "#0b5394")]
    parts.append(_curve(minutes[1:], [max(0.0, value) for value in used], "processors in use", 1, "#b45f06"))
    high = 2 * (HEIGHT + 2 * TOP) + 20
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + 80} {high}" font-family="sans-serif" '
        f'font-size="12"><rect width="100%" height="100%" fill="white"/><text x="{LEFT}" y="16">{title}</text>'
        + "".join(parts)
        + "</svg>\n"
    )


def _curve(x: Sequence[float], y: Sequence[float], name: str, place: int, colour: str) -> str:
    top = TOP + place * (HEIGHT + 2 * TOP)
    most, end = max(y, default=1) * 1.1 or 1, max(x, default=1) or 1
    points = " ".join(
        f"{LEFT + a / end * WIDTH:.1f},{top + HEIGHT - b / most * HEIGHT:.1f}" for a, b in zip(x, y, strict=True)
    )
    frame = f'<rect x="{LEFT}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>'
    words = f'<text x="{LEFT}" y="{top - 4}" fill="{colour}">{name}</text><text x="4" y="{top + 10}">{most:.3g}</text>'
    words += f'<text x="4" y="{top + HEIGHT}">0</text>'
    words += f'<text x="{LEFT + WIDTH - 50}" y="{top + HEIGHT + 16}">{end:.3g} min</text>'
    return frame + words + f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'

"""Replays captures with another model and says which incidents it would add and which it would lose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from monitor.pipeline import replay

if TYPE_CHECKING:
    from monitor.config import Settings
    from monitor.reading import Span


def compare_models(
    captures: Sequence[str],
    settings: Settings,
    model: str,
    incidents: Sequence[Mapping[str, Any]],
    *,
    span: Span | None = None,
) -> list[tuple[str, Mapping[str, Any]]]:
    """(`added` or `lost`, incident) by the model at `model`, beside `incidents` of the model of the settings.

    Nothing is kept of the second replay. Raises as `replay`, UsageError when the captures cannot be read twice.
    """
    from monitor.errors import UsageError
    from monitor.reading import STDIN, Span

    if STDIN in captures:
        raise UsageError("--compare reads the captures twice, and standard input can be read once only")
    changed = settings.model_copy(
        update={
            "model": settings.model.model_copy(update={"path": model}),
            "store": settings.store.model_copy(update={"url": "none"}),
        }
    )
    once = Span(span.since, span.until) if span else None
    others = replay(captures, changed, span=once).incidents
    ours, theirs = ({one["incident_id"]: one for one in some} for some in (incidents, others))
    added = [("added", one) for name, one in theirs.items() if name not in ours]
    return [*added, *(("lost", one) for name, one in ours.items() if name not in theirs)]

"""Every detector that can open an incident: its title in English and Japanese, its runbook, what tells incidents apart.

What a hunt looks for is in its file.
"""

from __future__ import annotations

import re

from monitor.detect.hunt import ANOMALY, Hunt, load_hunt, load_hunts
from monitor.detect.wording import literal_of, sentences_of, with_kinds


def known_detectors() -> dict[str, Hunt]:
    """Every detector by its id; the model's anomalies are written as a hunt as well. Raises HuntError."""
    return {hunt.id: hunt for hunt in (load_hunt(ANOMALY), *load_hunts())}


def detector_identities() -> dict[str, tuple[str, ...]]:
    """Columns that tell the incidents of a detector apart, by its id. Raises HuntError."""
    return {name: hunt.identity for name, hunt in known_detectors().items()}


def detector_titles() -> dict[str, tuple[str, str]]:
    """English and Japanese title by the detector's id. Raises HuntError."""
    return {name: (hunt.title, hunt.title_ja) for name, hunt in known_detectors().items()}


def japanese_reasons() -> list[tuple[re.Pattern[str], str]]:
    """What a stored reason looks like, and its Japanese form, whose fields are the groups; the first that fits counts.

    Raises HuntError.
    """
    said = [reason for hunt in known_detectors().values() for reason in hunt.reasons if reason.japanese]
    said.sort(key=lambda reason: -literal_of(reason.template))
    return [(sentences_of(reason.template), with_kinds(reason.japanese, reason.template)) for reason in said]

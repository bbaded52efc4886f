"""Every detector that can open an incident: its title in English and Japanese, its runbook, what tells incidents apart.

What a hunt looks for is in its file.
"""

from __future__ import annotations

from monitor.detect.hunt import ANOMALY, Hunt, load_hunt, load_hunts


def known_detectors() -> dict[str, Hunt]:
    """Every detector by its id; the model's anomalies are written as a hunt as well. Raises HuntError."""
    return {hunt.id: hunt for hunt in (load_hunt(ANOMALY), *load_hunts())}


def detector_identities() -> dict[str, tuple[str, ...]]:
    """Columns that tell the incidents of a detector apart, by its id. Raises HuntError."""
    return {name: hunt.identity for name, hunt in known_detectors().items()}


def detector_titles() -> dict[str, tuple[str, str]]:
    """English and Japanese title by the detector's id. Raises HuntError."""
    return {name: (hunt.title, hunt.title_ja) for name, hunt in known_detectors().items()}

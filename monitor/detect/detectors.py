"""Every detector that can open an incident, with its title in English and Japanese: labels of metrics, words of chat.

What a hunt looks for is in its file.
"""

from __future__ import annotations

from monitor.detect.hunt import ANOMALY, load_hunt, load_hunts


def detector_titles() -> dict[str, tuple[str, str]]:
    """English and Japanese title by the detector's id. Raises HuntError."""
    return {hunt.id: (hunt.title, hunt.title_ja) for hunt in (load_hunt(ANOMALY), *load_hunts())}

"""Every detector that can open an incident, with its title in English and Japanese: labels of metrics, words of chat.

What a hunt looks for is in its file; the detectors that are no hunts are named here.
"""

from __future__ import annotations

from monitor.detect.hunt import ANOMALY, load_hunt, load_hunts

ZONE_BREACH = "zone_breach"

_OTHERS = {ZONE_BREACH: ("Flow between zones without a conduit", "許可のないゾーン間通信")}


def detector_titles() -> dict[str, tuple[str, str]]:
    """English and Japanese title by the detector's id. Raises HuntError."""
    hunts = (load_hunt(ANOMALY), *load_hunts())
    return {**_OTHERS, **{hunt.id: (hunt.title, hunt.title_ja) for hunt in hunts}}

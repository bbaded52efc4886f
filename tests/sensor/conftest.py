"""Fixtures of the sensor's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from recorded_frames import BEGIN, END, odd_frames, pcap, town


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds of the town with tagged and fragmented packets between."""
    frames = town(BEGIN, END)
    frames += odd_frames(frames[0][0] + 1)
    return pcap(tmp_path_factory.mktemp("wire") / "mixed.pcap", sorted(frames, key=lambda frame: frame[0]))

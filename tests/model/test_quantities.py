"""Numbers read as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model.quantities import WORDS, quantity, usual


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (48e6, "byte", "48 MB"),
        (0, "byte", "0 B"),
        (999, "byte", "999 B"),
        (999.9, "byte", "1 kB"),
        (1_234_567, "byte", "1.23 MB"),
        (5e15, "byte", "5,000 TB"),
        (1.5e3, "byte/s", "1.5 kB/s"),
        (0.0, "s", "0 s"),
        (42e-6, "s", "42 µs"),
        (0.0351, "s", "35.1 ms"),
        (90, "s", "1.5 min"),
        (7_200, "s", "2 h"),
        (200_000, "s", "2.31 d"),
        (1, "packet", "1 packet"),
        (0, "packet", "0 packets"),
        (12_345, "packet", "12,345 packets"),
        (0.5, "packet/s", "0.5 packets/s"),
        (0.934, "share", "93.4 %"),
        (7.912, "bit/byte", "7.91 bit/byte"),
        (3, "count", "3"),
        (9, "outcome", "never answered"),
        (0, "port", "well-known port (below 1024)"),
        (1, "transport", "UDP"),
    ],
)
def test_quantity(value: float, unit: str, text: str) -> None:
    assert quantity(value, unit) == text


@pytest.mark.parametrize(
    ("low", "high", "unit", "text"),
    [
        (400, 210_000, "byte", "0.4–210 kB"),
        (12, 3e6, "byte", "12 B–3 MB"),
        (0, 500, "byte", "0–500 B"),
        (0, 0, "byte", "0 B"),
        (0.02, 4.0, "s", "0.02–4 s"),
        (0.0001, 7200, "s", "100 µs–2 h"),
        (0.1, 0.9, "share", "10–90 %"),
        (1, 12, "packet", "1–12 packets"),
        (1, 1, "packet", "1 packet"),
        (0, 4, "outcome", "closed normally to reset by the initiator"),
        (0, 0, "outcome", "closed normally"),
    ],
)
def test_usual(low: float, high: float, unit: str, text: str) -> None:
    assert usual(low, high, unit) == text


@given(st.floats(0, 1e15), st.sampled_from(["byte", "byte/s", "s", "packet", "packet/s", "share", "bit/byte", "count"]))
def test_every_number_reads_as_number_and_unit(value: float, unit: str) -> None:
    text = quantity(value, unit)
    assert float(text.split(" ")[0].replace(",", "")) >= 0
    assert "e" not in text.split(" ")[0]


def test_ranks_outside_the_words_read_as_the_nearest() -> None:
    assert quantity(99, "transport") == WORDS["transport"][-1]

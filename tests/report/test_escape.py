"""What people and spreadsheets are shown holds nothing that acts on them, whatever was on the wire."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.report.escape import as_text, csv_cell, json_text, printable

ANY_TEXT = st.text(st.characters(codec=None, categories=None))


@given(ANY_TEXT)
def test_printable_text_has_no_controls_and_no_invisible_characters(text: str) -> None:
    shown = printable(text)
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
    assert not [c for c in shown if unicodedata.bidirectional(c) in ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "PDI")]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain.example", "plain.example"),
        ("役所.example", "役所.example"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("a\nb\rc\td", "a\\x0ab\\x0dc\\x09d"),
        ("exe\u202egnp.txt", "exe\\u202egnp.txt"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\x9b31m", "\\x9b31m"),
        ("tag\U000e0041", "tag\\U000e0041"),
    ],
)
def test_what_acts_on_a_terminal_becomes_visible(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(ANY_TEXT)
def test_no_cell_begins_a_formula(text: str) -> None:
    cell = csv_cell(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert printable(text) in cell


@given(st.text())
def test_json_text_is_ascii_and_reads_back_equal(text: str) -> None:
    written = json_text(text)
    assert written.isascii()
    assert written.isprintable()
    assert json.loads(written) == text


@given(st.binary())
def test_any_bytes_become_text(raw: bytes) -> None:
    as_text(raw).encode("utf-8")


def test_a_byte_that_is_not_utf8_is_written_out() -> None:
    assert as_text(b"a\xff\xc3\xa9") == "a\\xffé"

"""Makes text from the wire safe to show: what is not a printable character becomes a visible escape.

Whatever leaves the product as text passes here; formats add their own quoting on top.
"""

from __future__ import annotations

import json
import re

_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # controls: terminal sequences, line breaks
    "\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\uffff"  # invisible; bidi (UAX #9)
    "\ud800-\udfff\U000e0000-\U000e0fff]"  # lone surrogates, tags
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
"""A spreadsheet takes a cell that begins so for a formula (OWASP: CSV injection)."""


def as_text(raw: bytes) -> str:
    """UTF-8 as text; a byte that is not UTF-8 becomes the four characters \\xNN."""
    return raw.decode("utf-8", "backslashreplace")


def printable(text: str) -> str:
    r"""The text with controls, bidi overrides and invisible characters written as \xNN, \uNNNN or \UNNNNNNNN."""
    return _UNPRINTABLE.sub(_visible, text)


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def csv_cell(text: str) -> str:
    """Printable text that no spreadsheet runs: a leading apostrophe before what would begin a formula."""
    shown = printable(text)
    return "'" + shown if shown.startswith(_FORMULA) else shown


def json_text(text: str) -> str:
    """JSON string, ASCII only, so that neither a terminal nor a line reader is fooled by what is in it."""
    return json.dumps(text).replace("\x7f", "\\u007f")

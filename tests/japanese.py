"""What a Japanese reason must be: not the English sentence, but with its numbers and names."""

from __future__ import annotations

import re
import string

from monitor.detect import known_detectors
from monitor.report import reason_ja
from monitor.report.reasons_ja import FORMS, MODEL, STAGES, UNITS, WORDS

KEPT = {"tls", "dns", "icmp", "http", "post", "ja4", "tor", "stratum", "udp", "tcp", "ip", "ipsec", "ping", "kerberos"}
"""Names of protocols, the same in both languages."""
NAMES = {"internet", "server"}
"""English words that are names in the cases: a zone, a certificate's."""
_AROUND = "a and after bytes for from host in is its of on port raised sensor service the to under usual with zone"
_TOKEN = re.compile(r"[^\s;()「」（）、：]+")


def _english() -> set[str]:
    said = [*MODEL, *STAGES, *WORDS, *FORMS, _AROUND, "the model finds it strange too", "usual for"]
    for hunt in known_detectors().values():
        for reason in hunt.reasons:
            for literal, _, kind, _ in string.Formatter().parse(reason.template):
                said += [literal, kind or "", f"{kind}s"]
    units = {unit for unit in UNITS if "B" not in unit}
    return ({word.lower() for text in said for word in re.findall(r"[A-Za-z][A-Za-z'-]*", text)} | units) - KEPT


ENGLISH = _english()


def in_japanese(reason: str) -> str:
    """The Japanese form; fails where it is missing, lost a value, or kept a word of English."""
    said = reason_ja(reason)
    assert said != reason, (
        f"no Japanese form of {reason!r}: give the hunt a `reason_ja`, or the model's sentence a form"
    )
    for token in (found.strip(",:").removesuffix("/s") for found in _TOKEN.findall(reason)):
        if token.lower() not in ENGLISH and token.strip("-–±→%"):
            assert all(part in said for part in token.split("–")), f"{token!r} of {reason!r} is lost in {said!r}"
    left = {
        word
        for word in re.findall(r"(?<![\w./-])[A-Za-z][a-z'-]+(?![\w./-])", said, re.ASCII)
        if word in ENGLISH - NAMES
    }
    assert not left, f"{said!r} still says {left}"
    assert re.search(r"[ぁ-んァ-ヶ一-龠]", said)
    return said

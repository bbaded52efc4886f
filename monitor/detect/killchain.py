"""Stages of an intrusion, in the order in which they follow one another, and where each ATT&CK technique belongs.

Order after Hutchins, Cloppert, Amin, Intelligence-Driven Computer Network Defense (2011): once a host is controlled
from outside, the intruder looks around, takes passwords, moves on, carries out, destroys. ATT&CK's tactics have none.
"""

from __future__ import annotations

from collections.abc import Iterable

STAGES: tuple[str, ...] = (
    "reconnaissance",
    "initial access",
    "command and control",
    "discovery",
    "credential access",
    "lateral movement",
    "exfiltration",
    "impact",
)

_TECHNIQUES = {
    "reconnaissance": "T1590 T1592 T1593 T1594 T1595 T1596 T1597 T1598",
    "initial access": "T1078 T1133 T1189 T1190 T1195 T1199 T1200 T1566",
    "command and control": "T1001 T1008 T1071 T1090 T1092 T1095 T1102 T1104 T1105 T1132 T1205 T1219 T1568 T1571 T1572 "
    "T1573 T1659",
    "discovery": "T1007 T1016 T1018 T1033 T1040 T1046 T1049 T1057 T1069 T1082 T1083 T1087 T1124 T1135 T1201 T1482",
    "credential access": "T1003 T1056 T1110 T1111 T1187 T1212 T1528 T1539 T1552 T1555 T1556 T1557 T1558",
    "lateral movement": "T1021 T1080 T1210 T1534 T1550 T1563 T1570 T1599",
    "exfiltration": "T1011 T1020 T1029 T1030 T1041 T1048 T1052 T1537 T1567",
    "impact": "T1485 T1486 T1489 T1490 T1491 T1496 T1498 T1499 T1529 T1531 T1565 T1657",
}
_STAGE = {technique: stage for stage, techniques in _TECHNIQUES.items() for technique in techniques.split()}


def stage_of(attack: Iterable[str]) -> str:
    """Stage of the first technique that has one; empty when none does."""
    return next((_STAGE[entry] for entry in (name.partition(".")[0] for name in attack) if entry in _STAGE), "")


def rank_of(stage: str) -> int:
    """Place of a stage in the chain, from 0; -1 for none."""
    return STAGES.index(stage) if stage in STAGES else -1

"""The features of a flow: names, scales, units, families and the sentence that shows one to a person.

How they are computed from a batch of flow records is in `extraction`; addresses and time of day are never features.
"""

from __future__ import annotations

from dataclasses import dataclass

from monitor.model.quantities import Unit

FEATURE_VERSION = 1
"""Raised whenever a feature is added, removed or computed otherwise; a model of another version is refused."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature.

    `floor` > 0: the forest sees log2(1 + value / floor); values far below the floor look alike. `floor` = 0: the value
    itself. `families` name the measured properties that move the feature; a reason puts a whole family back to normal,
    because putting back one of several features that follow from one property changes little. The first feature of a
    family is the one it is shown by.
    """

    name: str
    unit: Unit
    floor: float
    families: tuple[str, ...]
    words: str
    """Sentence with `{}` for the value."""


FEATURES: tuple[Feature, ...] = (
    Feature("src_payload", "byte", 1.0, ("sent",), "sent {}"),
    Feature("dst_payload", "byte", 1.0, ("received",), "received {}"),
    Feature("src_packets", "packet", 1.0, ("packets",), "sent {}"),
    Feature("dst_packets", "packet", 1.0, ("packets",), "received {}"),
    Feature("upload_share", "share", 0.0, ("sent", "received"), "{} of the payload went out"),
    Feature("duration", "s", 1e-3, ("duration",), "lasted {}"),
    Feature("src_rate", "byte/s", 1.0, ("sent", "duration"), "sent {}"),
    Feature("dst_rate", "byte/s", 1.0, ("received", "duration"), "received {}"),
    Feature("packet_rate", "packet/s", 0.01, ("packets", "duration"), "exchanged {}"),
    Feature("rtt", "s", 1e-4, ("rtt",), "handshake took {}"),
    Feature("src_len_mean", "byte", 1.0, ("sent length",), "sent packets of {} on average"),
    Feature("src_len_min", "byte", 1.0, ("sent length",), "smallest packet sent had {}"),
    Feature("src_len_max", "byte", 1.0, ("sent length",), "largest packet sent had {}"),
    Feature("src_len_std", "byte", 1.0, ("sent length",), "lengths of packets sent vary by {}"),
    Feature("request_len", "byte", 1.0, ("sent length",), "first message was a packet of {}"),
    Feature("dst_len_mean", "byte", 1.0, ("received length",), "received packets of {} on average"),
    Feature("dst_len_min", "byte", 1.0, ("received length",), "smallest packet received had {}"),
    Feature("dst_len_max", "byte", 1.0, ("received length",), "largest packet received had {}"),
    Feature("dst_len_std", "byte", 1.0, ("received length",), "lengths of packets received vary by {}"),
    Feature("response_len", "byte", 1.0, ("received length",), "first answer was a packet of {}"),
    Feature("src_iat_mean", "s", 1e-3, ("sent timing", "duration"), "sent a packet every {} on average"),
    Feature("src_iat_max", "s", 1e-3, ("sent timing", "duration"), "longest pause of the initiator was {}"),
    Feature("src_irregularity", "share", 0.0, ("sent timing",), "irregularity of the initiator's timing was {}"),
    Feature("early_pause", "s", 1e-3, ("sent timing",), "longest pause in the first 16 packets was {}"),
    Feature("dst_iat_mean", "s", 1e-3, ("received timing", "duration"), "received a packet every {} on average"),
    Feature("dst_iat_max", "s", 1e-3, ("received timing", "duration"), "longest pause of the responder was {}"),
    Feature("dst_irregularity", "share", 0.0, ("received timing",), "irregularity of the responder's timing was {}"),
    Feature("response_delay", "s", 1e-3, ("received timing",), "first answer came after {}"),
    Feature("turns", "share", 0.0, ("dialogue",), "the direction changed after {} of the first packets"),
    Feature("src_entropy", "bit/byte", 0.0, ("sent entropy",), "entropy of the first payload sent was {}"),
    Feature("dst_entropy", "bit/byte", 0.0, ("received entropy",), "entropy of the first payload received was {}"),
    Feature("outcome", "outcome", 0.0, ("outcome",), "connection {}"),
    Feature("resend_share", "share", 0.01, ("loss",), "{} of the packets were sent again or out of order"),
    Feature("missed_share", "share", 0.01, ("loss",), "{} of the payload was never seen"),
    Feature("zero_windows", "count", 1.0, ("loss",), "receive window closed {} times"),
    Feature("port_range", "port", 0.0, ("port",), "used a {}"),
    Feature("odd_port", "fit", 0.0, ("port",), "ran on {}"),
    Feature("transport", "transport", 0.0, ("transport",), "ran over {}"),
)
"""Every feature, in the order of the columns of a feature matrix."""

FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)

FAMILIES: tuple[str, ...] = tuple(dict.fromkeys(family for feature in FEATURES for family in feature.families))
"""Measured properties, in the order of their first feature."""


def index(name: str) -> int:
    """Column of the feature in a feature matrix. Raises ValueError."""
    return FEATURE_NAMES.index(name)


def members(family: str) -> tuple[int, ...]:
    """Columns of the features that the family moves; the one it is shown by comes first."""
    return tuple(at for at, feature in enumerate(FEATURES) if family in feature.families)

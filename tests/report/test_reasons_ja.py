"""Whoever reads Japanese gets each reason in Japanese, with every number and name; what is unknown stays as it is.

What each hunt's cases, stories and fusion say is tried where it arises, in `tests/detect`.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from japanese import in_japanese

from monitor.detect import Hunt, known_detectors, load_hunts
from monitor.detect.incident import SEVERITIES
from monitor.detect.killchain import STAGES
from monitor.detect.wording import fields_of, sentence
from monitor.model.features import FEATURES, Feature
from monitor.model.host_features import WINDOW_FEATURES
from monitor.model.host_model import NAMES
from monitor.model.quantities import OUTCOMES, WORDS, quantity, usual
from monitor.report import reason_ja, reasons_ja

HOSTILE = "<script>{0} port 443 \x1b[31m\u202e\n, in 5 s"
VERBS = {"missing_verb", "answered_were"}
"""Fields of an English plural."""
SAMPLES = {"count": 1234, "percent": 0.42, "duration": 75.0, "bytes": 48e6, "ratio": 2.5, "address": "10.0.0.9"}


def _sample(name: str, kind: str) -> object:
    form = kind.partition(" ")[0]
    if name == "under":
        return "under x.example "
    return ["x.example", "10.0.0.7"] if form == "words" else SAMPLES.get(form, f"{len(name)}.example")


@pytest.mark.parametrize("hunt", known_detectors().values(), ids=lambda hunt: hunt.id)
def test_each_sentence_of_a_hunt_has_a_japanese_one_with_the_same_values(hunt: Hunt) -> None:
    for reason in hunt.reasons:
        assert reason.japanese, f"{hunt.id}: add `-- reason_ja:` below {reason.template!r}"
        fields = dict(fields_of(reason.template))
        assert {name for name, _ in fields_of(reason.japanese)} == set(fields) - VERBS
        row = {name: _sample(name, kind) for name, kind in fields.items()}
        said = in_japanese(sentence(reason.template, {name: "do" if name in VERBS else row[name] for name in row}))
        assert "1.2 分" in said or "duration" not in fields.values()


@pytest.mark.parametrize("feature", [*FEATURES, *WINDOW_FEATURES], ids=lambda feature: feature.name)
def test_what_the_model_says(feature: Feature) -> None:
    ranks = range(len(WORDS.get(feature.unit, ())))
    values = [*map(float, ranks)] or [0.0, 3e-4, 0.02, 1.0, 7.5, 90.0, 5000.0, 1e5, 4.8e7, 3e12]
    whom = ["tls", "other services", "unknown services"] if feature in FEATURES else list(NAMES.values())
    for at, value in enumerate(values):
        what = feature.words.format(quantity(value, feature.unit))
        high = values[0] if ranks else value * 40
        in_japanese(f"{what}; usual for {whom[at % len(whom)]} is {usual(values[0], high, feature.unit)}")


def test_a_word_of_the_model_that_is_new_is_missed() -> None:
    words = {word for unit in WORDS for word in WORDS[unit]} | {word for _, word in OUTCOMES.values()}
    assert words - set(reasons_ja.WORDS) == {"TCP", "UDP", "ICMP"}
    assert set(reasons_ja.STAGES) == set(STAGES)
    assert set(reasons_ja.SEVERITIES) == set(SEVERITIES)


@given(st.text() | st.from_regex(r"(called|sent|discovery after|the model finds it strange too:) .* (in|of|is) .*"))
def test_any_text_is_taken_and_what_is_unknown_stays(text: str) -> None:
    said = reason_ja(text)
    assert said == text or re.search(r"[ぁ-んァ-ヶ一-龠]", said)
    assert reason_ja(f"our own hunt says: {text}") == f"our own hunt says: {text}"


def test_a_hostile_name_stays_the_text_that_it_is() -> None:
    for hunt in load_hunts():
        for reason in hunt.reasons:
            names = [name for name, kind in fields_of(reason.template) if not kind and name not in ("host", "peer")]
            row = {name: _sample(name, kind) for name, kind in fields_of(reason.template)}
            for name in names:
                said = reason_ja(sentence(reason.template, {**row, name: HOSTILE}))
                assert name in VERBS or HOSTILE in said


def test_a_long_name_full_of_the_sentence_itself_costs_no_time() -> None:
    text = "asked for 5 domains that do not exist, 9 % of all it asked for, such as " * 50
    assert reason_ja(text[:3999]) is not None

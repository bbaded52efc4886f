"""The first reason names what was done to a flow, in words with the value and the usual range."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from synthetic_flows import changed, ordinary

from monitor.model import Model
from monitor.model.reasons import MOST


def normal(model: Model, service: str, count: int = 40) -> pa.RecordBatch:
    """Some flows of one service that the model finds ordinary: in the more usual half."""
    scored = model.score(ordinary(2_000, seed=7))
    of_service = pc.equal(scored.column("service").cast(pa.string()), service)
    return scored.filter(pc.and_(of_service, pc.greater(scored.column("p_value"), 0.5))).slice(0, count)


def times(batch: pa.RecordBatch, name: str, factor: float) -> pa.RecordBatch:
    values = batch.column(name).to_numpy()
    return changed(batch, **{name: (values * factor).astype(values.dtype)})


MANIPULATIONS = {
    "sent much": (lambda b: times(b, "src_payload", 1_000), {"src_payload"}),
    "received much": (lambda b: times(b, "dst_payload", 10_000), {"dst_payload"}),
    "lasted long": (lambda b: times(b, "duration", 5_000), {"duration"}),
    "slow handshake": (lambda b: times(b, "rtt", 3_000), {"rtt"}),
    "unanswered": (lambda b: changed(b, state=pa.array(["S0"] * b.num_rows).dictionary_encode()), {"outcome"}),
    "plain text": (lambda b: changed(b, src_entropy=[1.5] * b.num_rows), {"src_entropy"}),
    "many packets": (lambda b: times(b, "src_packets", 2_000), {"src_packets", "packet_rate"}),
}


@pytest.mark.parametrize("what", MANIPULATIONS)
def test_the_first_reason_names_what_was_changed(model: Model, what: str) -> None:
    manipulate, expected = MANIPULATIONS[what]
    batch = manipulate(normal(model, "tls"))
    first = [reasons[0].feature for reasons in model.explain(batch, range(batch.num_rows))]
    share = sum(feature in expected for feature in first) / len(first)
    assert share >= 0.95, first


def test_a_reason_carries_value_range_and_a_sentence(model: Model) -> None:
    batch = changed(normal(model, "tls", 1), src_payload=[48_000_000])
    reason = model.explain(batch, [0])[0][0]
    assert (reason.feature, reason.value, reason.unit) == ("src_payload", 48_000_000, "byte")
    assert 0 < reason.low < reason.high < 48_000_000
    assert reason.gain > 0
    assert reason.text.startswith("sent 48 MB; usual for tls is ")
    assert reason.text.endswith(" kB")


def test_three_reasons_of_three_properties(model: Model) -> None:
    batch = times(times(normal(model, "tls", 5), "src_payload", 1_000), "rtt", 3_000)
    for reasons in model.explain(batch, range(5)):
        assert len(reasons) == MOST
        assert {reason.feature for reason in reasons[:2]} == {"src_payload", "rtt"}
        assert len({reason.feature for reason in reasons}) == MOST


def test_a_category_is_compared_with_the_commonest_word(model: Model) -> None:
    batch = changed(normal(model, "tls", 1), state=pa.array(["S0"]).dictionary_encode())
    assert model.explain(batch, [0])[0][0].text == "connection never answered; usual for tls is closed normally"


def test_a_service_without_a_forest_of_its_own_is_compared_with_the_others(model: Model) -> None:
    batch = changed(normal(model, "ldap", 2), src_payload=[90_000_000] * 2)
    assert "usual for other services is" in model.explain(batch, [0])[0][0].text


def test_explaining_a_flow_does_not_depend_on_its_neighbours(model: Model) -> None:
    batch = times(normal(model, "tls", 20), "src_payload", 1_000)
    together = model.explain(batch, range(20))
    assert [model.explain(batch, [row])[0] for row in range(20)] == together

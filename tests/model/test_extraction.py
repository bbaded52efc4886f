"""Features are what their names say, finite for every input, and the same however the batch is cut."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from flow_builder import columns, flows
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_flows import ordinary

from monitor.flows.schema import column
from monitor.model.extraction import COLUMNS_READ, natural, scaled
from monitor.model.features import FAMILIES, FEATURE_NAMES, FEATURES, index, members
from monitor.model.quantities import OUTCOMES


def value(name: str, **flow: object) -> float:
    return float(natural(flows(flow))[0, index(name)])


def test_volumes_shares_and_rates() -> None:
    flow = {"src_payload": 3_000, "dst_payload": 1_000, "duration": 2.0, "src_packets": 6, "dst_packets": 4}
    assert value("src_payload", **flow) == 3_000
    assert value("upload_share", **flow) == 0.75
    assert value("src_rate", **flow) == 1_500
    assert value("dst_rate", **flow) == 500
    assert value("packet_rate", **flow) == 5


def test_a_flow_without_payload_or_duration_has_ratios_all_the_same() -> None:
    flow = {"src_payload": 0, "dst_payload": 0, "duration": 0.0, "src_packets": 1, "dst_packets": 0}
    assert value("upload_share", **flow) == 0.5
    assert value("packet_rate", **flow) == 100
    assert value("src_rate", **flow) == 0


def test_irregularity_is_zero_for_a_metronome() -> None:
    assert value("src_irregularity", src_iat_mean=2.0, src_iat_std=0.0) == 0
    assert value("src_irregularity", src_iat_mean=2.0, src_iat_std=2.0) == 0.5


def test_opening_of_a_tcp_flow_skips_packets_that_are_headers_only() -> None:
    flow = {"splt_len": [60, -60, 52, 569, -52, -1500, 52], "splt_iat": [0, 30_000, 100, 400, 30_000, 5_000, 90]}
    assert value("request_len", **flow) == 569
    assert value("response_len", **flow) == 1500
    assert value("response_delay", **flow) == pytest.approx(0.035)
    assert value("early_pause", **flow) == pytest.approx(0.03)
    assert value("turns", **flow) == pytest.approx(4 / 6)


def test_opening_of_a_udp_flow_is_its_first_packets() -> None:
    flow = {"proto": 17, "splt_len": [66, 66, -70], "splt_iat": [0, 5_000_000, 8_000]}
    assert value("request_len", **flow) == 66
    assert value("response_len", **flow) == 70
    assert value("response_delay", **flow) == pytest.approx(0.008)


def test_an_unanswered_flow_has_no_answer() -> None:
    flow = {"splt_len": [60, 60, 60], "splt_iat": [0, 1_000_000, 2_000_000], "state": "S0", "dst_packets": 0}
    assert value("response_len", **flow) == value("response_delay", **flow) == value("turns", **flow) == 0
    assert value("outcome", **flow) == 9


@pytest.mark.parametrize("state", OUTCOMES)
def test_every_state_of_the_flow_table_has_a_rank(state: str) -> None:
    assert value("outcome", state=state) == OUTCOMES[state][0]


def test_a_state_nobody_knows_counts_as_seen_from_the_middle() -> None:
    assert value("outcome", state="XYZ") == OUTCOMES["OTH"][0]


def test_health_and_ports() -> None:
    assert value("resend_share", src_packets=6, dst_packets=4, src_retransmits=1, dst_out_of_order=1) == pytest.approx(
        0.2
    )
    assert value("missed_share", src_payload=100, dst_payload=200, missed_bytes=100) == pytest.approx(0.25)
    assert [value("port_range", dst_port=port) for port in (22, 8443, 50000)] == [0, 1, 2]
    assert [value("transport", proto=proto) for proto in (6, 17, 1, 58, 132)] == [0, 1, 2, 2, 3]
    assert value("odd_port", service_on_odd_port=True) == 1


def test_scaling_is_log2_above_the_floor() -> None:
    raw = natural(flows({"src_payload": 1023, "duration": 0.007}))
    out = scaled(raw)[0]
    assert out[index("src_payload")] == pytest.approx(10.0)
    assert out[index("duration")] == pytest.approx(3.0, abs=1e-5)
    assert out[index("upload_share")] == raw[0, index("upload_share")]


def test_a_slice_has_the_features_of_its_rows() -> None:
    batch = ordinary(300, seed=3)
    whole = natural(batch)
    for start, length in ((0, 1), (7, 100), (250, 50), (10, 0)):
        np.testing.assert_array_equal(natural(batch.slice(start, length)), whole[start : start + length])


def test_words_that_are_not_dictionary_encoded_are_read_too() -> None:
    batch = ordinary(50, seed=3)
    plain = batch.set_column(batch.schema.get_field_index("state"), "state", batch.column("state").cast(pa.string()))
    np.testing.assert_array_equal(natural(plain), natural(batch))


def test_a_missing_column_is_named() -> None:
    with pytest.raises(KeyError, match="src_entropy"):
        natural(ordinary(5, seed=1).drop_columns(["src_entropy"]))


def test_no_address_name_or_time_of_day_is_read() -> None:
    assert not {"src_ip", "dst_ip", "start", "end", "server_name", "community_id", "src_port"} & set(COLUMNS_READ)


ANY = {
    "u8": st.integers(0, 255),
    "u16": st.integers(0, 65535),
    "u32": st.integers(0, 2**32 - 1),
    "u64": st.integers(0, 2**64 - 1),
    "f4": st.floats(width=32),
    "f8": st.floats(),
    "word": st.text(max_size=4),
    "bool": st.booleans(),
    "i32s": st.lists(st.integers(-(2**31), 2**31 - 1), max_size=16),
    "u32s": st.lists(st.integers(0, 2**32 - 1), max_size=16),
}
ANY_FLOW = st.fixed_dictionaries({name: ANY[column(name).kind] for name in COLUMNS_READ})


@settings(max_examples=300, deadline=None)
@given(st.lists(ANY_FLOW, min_size=1, max_size=5))
def test_features_are_finite_and_not_negative_for_every_input(rows: list[dict[str, object]]) -> None:
    """Numbers of any size, NaN and infinities, lists of different lengths."""
    out = natural(columns({name: [row[name] for row in rows] for name in COLUMNS_READ}))
    assert np.isfinite(out).all()
    assert (out >= 0).all()
    assert np.isfinite(scaled(out)).all()


def test_every_feature_is_named_once_and_belongs_to_a_family_that_begins_with_it_or_another() -> None:
    assert len(set(FEATURE_NAMES)) == len(FEATURES) < 256
    assert all(feature.families and "{}" in feature.words for feature in FEATURES)
    assert {at for family in FAMILIES for at in members(family)} == set(range(len(FEATURES)))

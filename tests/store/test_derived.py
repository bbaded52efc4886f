"""What is not stored comes back as it was put in, whoever made the flow, and is found by its index."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import communityid
import numpy as np
import pyarrow as pa
import pytest
from flow_builder import flows
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.flows.schema import COLUMNS
from monitor.store import Store, open_store
from monitor.store.derived import DERIVED, SHAPE
from monitor.store.packing import packed

ADDRESSES = ("10.0.0.5", "203.0.113.9", "10.0.0.5", "2001:db8::1", "2001:db8::ffff:1.2.3.4", "::ffff:0:1.2.3.4", "::1")


@pytest.fixture(scope="module")
def engine() -> Iterator[Store]:
    with open_store("none") as store:
        yield store


def came_back(store: Store, batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """The rows of a run that has only these, in their order, with the columns that are not stored."""
    store.begin_run("derived")
    store.insert_flows(batch)
    store.publish_flows()
    rows: list[dict[str, Any]] = store.query(
        f"SELECT {', '.join(DERIVED)} FROM flows WHERE run_id = 'derived' ORDER BY flow_id"
    ).to_pylist()
    return rows


def figures(sizes: list[int], gaps: list[int]) -> dict[str, float]:
    """NumPy's word for the sixteen figures of a flow's packets."""
    moments, found = np.cumsum(gaps), {}
    for side, sign in (("src", 1), ("dst", -1)):
        own = [place for place, size in enumerate(sizes) if size * sign > 0]
        lens = np.abs(np.array([sizes[place] for place in own], float))
        iats = np.diff([moments[place] for place in own]) * 1e-6
        for what, values in (("len", lens), ("iat", iats)):
            for stat, of in (("min", np.min), ("mean", np.mean), ("std", np.std), ("max", np.max)):
                found[f"{side}_{what}_{stat}"] = float(of(values)) if len(values) else 0.0
    return found


PACKETS = st.lists(
    st.tuples(st.integers(20, 65535), st.booleans(), st.one_of(st.integers(0, 3000), st.integers(0, 2**32 - 1))),
    min_size=1,
    max_size=16,
)


@settings(max_examples=6, deadline=None)
@given(st.lists(PACKETS, min_size=20, max_size=60), st.booleans())
def test_shapes_come_back_whether_the_packets_give_them_or_not(
    engine: Store, drawn: list[list[tuple[int, bool, int]]], longer: bool
) -> None:
    rows = []
    for place, packets in enumerate(drawn):
        sizes = [size if ours else -size for size, ours, _ in packets]
        gaps = [0, *(gap for *_, gap in packets[1:])]
        rows.append({
            "flow_id": place, "splt_len": sizes, "splt_iat": gaps, **figures(sizes, gaps),
            "src_packets": sum(size > 0 for size in sizes) + longer, "dst_packets": sum(size < 0 for size in sizes),
        })  # fmt: skip
    batch = flows(*rows)
    got = came_back(engine, batch)
    for place, row in enumerate(got):
        for name in SHAPE:
            assert row[name] == batch.column(name)[place].as_py(), (name, rows[place])


ENDS = st.fixed_dictionaries({
    "src_ip": st.sampled_from(ADDRESSES), "dst_ip": st.sampled_from(ADDRESSES), "src_port": st.integers(0, 65535),
    "dst_port": st.integers(0, 65535), "proto": st.sampled_from([6, 17, 132, 2, 47, 50, 255]),
})  # fmt: skip
ICMP = st.fixed_dictionaries({
    "src_ip": st.sampled_from(ADDRESSES[:2]), "dst_ip": st.sampled_from(ADDRESSES[:2]),
    "src_port": st.integers(0, 255), "dst_port": st.integers(0, 255), "proto": st.just(1),
})  # fmt: skip
ICMP6 = st.fixed_dictionaries({
    "src_ip": st.sampled_from(ADDRESSES[3:]), "dst_ip": st.sampled_from(ADDRESSES[3:]),
    "src_port": st.integers(0, 255), "dst_port": st.integers(0, 255), "proto": st.just(58),
})  # fmt: skip


@settings(max_examples=6, deadline=None)
@given(st.lists(st.one_of(ENDS, ICMP, ICMP6), min_size=40, max_size=120))
def test_community_ids_are_those_of_the_reference(engine: Store, ends: list[dict[str, Any]]) -> None:
    """By the specification's own implementation, ICMP's types and codes among them, and none of them stored."""
    batch = flows(*({"flow_id": place, **end, "community_id": _reference(end)} for place, end in enumerate(ends)))
    assert [row["community_id"] for row in came_back(engine, batch)] == batch.column("community_id").to_pylist()
    one_family = [(":" in str(end["src_ip"])) == (":" in str(end["dst_ip"])) for end in ends]
    stored = packed(batch).column("community_id_other").to_pylist()
    assert not any(other for other, same in zip(stored, one_family, strict=True) if same)


def _reference(end: dict[str, Any]) -> str:
    source, target, proto = end["src_ip"], end["dst_ip"], end["proto"]
    if (":" in source) != (":" in target):
        return "1:of two families"
    known = communityid.CommunityID()
    if proto in (6, 17, 132, 1, 58):
        return str(known.calc(communityid.FlowTuple(proto, source, target, end["src_port"], end["dst_port"])))
    return str(known.calc(communityid.FlowTuple(proto, source, target)))


def test_what_is_another_than_computed_is_kept(engine: Store) -> None:
    batch = flows(
        {"flow_id": 0, "community_id": "1:of another seed"}, {"flow_id": 1, "community_id": ""},
        {"flow_id": 2, "src_len_mean": math.pi, "duration": 2.25}, {"flow_id": 3, "splt_len": [40, 40]},
    )  # fmt: skip
    sliced = pa.Table.from_batches([flows({}, {}), batch]).combine_chunks().to_batches()[0].slice(2)
    given = came_back(engine, sliced)
    assert [row["community_id"] for row in given[:1]] == ["1:of another seed"]
    assert given[2]["src_len_mean"] == np.float32(math.pi)
    assert given[2]["duration"] == 2.25
    assert given[3]["src_len_mean"] == 0


def test_an_old_insert_of_the_spool_is_packed_and_a_packed_one_left(engine: Store) -> None:
    one = {"src_packets": 1, "dst_packets": 0, "splt_len": [60], "splt_iat": [0], **figures([60], [0])}
    batch = packed(flows(one, {"src_iat_max": 3.0}))
    assert packed(batch) is batch
    assert not set(DERIVED) & set(batch.schema.names)
    assert not any(field.nullable for field in batch.schema)
    assert batch.column("shape_other").to_pylist() == [[], [0.0] * 7 + [3.0] + [0.0] * 8]


def test_a_community_id_is_found_by_its_index(engine: Store) -> None:
    engine.begin_run("many")
    engine.insert_flows(flows(*({"flow_id": i, "src_port": i % 60000} for i in range(30_000))))
    engine.publish_flows()
    client = engine._client()
    client.command("OPTIMIZE TABLE flows PARTITION ('many', 0) FINAL")
    name = engine.query("SELECT community_id FROM flows WHERE src_port = 777 AND run_id = 'many'").column(0)[0].as_py()
    for condition in ("= {name:String}", "IN {names:Array(String)}"):
        asked = {"name": name, "names": [name, "1:x"]}
        sql = f"SELECT start FROM flows WHERE run_id = 'many' AND community_id {condition}"
        plan = "\n".join(engine.query(f"EXPLAIN indexes = 1 {sql}", asked).column(0).to_pylist())
        assert "by_community_id" in plan
        _, _, after = plan.partition("by_community_id")
        kept, _, whole = after.split("Granules: ")[1].split()[0].partition("/")
        assert int(kept) < int(whole)
        assert engine.query(sql, asked).num_rows == 1


def test_every_column_is_told_by_an_asterisk(engine: Store) -> None:
    assert {column.name for column in COLUMNS} <= set(engine.query("SELECT * FROM flows LIMIT 0").schema.names)

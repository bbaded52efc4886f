"""Laying flows into other traffic keeps what they are, and moves who, when and what is true of them together."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pyarrow as pa
from flow_builder import EPOCH, flows

from monitor.addresses import address_text, packed_address
from monitor.evaluation.campaign import flows_of
from monitor.evaluation.day import DAY, START, Case, benign_day, lay_attack, truths_of
from monitor.evaluation.labels import Labelled
from monitor.evaluation.scenario import at_home, lay, observed_hours, without_pauses

SCAN: list[dict[str, Any]] = [
    {"src_ip": "192.168.0.66", "dst_ip": "192.168.0.5", "dst_port": port, "start": port / 10} for port in range(50)
]
VISITS: list[dict[str, Any]] = [
    {"src_ip": "192.168.0.5", "dst_ip": f"198.51.100.{n}", "start": n * 60.0} for n in range(30)
]


def case(rows: list[dict[str, Any]], **label: Any) -> Case:
    labelled = Labelled.model_validate({"capture": Path("x.pcap"), "class": "c", **label})
    table = pa.Table.from_batches([flows(*rows)])
    return Case(labelled, table, truths_of(labelled, table))


def test_times_and_addresses_move_and_all_else_stays() -> None:
    table = case(SCAN).table
    moved = lay(table, {"192.168.0.66": "203.0.113.5"}, 3_600_000_000, salt=3)
    untouched = [name for name in table.column_names if name not in
                 ("src_ip", "dst_ip", "start", "end", "flow_id", "src_zone", "dst_zone", "direction")]  # fmt: skip
    assert moved.select(untouched).equals(table.select(untouched))
    assert {address_text(one) for one in moved["src_ip"].to_pylist()} == {"203.0.113.5"}
    assert set(moved["direction"].to_pylist()) == {"inbound"}
    assert (moved["start"][0].as_py() - table["start"][0].as_py()) == timedelta(hours=1)
    assert len(set(moved["flow_id"].to_pylist())) == len(SCAN)
    assert not set(moved["flow_id"].to_pylist()) & set(table["flow_id"].to_pylist())


def test_mapped_addresses_read_as_ipv4() -> None:
    for text in ("10.1.2.3", "2001:db8::1"):
        assert address_text(packed_address(text)) == text
    assert at_home("fd00::1")
    assert not at_home("198.51.100.1")
    assert at_home("198.51.100.1", [ip_network("198.51.100.0/24")])


def test_long_silence_is_cut_to_a_quarter_of_an_hour() -> None:
    table = case([{"start": 0.0}, {"start": 100.0}, {"start": 1e6}, {"start": 1e6 + 50}]).table
    starts = [(at.timestamp() * 1e6 - EPOCH) / 1e6 for at in without_pauses(table)["start"].to_pylist()]
    assert starts == [0.0, 100.0, 1000.0, 1050.0]
    assert observed_hours(table) * 3600 == 1050.5


def test_an_attack_takes_the_place_of_one_of_the_days_hosts() -> None:
    attack = {"behaviour": "port_scan", "host": "192.168.0.66", "peer": "192.168.0.5"}
    day = benign_day([case(VISITS), case(VISITS)], seed=4)
    assert len(set(day.hosts)) == 2
    (truth,) = lay_attack(day, case(SCAN, attacks=[attack]), seed=4, number=0)
    assert truth.hosts <= set(day.hosts)
    assert START <= truth.start <= truth.end <= START + timedelta(microseconds=DAY)
    table = pa.concat_tables(day.tables)
    assert flows_of(table, truth).sum() == len(SCAN), "truth points at the attack's flows and at no others"


def test_another_seed_lays_it_elsewhere_and_the_same_one_just_so() -> None:
    def place(seed: int) -> Any:
        day = benign_day([case(VISITS), case(VISITS)], seed)
        return lay_attack(day, case(SCAN, attacks=[{"behaviour": "s", "host": "192.168.0.66"}]), seed, 0)[0].start

    assert place(1) == place(1)
    assert place(1) != place(2)


def test_bulk_traffic_is_weighed_down() -> None:
    day = benign_day([case(VISITS, weight=0.1)], seed=1)
    assert sum(table.num_rows for table in day.tables) == 3

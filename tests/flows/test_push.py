"""The live way through the meter: batches pushed one by one, the clock moved on between them, flows taken early."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from conversations import CLIENT, MS, SECOND, SERVER
from hypothesis import given, settings
from hypothesis import strategies as st
from packets import START, Packet, batch, tcp, udp

from monitor.flows import FlowMeter
from monitor.settings import FlowSettings

Row = dict[str, Any]


def rows(batches: Iterator[pa.RecordBatch]) -> list[Row]:
    """Every flow, in an order that does not depend on when it was handed over."""
    found = [row for part in batches for row in part.to_pylist()]
    return sorted(found, key=lambda row: (row["start"], row["flow_id"], row["part"]))


def pushed(packets: list[Packet], sizes: list[int], lag: int) -> Iterator[pa.RecordBatch]:
    """Batches of these sizes in turn; behind each the clock comes to `lag` µs before the next packet; all is taken."""
    meter = FlowMeter(FlowSettings(max_flows=1024), export_rows=2)
    begin = turn = 0
    while begin < len(packets):
        end = begin + sizes[turn % len(sizes)]
        lots = [*meter.push(batch(packets[begin:end]))]
        if end < len(packets):
            lots += [*meter.advance(packets[end][0] - lag)]
        lots += [*meter.take()]
        yield from (meter.columns(lot) for lot in lots)
        begin, turn = end, turn + 1
    yield from (meter.columns(lot) for lot in meter.drain())


@settings(max_examples=30, deadline=None)
@given(
    gaps=st.lists(st.integers(0, 90_000), min_size=5, max_size=60),
    sizes=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    lag=st.integers(0, 2 * SECOND),
)
def test_flows_do_not_depend_on_when_the_clock_was_looked_at(gaps: list[int], sizes: list[int], lag: int) -> None:
    """Ticks between packets, at any moment that has truly come, change no flow: the wire gives what the file gives."""
    packets: list[Packet] = []
    now = START
    for number, gap in enumerate(gaps):
        now += gap * MS
        there, port = f"10.1.0.{number % 3}", 40000 + number % 2
        frame = udp(there, SERVER, port, 53) if number % 2 else tcp(there, CLIENT, port, 443, "SA"[number % 3 // 2])
        packets.append((now, frame))
    whole = FlowMeter(FlowSettings(max_flows=1024))
    assert rows(pushed(packets, sizes, lag)) == rows(whole.records([batch(packets)]))


def test_a_silent_wire_ages() -> None:
    """Without a packet to tell the time, the clock alone ends a flow; set back by an hour, it starts from there."""
    meter = FlowMeter(FlowSettings(max_flows=1024))
    assert not [*meter.push(batch([(START, udp(CLIENT, SERVER, 40000, 53))]))]
    assert not [*meter.advance(START + 60 * SECOND), *meter.take()]
    assert not [*meter.advance(START - 3600 * SECOND), *meter.take()]
    assert meter.counters.clock_steps == 1
    assert not [*meter.advance(START + 60 * SECOND), *meter.take()]
    (lot,) = [*meter.advance(START + 62 * SECOND), *meter.take()]
    assert meter.columns(lot).column("end_reason").to_pylist() == [1]
